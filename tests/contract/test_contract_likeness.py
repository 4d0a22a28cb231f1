"""The measure itself: what counts as like a capture, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from harness.likeness import differences


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"data": "http://192.0.2.1:2379"}, {"data": "http://127.0.1.3:4711"}),
        ({"ID": 4, "Version": 1}, {"ID": 7, "Version": 30}),
        ({"cluster_id": "18"}, {"cluster_id": "4711"}),
        ([{"id": 1, "status": "Ready"}], [{"id": 2, "status": "Ready"}, {"id": 9, "status": "Ready"}]),
        ({"success": ["demo"], "failed": []}, {"success": ["a", "b"], "failed": []}),
        ({"unreadyShards": {"0": {"status": "partialOpen"}}}, {"unreadyShards": {"5": {"status": "partialOpen"}}}),
        (None, None),
    ],
)
def test_alike(expected: Any, actual: Any) -> None:
    assert differences(expected, actual) == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {}),
        ({}, {"a": 1}),
        ({"a": 1}, {"a": "1"}),
        ({"a": True}, {"a": False}),
        ({"a": 1}, {"a": True}),
        ({"msg": "cluster not found"}, {"msg": "no such cluster"}),
        ({"MinNodeCount": 3}, {"MinNodeCount": 2}),
        ({"status": "Ready"}, {"status": "Opening"}),
        ([], [1]),
        ([1], []),
        ({"success": [], "failed": []}, {"success": [], "failed": ["demo"]}),
        ({"unreadyShards": {}}, {"unreadyShards": {"5": {"status": "partialOpen"}}}),
        (None, {}),
        ({"raft_term": 7}, {"raft_term": "7"}),
    ],
)
def test_unlike(expected: Any, actual: Any) -> None:
    assert differences(expected, actual)

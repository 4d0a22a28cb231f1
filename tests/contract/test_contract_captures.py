"""All 104 captured exchanges with the real daemons, replayed."""

from __future__ import annotations

from typing import Any, List

import pytest
from harness.captures import Capture, load
from stories.replays import replay_dynamic, replay_static, replay_unopenable, split_dynamic
from stories.telling import told_by

HEALTHY, UNOPENABLE = split_dynamic()


def cases(captures: List[Capture]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("capture", captures, ids=lambda capture: capture.id)


@told_by(replay_static)
@cases([*load("meta"), *load("db")])
def test_static(told: Any, capture: Capture) -> None:
    assert capture.unlike(told[capture.id]) == []


@told_by(replay_dynamic)
@cases(HEALTHY)
def test_dynamic(told: Any, capture: Capture) -> None:
    assert capture.unlike(told[capture.id]) == []


@told_by(replay_unopenable)
@cases(UNOPENABLE)
def test_dynamic_on_local_disks(told: Any, capture: Capture) -> None:
    reply = told[capture.id]
    if capture.case.startswith("select"):
        # The captured one was asked through another node; where the table's own node is asked, it is worded otherwise (test_contract_answers.py).
        assert reply.status == capture.status and "status:Recovering" in reply.text
    else:
        assert capture.unlike(reply) == []


def test_there_are_104() -> None:
    assert sum(len(load(source)) for source in ("meta", "db", "dynamic")) == 104

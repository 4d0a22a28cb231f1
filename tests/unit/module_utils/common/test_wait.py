"""Waiting keeps its rhythm and its bounds."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import wait


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        assert seconds >= 0
        self.now += seconds


def polling(clock, answers, cost=0.0):
    seen = []

    def poll(elapsed):
        seen.append(round(elapsed, 3))
        clock.now += cost
        return answers[min(len(seen), len(answers)) - 1]

    return poll, seen


@pytest.mark.parametrize(
    ("answers", "times", "cost", "looks", "elapsed", "missing"),
    [
        ([None], 1, 0, [0], 0, None),
        ([None], 3, 0, [0, 0.5, 1.0], 1.0, None),
        ([None, "x", None, None, None], 3, 0, [0, 0.5, 1.0, 1.5, 2.0], 2.0, None),
        ([None], 3, 0.2, [0, 0.5, 1.0], 1.2, None),  # start to start
        ([None], 2, 2.0, [0, 2.0], 4.0, None),  # a look longer than the interval: the next one at once
        (["x"], 1, 0, [0, 0.5, 1.0, 1.5, 2.0, 2.5, 2.8], 2.8, "x"),
        ([None, "x"], 3, 0, [0, 0.5, 1.0, 1.5, 2.0, 2.5, 2.8], 2.8, "x"),
        (["x", "x", "x", "x", "x", "x", None], 3, 0, [0, 0.5, 1.0, 1.5, 2.0, 2.5, 2.8], 2.8, "it was ready only 1 of 3 times in a row"),
    ],
)
def test_wait(answers, times, cost, looks, elapsed, missing):
    clock = Clock()
    poll, seen = polling(clock, answers, cost)
    waited = wait(poll, 2.8, 0.5, times, clock)
    assert seen == looks
    assert waited.elapsed == pytest.approx(elapsed)
    assert waited.missing == missing

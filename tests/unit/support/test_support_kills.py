"""Which task a run is killed at."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.support import kills
from tests.support.playbook import Run

OUTPUT = """
PLAY [Check] ****
TASK [one] ****
ok: [a]
TASK [horaedb.cluster.preflight : Validating arguments] ****
TASK [two] ****
PLAY [Roll] ****
TASK [three] ****
PLAY [Roll] ****
TASK [four] ****
PLAY [Prove] ****
TASK [five] ****
PLAY RECAP ****
"""


def fatal_line(number: int, play: str = "") -> str | None:
    fatal = kills.at_task(number, play)
    return next((line.strip("* ") for line in OUTPUT.splitlines() if fatal(line)), None)


@pytest.mark.parametrize(
    ("number", "play", "line"),
    [
        (1, "", "TASK [one]"),
        (2, "", "TASK [two]"),
        (5, "", "TASK [five]"),
        (6, "", None),
        (1, "PLAY [Roll", "TASK [three]"),
        (2, "PLAY [Roll", "TASK [four]"),
        (3, "PLAY [Roll", "PLAY [Prove]"),
    ],
)
def test_the_task_of_a_number_is_found(number: int, play: str, line: str | None) -> None:
    """Breaks when a task is skipped by the loop, or one that asks no host is counted."""
    assert fatal_line(number, play) == line


def runs(until_done: int) -> kills.Start:
    """A playbook with so many tasks."""

    def start(kill_at: Callable[[str], bool], _kill_after: float) -> Run:
        for number in range(1, until_done + 1):
            if kill_at("TASK [task %d]" % number):
                return Run(-signal.SIGKILL, "TASK [task %d] ***" % number, 1.0)
        return Run(0, "", 1.0)

    return start


def test_every_task_is_killed_once() -> None:
    """Breaks when the loop ends early, or never."""
    assert [where.split("]")[0] for where in kills.at_every_task(runs(3))] == ["TASK [task 1", "TASK [task 2", "TASK [task 3"]


def test_some_tasks_are_killed_and_a_run_that_gets_through_is_the_last() -> None:
    """Breaks when a run that came to its end is taken for a killed one."""
    assert [where.split(",")[0] for where in kills.at_some_tasks(runs(4), [2, 3, 9])] == ["task 2", "task 3"]


def test_a_run_that_failed_by_itself_is_no_killed_one() -> None:
    """Breaks when a playbook that fails is counted as killed, and nobody looks why."""
    with pytest.raises(AssertionError, match="it failed"):
        list(kills.at_some_tasks(lambda _at, _after: Run(2, "it failed", 1.0), [1]))


def test_a_few_are_chosen_of_those_that_have_the_lock() -> None:
    """Breaks when a run is killed while it takes the lock, of which the journal knows or not, by chance."""
    before = ["TASK [look]", "TASK [horaedb.cluster.preflight : Validate the topology and the living cluster] ***"]
    output = "\n".join([*before, "TASK [three]", "TASK [four]"])
    assert [kills.chosen(output, wanted, {}) for wanted in (2, 4)] == [[3, 4], [3, 4]]
    assert kills.chosen(output, 1, {"HORAE_KILLS": "all"})[:2] == [1, 2]


def test_the_same_tasks_are_chosen_each_time() -> None:
    """Breaks when a failure can't be had again, or when `all` leaves one out."""
    assert kills.chosen(OUTPUT, 3, {}) == kills.chosen(OUTPUT, 3, {})
    assert len(kills.chosen(OUTPUT, 3, {})) == 3
    assert kills.chosen(OUTPUT, 3, {kills.VARIABLE: "all"})[:6] == [1, 2, 3, 4, 5, 6]
    assert len(kills.chosen(OUTPUT, 3, {kills.VARIABLE: "2"})) == 2
    assert kills.chosen(OUTPUT, 99, {}) == [1, 2, 3, 4, 5]

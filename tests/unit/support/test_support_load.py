"""What is counted beside an operation: a mistake here would prove anything."""

from __future__ import annotations

import pytest

from tests.support import load
from tests.support.keys import agreed
from tests.support.load import Move, Phase, Written
from tests.support.traffic import Attempt


def written(sent: set[int], acknowledged: set[int]) -> Written:
    found = Written()
    found.sent, found.acknowledged = sent, acknowledged
    return found


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([1, 2], None),
        ([2, 1, 3], None),
        ([1], "lacks 1 acknowledged rows: [2]"),
        ([1, 2, 9], "has 1 rows that nobody wrote: [9]"),
        ([1, 2, 2], "has rows twice: [2]"),
    ],
)
def test_rows_are_compared_with_what_was_acknowledged(found: list[int], problem: str | None) -> None:
    """Breaks when a lost row passes, or when a row in doubt (3) is demanded or taken for a stranger."""
    assert written({1, 2, 3}, {1, 2}).problem(found) == problem


@pytest.mark.parametrize(
    ("said", "who"),
    [
        (["a", "a", "a"], "a"),
        (["a", "a", None], "a"),
        (["a", None, None], None),
        (["a", "b", None], None),
        ([None, None, None], None),
    ],
)
def test_a_leader_is_who_is_called_so_by_most_of_all_members(said: list[str | None], who: str | None) -> None:
    """Breaks when a member that is cut off, and still calls itself leader, is believed."""
    assert agreed(said, 3) == who


def test_a_change_of_leader_spans_the_moments_without_one() -> None:
    """Breaks when an election is counted twice or not at all."""
    samples = [(0.0, "a"), (0.2, "a"), (0.4, None), (0.6, None), (0.8, "b"), (1.0, "b"), (1.2, None), (1.4, "b")]
    assert load.changes(samples) == [load.Change(0.2, 0.8, "a", "b")]


def reads(what: str, failed: set[int], count: int = 40) -> list[Attempt]:
    """One each 0.2 s."""
    return [Attempt(number * 0.2, what, "refused" if number in failed else None) for number in range(count)]


LEADERS = [(number * 0.2, "a" if number < 20 else "b") for number in range(40)]  # moves at 4 s


def test_reads_that_fail_with_a_move_are_counted_for_it() -> None:
    """Breaks when tables are added up, or when a read before or long after the move is blamed on it."""
    attempts = reads("db1", {5, 20, 21}) + reads("db2", {21, 35}) + reads("db3", {20})
    assert load.moves(attempts, LEADERS) == [Move("a", "b", 2)]


def test_a_node_that_is_away_is_no_failure_of_the_move() -> None:
    """Breaks when the outage of a node, or of one that goes just then, is blamed on the move that protects it."""
    attempts = reads("db1", set(range(19, 40))) + reads("db2", {20}) + reads("db3", {20})
    assert load.moves(attempts, LEADERS) == [Move("a", "b", 1)]


def test_a_move_that_nobody_notices_costs_nothing() -> None:
    """Breaks when a restart in the same second is blamed on it."""
    assert load.moves(reads("db1", {20, 21, 22}) + reads("db2", set()), LEADERS) == [Move("a", "b", 0)]


def phase(**failed: set[int]) -> Phase:
    attempts = [attempt for what, numbers in failed.items() for attempt in reads(what, numbers)]
    return Phase("a phase", outages={what: [] for what in failed}, attempts=attempts, leaders=LEADERS)


def test_nodes_that_go_one_after_the_other_are_fine() -> None:
    """Breaks when the bound is taken for the sum."""
    phase(db1={1, 2, 3}, db2={6, 7, 8}, db3=set()).assert_one_at_a_time(1.0)


def test_two_nodes_at_once_are_noticed() -> None:
    """Breaks when only the length of an outage is looked at."""
    with pytest.raises(AssertionError, match="the tables of db2 went away while those of db1 were"):
        phase(db1=set(range(1, 18)), db2=set(range(10, 27)), db3=set()).assert_one_at_a_time(5.0)


def test_a_node_that_is_away_for_too_long_is_noticed() -> None:
    """Breaks when the longest outage is not the one that is compared."""
    with pytest.raises(AssertionError, match="the tables of db2 were away for 2.0 s"):
        phase(db1={1}, db2=set(range(25, 35))).assert_one_at_a_time(1.9)


def test_tables_that_are_away_together_while_nobody_knows_where_they_are_are_no_two_nodes() -> None:
    """Breaks when a leader's move, or a member's stop, is taken for two restarts at once."""
    phase(db1={20, 21}, db2={20, 21}, db3={21}).assert_one_at_a_time(1.0)


def test_all_nodes_down_at_once_are_no_such_thing() -> None:
    """Breaks when nodes that are all restarted together pass, because all of them were away."""
    with pytest.raises(AssertionError, match="went away while"):
        phase(db1=set(range(5, 25)), db2=set(range(5, 25)), db3=set(range(5, 25))).assert_one_at_a_time(6.0)


def test_a_record_has_the_figures_and_not_what_they_come_from() -> None:
    """Breaks when thousands of reads get into the file of figures."""
    record = phase(db1={1}).record()
    assert {"name", "seconds", "reads", "failed_reads", "rows", "unacknowledged", "outages", "moves"} == set(record)

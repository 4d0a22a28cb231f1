"""Dynamic topology."""

from __future__ import annotations

from typing import Any

from stories.dynamic import failover, frozen, growth, map_lost
from stories.telling import told_by


@told_by(failover)
def test_the_first_start_and_a_quick_restart_take_seconds(told: Any) -> None:
    """6 s, and 1.5 to 5 s, on the real ones."""
    assert told["first start"] < 20
    assert told["quick restart"] < 15


@told_by(failover)
def test_a_dead_node_is_out_until_its_locks_run_out(told: Any) -> None:
    """16.6 to 24.5 s on the real ones: the map after 10 to 15 s; the locks after a quarter to the whole of their 30 s; then the next tick."""
    assert 10 < told["failover"] < 50
    assert told["read after the failover"] == told["written"]


@told_by(failover)
def test_revoking_its_locks_shortens_that(told: Any) -> None:
    """13.6 s on the real ones."""
    assert 7 < told["failover with revoked locks"] < 25
    assert told["read"] == told["written"]


@told_by(failover)
def test_a_node_that_returns_gets_its_share_again(told: Any) -> None:
    assert told["rebalanced after the return"] < 45


@told_by(map_lost)
def test_a_node_that_hung_stays_unroutable(told: Any) -> None:
    assert 7.5 < told["forgotten after"] < 18
    assert told["node says"] == {"Ready"} and told["still lost"]
    assert told["diagnose"] == {"unregisteredShards": [], "unreadyShards": {}}


@told_by(map_lost)
def test_a_leader_move_brings_the_map_back(told: Any) -> None:
    """About 2 s on the real ones."""
    assert told["repaired by a leader move"] < 10
    assert told["read"] == told["written"]


@told_by(map_lost)
def test_a_transfer_is_reverted_at_the_next_tick(told: Any) -> None:
    assert told["transferred"] < 12 and told["reverted"] < 20


@told_by(frozen)
def test_freezing_a_young_leader_kills_it(told: Any) -> None:
    assert told["panic's exit code"] == 2
    assert "unexpected case" in told["panic"]


@told_by(frozen)
def test_nothing_fails_over_while_frozen(told: Any) -> None:
    assert told["served while frozen"] is False
    assert told["failover after the thaw"] < 25


@told_by(frozen)
def test_a_leader_change_loses_the_flag(told: Any) -> None:
    assert told["frozen after a leader change"] is False


@told_by(growth)
def test_a_count_too_high_waits_for_the_last_node(told: Any) -> None:
    """7 s on the real ones."""
    assert told["three of four"] == [0, 0, 0]
    assert told["filled after the fourth"] < 20


@told_by(growth)
def test_a_new_node_gets_shards_within_seconds(told: Any) -> None:
    """5 s on the real ones."""
    assert told["the fifth has shards after"] < 20
    assert sorted(told["five nodes"]) == [1, 1, 2, 2, 2]


@told_by(growth)
def test_an_affinity_for_a_shard_that_does_not_exist_takes_a_node_out(told: Any) -> None:
    """The first node of the ring that its names make."""
    assert sorted(told["with an affinity"]) == [0, 2, 3, 3]
    assert told["without it"] == [2, 2, 2, 2]

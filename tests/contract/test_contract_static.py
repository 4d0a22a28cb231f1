"""Static topology: what a restart costs, what ten seconds of absence cost, and what brings shards back."""

from __future__ import annotations

from typing import Any

from stories.acts import PANIC
from stories.static import (
    away_too_long,
    map_lost_while_all_serve,
    node_counts,
    planned_downtime,
    restarted_again_and_again,
    restarts,
    upstream_defaults,
)
from stories.telling import told_by


@told_by(restarts)
def test_the_first_start_takes_seconds(told: Any) -> None:
    assert told["first start"] < 15


@told_by(restarts)
def test_a_restarted_node_is_back_after_the_next_tick(told: Any) -> None:
    """4 s, 4 s, 5 s on the real ones: no lock has to run out, only the scheduler's tick is waited for."""
    assert told["back after a restart"] < 10
    assert told["same map"]
    assert told["exit code of SIGTERM"] in (0, 1)


@told_by(restarts)
def test_acknowledged_rows_survive_sigterm_and_sigkill(told: Any) -> None:
    assert told["read after a restart"] == told["written"] / 2
    assert told["read after SIGKILL"] == told["written"]
    assert told["back after SIGKILL"] < 12


@told_by(restarts)
def test_diagnose_is_alarmed_for_a_moment_after_a_restart(told: Any) -> None:
    assert told["diagnose right after a restart"]["unregisteredShards"]


@told_by(away_too_long)
def test_ten_seconds_of_absence_are_forgotten_for_good(told: Any) -> None:
    """The last heartbeat is up to 2 s old at the stop, and the inspector looks every 5 s."""
    assert 7.5 < told["forgotten after"] < 18
    assert told["still forgotten"] and told["holds nothing"] and told["other shards"]
    assert told["its tables"] and all("Table is not found" in text for text in told["its tables"])


@told_by(away_too_long)
def test_transfer_leader_says_success_whatever_happens(told: Any) -> None:
    assert told["transfer to nobody"] == {"status": "success", "data": "success"}


@told_by(away_too_long)
def test_the_repair_puts_shards_back_with_their_data(told: Any) -> None:
    assert told["repaired in"] < 40
    assert told["same map"] and told["topology type"] == "static"
    assert told["read"] == told["written"]


@told_by(map_lost_while_all_serve)
def test_a_stopped_follower_empties_the_map_when_it_is_the_only_meta_addr(told: Any) -> None:
    assert 7.5 < told["forgotten after"] < 18
    assert told["view"] == {}
    assert told["nodes"] == [{"Ready"}] * 3
    assert "Table is not found" in told["select through another node"]


@told_by(map_lost_while_all_serve)
def test_diagnose_sees_nothing_when_every_table_is_lost(told: Any) -> None:
    assert told["diagnose"] == {"unregisteredShards": [], "unreadyShards": {}}


@told_by(map_lost_while_all_serve)
def test_in_static_topology_a_leader_move_brings_nothing_back(told: Any) -> None:
    assert told["view after a leader move"] == {}


@told_by(planned_downtime)
def test_a_leader_moved_in_time_forgets_nobody(told: Any) -> None:
    assert told["map after 38 s"]
    assert told["back after the start"] < 15
    assert told["same map"] and told["read"] == told["written"]


@told_by(planned_downtime)
def test_a_process_that_was_stopped_for_longer_than_its_locks_live_reopens_its_shards(told: Any) -> None:
    assert told["back after SIGCONT"] < 30
    assert told["same process"]


@told_by(node_counts)
def test_a_count_too_low_leaves_the_last_node_empty(told: Any) -> None:
    assert told["too low"] == (4, 4, 0)


@told_by(node_counts)
def test_a_count_too_high_assigns_nothing(told: Any) -> None:
    assert told["too high"] == (0, 0, 0)
    assert told["nodes say"] == {}
    assert told["create, too high"].status == 400
    assert "failed to create table by meta client" in told["create, too high"].text


@told_by(upstream_defaults)
def test_without_fast_reacquire_the_locks_have_to_run_out(told: Any) -> None:
    """23 s and 29 s on the real ones."""
    assert 17 < told["back after"] < 45
    assert "fail to acquire shard lock" in told["log"]


@told_by(restarted_again_and_again)
def test_a_lock_taken_back_too_late_is_a_panic(told: Any) -> None:
    """Less than a quarter of the TTL of 30 s was left."""
    assert PANIC in told["log"]
    assert 8 < told["panicked after"] < 60
    assert told["restarts"] >= 1
    assert told["read"] == 8

"""HoraeMeta's members."""

from __future__ import annotations

from typing import Any

from stories.members import alone, leaders, quorum, replacement
from stories.telling import told_by


@told_by(leaders)
def test_members_started_together_are_ready_in_seconds(told: Any) -> None:
    """4 s on the real ones; an election may take a second round on a busy machine."""
    assert told["ready together in"] < 25


@told_by(leaders)
def test_a_moved_leader_costs_few_queries(told: Any) -> None:
    """One query of five per second failed on the real ones; here are ten per second."""
    assert told["failed while the leader moved"] <= 15


@told_by(leaders)
def test_a_follower_that_is_not_in_use_can_go_without_a_failed_query(told: Any) -> None:
    assert told["failed without a follower"] == 0 < told["asked without a follower"]
    assert told["follower's exit code"] == 0


@told_by(leaders)
def test_a_stopped_leader_is_followed_after_an_election(told: Any) -> None:
    """4-6 s on the real ones."""
    assert 2 < told["new leader after a stop"] < 14


@told_by(leaders)
def test_a_killed_leader_is_followed_only_when_its_lease_ends(told: Any) -> None:
    """16 s on the real ones."""
    assert 8 < told["new leader after SIGKILL"] < 30
    assert not told["etcd survives its daemon"]


@told_by(leaders)
def test_no_leader_change_moves_a_shard(told: Any) -> None:
    assert told["same map"] and told["read"] == told["written"]


@told_by(quorum)
def test_only_etcd_tells_that_quorum_is_lost(told: Any) -> None:
    assert told["etcd health"]["health"] == "false"
    assert told["meta health"] == {"status": "success"}


@told_by(quorum)
def test_all_members_away_for_long_lose_nothing(told: Any) -> None:
    """Now and then a data node ends itself when it can't give back a lock; it is started again, and its shards are opened again."""
    assert told["same map"] and told["read"] == told["written"]
    assert told["ended for another reason"] == []


@told_by(alone)
def test_a_member_without_the_others_gives_up_with_exit_code_0(told: Any) -> None:
    assert told["exit code"] == 0
    assert 3.5 < told["after"] < 25
    assert "quorum" in told["log"] or "timeout" in told["log"]


@told_by(replacement)
def test_a_wiped_member_is_refused_with_exit_code_0(told: Any) -> None:
    assert told["wiped exit code"] == 0
    assert "has already been bootstrapped" in told["wiped log"]


@told_by(replacement)
def test_a_lost_member_is_replaced_through_a_learner(told: Any) -> None:
    assert told["removed"] == told["promoted"] == {"status": "success", "data": "ok"}
    assert told["learner says"] == {"status": "success"}
    assert sorted(told["voting members"]) == ["m1", "m2", "m3"]


@told_by(replacement)
def test_put_member_adds_a_voter_that_only_its_id_can_remove(told: Any) -> None:
    added = told["voter added"]
    assert added["status"] == 200 and len(added["nameless"]) == 1 and not added["nameless"][0].get("isLearner")
    assert added["by name"].status == 500 and "member not found" in added["by name"].text
    assert added["by id"] == 200 and added["left"] == 3

"""The repair against the daemons: what was forgotten is back with its rows, and the cluster is as static as before."""

from __future__ import annotations

from typing import Any

import pytest
from stories.repair import eight_of_eight, two_of_eight
from stories.telling import told_by

BOTH = [pytest.param(id=story.__name__, marks=told_by(story)) for story in (two_of_eight, eight_of_eight)]


@pytest.mark.parametrize((), BOTH)
def test_every_shard_is_back_with_its_rows(told: Any) -> None:
    """Breaks when a shard is given to another node, or the view doesn't get it."""
    assert told["same map"] and told["read"] == told["written"]
    assert told["seconds"] < 60


@pytest.mark.parametrize((), BOTH)
def test_the_cluster_is_static_afterwards_and_scheduled_as_such(told: Any) -> None:
    """Breaks when the topology type, or a leader with the dynamic scheduler, is left behind."""
    assert told["topology type"] == "static"
    assert "invalid topology type" in told["scheduler"].text
    assert told["again"] == {}


@told_by(two_of_eight)
def test_a_cut_off_repair_is_ended_with_another_leader(told: Any) -> None:
    """Breaks when it isn't seen that HoraeMeta still says dynamic, or when whoever led meanwhile goes on to lead."""
    assert told["cut off"] and told["lost"] and told["restored"]
    assert told["leader moved"]


@told_by(eight_of_eight)
def test_nodes_that_go_on_to_serve_are_restarted_first(told: Any) -> None:
    """Breaks when the view is expected to follow nodes that report what they reported before."""
    assert (told["lost"], told["restart"], told["restart afterwards"]) == (8, ("db1", "db2", "db3"), ())


@told_by(eight_of_eight)
def test_no_node_panics_on_its_former_lock(told: Any) -> None:
    """Breaks when a shard is opened near the end of its former lock's time."""
    assert told["panics"] == 0


@told_by(eight_of_eight)
def test_what_nodes_serve_and_what_lies_on_their_disks_tells_where_shards_belong(told: Any) -> None:
    """Breaks when the directories aren't named by the shards, or when the nodes' own word isn't taken."""
    assert told["proposal"] and told["disks"]

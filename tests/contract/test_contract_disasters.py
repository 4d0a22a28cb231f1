"""Disasters."""

from __future__ import annotations

from typing import Any

from stories.disasters import empty_disk, members_wiped, new_members_over_old_data, quorum_gone_for_good
from stories.telling import told_by


def whole_again(told: Any) -> None:
    """A data node that can't give back a lock, as all members are away, ends itself and is started again; nothing else ends one."""
    assert told["ready in"] < 30
    assert told["same map"] and told["ended for another reason"] == []
    assert told["read"] == 16 and told["read with new rows"] == told["written"] == 24
    assert [(c["Name"], c["ShardTotal"], c["TopologyType"]) for c in told["cluster"]] == [("defaultCluster", 8, "static")]


@told_by(members_wiped)
def test_a_snapshot_brings_all_metadata_back_under_running_data_nodes(told: Any) -> None:
    whole_again(told)


@told_by(quorum_gone_for_good)
def test_one_database_file_brings_all_metadata_back(told: Any) -> None:
    whole_again(told)


@told_by(empty_disk)
def test_shards_of_an_emptied_disk_hang_in_opening(told: Any) -> None:
    assert told["shards still"] == {"Opening"}
    assert told["its tables"] and all("status:Recovering" in text for text in told["its tables"])
    assert told["other rows"] and told["listed"]


@told_by(empty_disk)
def test_dropping_their_metadata_gives_the_shards_back_empty(told: Any) -> None:
    assert told["rows in the new tables"] == 0
    assert told["written anew"]


@told_by(new_members_over_old_data)
def test_an_empty_meta_over_old_data_counts_from_zero(told: Any) -> None:
    assert told["old tables readable"] == 0
    assert told["first table id"] == 0

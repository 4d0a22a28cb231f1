"""Object stores and brokers that are not there."""

from __future__ import annotations

from typing import Any

from stories.storage import nothing_behind, object_store_away
from stories.telling import told_by


@told_by(object_store_away)
def test_a_flush_reaches_the_bucket(told: Any) -> None:
    assert told["flush"] == {"success": ["old"], "failed": []}
    # One SST: itself, and what it says of itself.
    assert told["objects"] == 2


@told_by(object_store_away)
def test_a_missing_bucket_shows_only_in_the_flush(told: Any) -> None:
    assert told["acknowledged without a bucket"] == 2
    assert sorted(told["flush without a bucket"]["failed"]) == ["old", "unsafe"]


@told_by(object_store_away)
def test_a_table_whose_flush_failed_is_not_flushed_before_a_restart(told: Any) -> None:
    """Whatever has become of the bucket meanwhile."""
    assert sorted(told["flush with the bucket again"]["failed"]) == ["old", "unsafe"]
    assert told["flush after a restart"]["failed"] == []


@told_by(object_store_away)
def test_without_its_object_store_a_node_starts_and_acknowledges(told: Any) -> None:
    assert "status:Recovering" in told["old table"]
    assert told["create"] == {"affected_rows": 1}
    assert told["rows in the end"] == 4


@told_by(nothing_behind)
def test_without_a_broker_the_node_ends_soon(told: Any) -> None:
    """After six attempts, with pauses by chance between them: 2 to 10 s on the real ones."""
    code, log = told["no broker"]
    assert code == 1 and told["without a broker for"] < 20
    assert "OpenKafka" in log and "RetryFailed" in log


@told_by(nothing_behind)
def test_without_meta_and_object_store_the_node_ends_after_seven_seconds(told: Any) -> None:
    code, seconds = told["no store, NoMeta"]
    assert code == 1 and 5 < seconds < 20

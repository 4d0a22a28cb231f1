"""The shard keeper against the daemons themselves."""

from __future__ import annotations

from typing import Any

from stories.keeper import kept
from stories.telling import told_by


@told_by(kept)
def test_with_keepers_a_dead_node_keeps_its_shards(told: Any) -> None:
    """Breaks when the keeper doesn't understand what the daemons say, comes too late, or moves the leadership to nobody."""
    assert told["view with keepers"], told["logs"]
    assert told["leader moved"] and told["moves"] == 1, told["logs"]
    assert told["back after"] < 30 and told["read"] == told["written"]


@told_by(kept)
def test_the_same_without_keepers_costs_the_shards(told: Any) -> None:
    """Breaks when the test above is green for another reason than the keepers."""
    assert told["forgotten without after"] < 18


@told_by(kept)
def test_keepers_end_when_they_are_asked_to(told: Any) -> None:
    """Breaks when systemd would have to kill them."""
    assert told["exit codes"] == [0, 0, 0] and "Traceback" not in told["logs"]

"""The cluster that site.yml made, read without the collection's own code."""

from __future__ import annotations

from tests.support.cluster import Cluster
from tests.support.traffic import sql


def test_every_shard_is_served_where_the_view_says(cluster: Cluster) -> None:
    """Breaks when site.yml ends green although a shard is unmapped, not Ready, or somewhere else than HoraeMeta routes."""
    assert cluster.problem() is None
    assert set(cluster.view().values()) == set(cluster.nodes), "a data node without any shard"

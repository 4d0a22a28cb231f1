"""Dynamic topology on shared storage: failover, a lost map, freezing, growing."""

from __future__ import annotations

import time
from typing import Any, List

from harness.cluster import NAME, Cluster
from harness.process import wait_for

from stories.acts import (
    FIRST_PLAN,
    Seen,
    count,
    create,
    diagnose,
    forgotten,
    quiet,
    revoke_locks,
    seconds_until,
    set_frozen,
    settle,
    table_per_shard,
    transfer,
    write,
)
from stories.telling import takes

SHARD_TOTAL = 8


def served_by_others(cluster: Cluster, dead: int) -> bool:
    """Every shard mapped to, and Ready on, a node that lives."""
    return cluster.ready() and not cluster.mapped_to(dead)


@takes(130)
def failover(stage: Any) -> Seen:
    seen: Seen = {}
    cluster = stage.cluster(topology="dynamic", **stage.shared_storage())
    cluster.start_members()
    cluster.start_nodes()
    seen["first start"] = seconds_until("all Ready", cluster.ready, 40)
    tables = table_per_shard(cluster)
    seen["written"] = write(cluster, tables, 3)
    settle(cluster)
    before = cluster.view()
    cluster.nodes[0].stop()
    cluster.nodes[0].start()
    seen["quick restart"] = seconds_until("back", lambda: cluster.ready() and cluster.view() == before, 30)
    settle(cluster)
    cluster.nodes[2].kill()
    seen["failover"] = seconds_until("failover", lambda: served_by_others(cluster, 2), 70)
    seen["read after the failover"] = count(cluster, tables)
    cluster.nodes[2].start()
    seen["rebalanced after the return"] = seconds_until("its share", lambda: cluster.ready() and cluster.view() == before, 60)
    settle(cluster)
    cluster.nodes[1].stop()
    started = time.monotonic()
    revoke_locks(cluster, 1)
    wait_for("failover", lambda: served_by_others(cluster, 1), 60)
    seen["failover with revoked locks"] = time.monotonic() - started
    seen["read"] = count(cluster, tables)
    return seen


@takes(75)
def map_lost(stage: Any) -> Seen:
    """A node hangs for 14 s. It is alive again and Ready, and stays unroutable until the leader is moved."""
    seen: Seen = {}
    cluster = stage.cluster(topology="dynamic", **stage.shared_storage()).start()
    tables = table_per_shard(cluster)
    seen["written"] = write(cluster, tables, 1)
    settle(cluster)
    mine = cluster.mapped_to(1)
    cluster.nodes[1].pause()
    started = time.monotonic()
    forgotten(cluster, mine)
    seen["forgotten after"] = time.monotonic() - started
    cluster.nodes[1].resume()
    time.sleep(8)
    seen["node says"] = set(cluster.shards(1).values())
    seen["still lost"] = not mine & set(cluster.view())
    seen["diagnose"] = diagnose(cluster)
    cluster.move_leader()
    seen["repaired by a leader move"] = seconds_until("the map", lambda: mine <= cluster.mapped_to(1), 20)
    seen["read"] = count(cluster, tables)
    settle(cluster)
    shard = min(mine)
    other = next(cluster.node_name(i) for i in (0, 2))
    assert transfer(cluster, shard, cluster.node_name(1), other).status == 200
    seen["transferred"] = seconds_until("transferred", lambda: cluster.view().get(shard) == other, 15)
    seen["reverted"] = seconds_until("reverted", lambda: cluster.view().get(shard) == cluster.node_name(1), 30)
    return seen


@takes(100)
def frozen(stage: Any) -> Seen:
    """Frozen too early the leader panics; frozen in time nothing fails over, and a leader change forgets it."""
    seen: Seen = {}
    cluster = stage.cluster(topology="dynamic", **stage.shared_storage()).start()
    create(cluster, "t0")
    settle(cluster)
    cluster.move_leader()
    cluster.wait_leader()
    leader = cluster.leader_index()
    set_frozen(cluster, True)
    seen["panic's exit code"] = cluster.members[leader].exit_code(15)
    seen["panic"] = cluster.members[leader].log()
    wait_for("the member back", lambda: cluster.healthy(leader), 20)
    cluster.wait_leader(40)
    settle(cluster, FIRST_PLAN)
    set_frozen(cluster, True)
    cluster.nodes[0].kill()
    # A failover takes some 25 s.
    time.sleep(40)
    seen["served while frozen"] = served_by_others(cluster, 0)
    set_frozen(cluster, False)
    seen["failover after the thaw"] = seconds_until("failover", lambda: served_by_others(cluster, 0), 40)
    set_frozen(cluster, True)
    cluster.move_leader()
    cluster.wait_leader()
    seen["frozen after a leader change"] = cluster.meta("GET", "/debug/clusters/%s/enableSchedule" % NAME).body["data"]
    return seen


def spread(cluster: Cluster) -> List[int]:
    return [len(cluster.mapped_to(i)) for i in range(len(cluster.nodes))]


def settled(cluster: Cluster) -> List[List[int]]:
    """The spread, where nothing runs. A shard on its way is nobody's for a moment, also between two of its moves."""
    found = spread(cluster)
    return [found] if quiet(cluster) and sum(found) == SHARD_TOTAL else []


@takes(60)
def growth(stage: Any) -> Seen:
    """Count 4 with three nodes; the fourth comes; an affinity for a shard that does not exist; the fifth node."""
    seen: Seen = {}
    cluster = stage.cluster(topology="dynamic", node_count=4, **stage.shared_storage())
    cluster.start_members()
    cluster.start_nodes()
    time.sleep(12)
    seen["three of four"] = spread(cluster)
    fourth = cluster.add_node()
    cluster.nodes[fourth].start()
    seen["filled after the fourth"] = seconds_until("all Ready", cluster.ready, 40)
    create(cluster, "t0")
    settle(cluster)
    # With four nodes each has two, wherever their addresses lie on the ring.
    rules = "/api/v1/clusters/%s/shardAffinities" % NAME
    assert cluster.meta("POST", rules, [{"shardID": 97, "numAllowedOtherShards": 0}]).body == {"status": "success"}
    seen["with an affinity"] = wait_for("a node without shards", lambda: [found for found in settled(cluster) if 0 in found], 60, 0.5)[0]
    assert cluster.meta("DELETE", rules, {"shardIDs": [97]}).body == {"status": "success"}
    seen["without it"] = wait_for("each its share", lambda: [found for found in settled(cluster) if 0 not in found], 60, 0.5)[0]
    fifth = cluster.add_node()
    cluster.nodes[fifth].start()
    seen["the fifth has shards after"] = seconds_until(
        "shards on the fifth", lambda: cluster.ready() and bool(cluster.mapped_to(fifth)), 90
    )
    seen["five nodes"] = spread(cluster)
    return seen

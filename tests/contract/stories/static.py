"""Static topology: restarts, the ten seconds, and what brings shards back."""

from __future__ import annotations

import time
from typing import Any, Dict, Tuple

from harness.cluster import NOBODY
from harness.process import wait_for

from stories.acts import (
    PANIC,
    Seen,
    count,
    create,
    diagnose,
    forgotten,
    set_topology_type,
    settle,
    table_per_shard,
    transfer,
    wait_whole,
    write,
)
from stories.telling import takes

CREATE_ONE = "CREATE TABLE one (name string TAG, value double NOT NULL, t timestamp NOT NULL, TIMESTAMP KEY(t))"


@takes(75)
def restarts(stage: Any) -> Seen:
    """A node is restarted, then killed, each time after acknowledged writes."""
    seen: Seen = {}
    cluster = stage.cluster()
    cluster.start_members()
    started = time.monotonic()
    cluster.start_nodes()
    cluster.wait_ready()
    seen["first start"] = time.monotonic() - started
    tables = table_per_shard(cluster)
    seen["written"] = write(cluster, tables, 4)
    before = cluster.view()
    seen["exit code of SIGTERM"] = cluster.nodes[0].stop()
    cluster.nodes[0].start()
    wait_for("the node to report nothing", lambda: diagnose(cluster)["unregisteredShards"], 10, 0.05)
    seen["diagnose right after a restart"] = diagnose(cluster)
    seen["back after a restart"] = wait_whole(cluster, tables)
    seen["same map"] = cluster.view() == before
    seen["read after a restart"] = count(cluster, tables, through=1)
    seen["written"] += write(cluster, tables, 4, first=4)
    cluster.nodes[1].kill()
    time.sleep(1)
    cluster.nodes[1].start()
    seen["back after SIGKILL"] = wait_whole(cluster, tables)
    seen["read after SIGKILL"] = count(cluster, tables, through=2)
    return seen


@takes(90)
def away_too_long(stage: Any) -> Seen:
    """A node is away for more than ten seconds; nothing brings its shards back until they are put back."""
    seen: Seen = {}
    cluster = stage.cluster().start()
    tables = table_per_shard(cluster)
    seen["written"] = write(cluster, tables, 5)
    settle(cluster)
    record = cluster.view()
    lost, its_tables = cluster.mapped_to(2), cluster.tables_on(2)
    started = time.monotonic()
    cluster.nodes[2].stop()
    forgotten(cluster, lost)
    seen["forgotten after"] = time.monotonic() - started
    cluster.nodes[2].start()
    # Longer than two ticks of the scheduler, and many heartbeats.
    time.sleep(12)
    seen["still forgotten"] = not lost & set(cluster.view())
    seen["holds nothing"] = cluster.shards(2) == {}
    seen["its tables"] = [cluster.sql(0, "SELECT * FROM %s" % table).text for table in its_tables]
    seen["other shards"] = set(cluster.view()) == set(record) - lost
    seen["transfer to nobody"] = transfer(cluster, min(lost), "", NOBODY).body
    seen["repaired in"] = repair(cluster, {shard: record[shard] for shard in lost})
    seen["same map"] = cluster.view() == record
    seen["read"] = count(cluster, tables)
    seen["topology type"] = cluster.clusters()[0]["TopologyType"]
    return seen


def repair(cluster: Any, assignment: Dict[int, str]) -> float:
    """Puts shards back where they were: only possible while the metadata says dynamic."""
    started = time.monotonic()
    set_topology_type(cluster, "dynamic")
    try:
        while set(assignment) - set(cluster.view()):
            assert time.monotonic() - started < 60, "not repaired"
            for shard in set(assignment) - set(cluster.view()):
                assert transfer(cluster, shard, "", assignment[shard]).body == {"status": "success", "data": "success"}
            time.sleep(1)
    finally:
        set_topology_type(cluster, "static")
    cluster.wait_ready()
    return time.monotonic() - started


@takes(80)
def map_lost_while_all_serve(stage: Any) -> Seen:
    """Every node has the same member as its only meta_addr, and that member, a follower, goes away."""
    seen: Seen = {}
    cluster = stage.cluster(proxy=False).start()
    tables = table_per_shard(cluster)
    write(cluster, tables, 1)
    if cluster.leader_index() == 0:
        cluster.move_leader()
    settle(cluster)
    cluster.members[0].stop()
    seen["forgotten after"] = forgotten(cluster, set(range(8)))
    cluster.members[0].start()
    wait_for("the member back", lambda: cluster.healthy(0), 20)
    cluster.wait_leader()
    time.sleep(6)
    seen["view"] = cluster.view()
    seen["nodes"] = [set(cluster.shards(i).values()) for i in range(3)]
    seen["diagnose"] = diagnose(cluster)
    elsewhere = next(table for table in tables if table not in cluster.tables_on(0))
    seen["select through another node"] = cluster.sql(0, "SELECT * FROM %s" % elsewhere).text
    cluster.move_leader()
    cluster.wait_leader()
    time.sleep(6)
    seen["view after a leader move"] = cluster.view()
    return seen


@takes(110)
def planned_downtime(stage: Any) -> Seen:
    """The leader is moved right after a node went away: a new leader expires nobody whom it has not heard."""
    seen: Seen = {}
    cluster = stage.cluster().start()
    tables = table_per_shard(cluster)
    seen["written"] = write(cluster, tables, 3)
    settle(cluster)
    before = cluster.view()
    cluster.nodes[0].kill()
    time.sleep(3)
    cluster.move_leader()
    time.sleep(35)
    seen["map after 38 s"] = cluster.view() == before
    cluster.nodes[0].start()
    seen["back after the start"] = wait_whole(cluster, tables)
    settle(cluster)
    process = cluster.nodes[1].process.pid
    cluster.nodes[1].pause()
    time.sleep(3)
    cluster.move_leader()
    time.sleep(32)
    cluster.nodes[1].resume()
    seen["back after SIGCONT"] = wait_whole(cluster, tables)
    seen["same process"] = cluster.nodes[1].process.pid == process
    seen["same map"] = cluster.view() == before
    seen["read"] = count(cluster, tables)
    return seen


def spread(cluster: Any) -> Tuple[int, ...]:
    return tuple(len(cluster.mapped_to(i)) for i in range(len(cluster.nodes)))


@takes(35)
def node_counts(stage: Any) -> Seen:
    """The count too low, and too high; nodes arrive one after the other."""
    low, high = stage.cluster(node_count=2), stage.cluster(node_count=4)
    for cluster in (low, high):
        cluster.start_members()
    for index in range(3):
        for cluster in (low, high):
            cluster.nodes[index] = cluster.node(index)
            cluster.nodes[index].start()
        time.sleep(9)
    create(low, "one")
    return {"too low": spread(low), "too high": spread(high), "create, too high": high.sql(0, CREATE_ONE), "nodes say": high.shards(0)}


@takes(60)
def upstream_defaults(stage: Any) -> Seen:
    """Lease 10 s, no fast reacquire: the former process's locks have to run out."""
    cluster = stage.cluster(lease="10s", timeout="5s", fast_reacquire=False).start()
    tables = table_per_shard(cluster)
    write(cluster, tables, 1)
    cluster.nodes[0].stop()
    cluster.nodes[0].start()
    time.sleep(1)
    seconds = 1 + wait_whole(cluster, tables)
    return {"back after": seconds, "log": cluster.nodes[0].log(), "read": count(cluster, tables)}


@takes(75)
def restarted_again_and_again(stage: Any) -> Seen:
    """The same node, each time as soon as it is whole: a lock that is taken back keeps its old lease, which runs out."""
    cluster = stage.cluster().start()
    tables = table_per_shard(cluster)
    write(cluster, tables, 1)
    settle(cluster)
    started = time.monotonic()
    while PANIC not in cluster.nodes[0].log() and time.monotonic() - started < 60:
        cluster.nodes[0].stop()
        cluster.nodes[0].start()
        wait_for("the next round", lambda: cluster.ready() or PANIC in cluster.nodes[0].log(), 30)
    seen: Seen = {"panicked after": time.monotonic() - started, "log": cluster.nodes[0].log()}
    wait_whole(cluster, tables, 90)
    return dict(seen, restarts=cluster.nodes[0].restarts, read=count(cluster, tables))

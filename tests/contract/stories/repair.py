"""Forgotten shards, put back by the collection's own code."""

from __future__ import annotations

import base64
import pathlib
import sys
from typing import Any, Dict, List, Set

from harness.cluster import CLIENT, NAME, Cluster
from harness.process import wait_for
from harness.web import ask, status_of

from stories.acts import Seen, count, forgotten, set_topology_type, settle, table_per_shard, write
from stories.telling import takes

# Seconds: a quarter of a lock's time is where the panic begins.
DANGER = 6

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / ".collections"))

from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import observe  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Node, Topology  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.repair import disk_shards  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.repair.execute import Repair  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.verification import verify  # noqa: E402


def topology_of(cluster: Cluster) -> Topology:
    """As topology_check would hand it on. The inventory hosts are m1 and db1 and so on."""
    settings = cluster.settings
    members = tuple(
        Member(
            host="m%d" % (i + 1),
            name="m%d" % (i + 1),
            address=cluster.member_addr(i),
            http_port=int(cluster.api(i).rsplit(":", 1)[1]),
            client_port=CLIENT,
            peer_port=int(cluster.peer(i).rsplit(":", 1)[1]),
            data_dir=str(cluster.meta_data(i)),
            node_count=settings.node_count,
            shard_total=settings.shard_total,
            topology_type=settings.topology,
            cluster_name=NAME,
            root_path="/horaedb",
            client_url=cluster.etcd(i),
            peer_url=cluster.peer(i),
            keeper_port=0,
        )
        for i in range(settings.members)
    )
    nodes = tuple(
        Node(
            host="db%d" % (i + 1),
            address=cluster.node_addr(i),
            server_addr=cluster.node_addr(i),
            bind_addr=cluster.node_addr(i),
            http_port=int(cluster.db(i).rsplit(":", 1)[1]),
            grpc_port=int(cluster.node_name(i).rsplit(":", 1)[1]),
            mysql_port=0,
            postgresql_port=0,
            data_dir=str(cluster.data(i)),
            cluster_name=NAME,
            root_path="/horaedb",
            meta_addr="",
            etcd_addrs=(),
            store="Local",
            store_dir=str(cluster.data(i)),
            wal="Local",
            wal_dir=str(cluster.data(i)),
            lease=settings.lease,
            lock_ttl=settings.lock_ttl,
        )
        for i in range(settings.nodes)
    )
    return Topology(NAME, settings.topology, settings.shard_total, settings.node_count, "/horaedb", "proxy", 0, members, nodes)


def start(stage: Any, seen: Seen) -> Cluster:
    """A whole, recorded cluster with rows in every shard."""
    cluster: Cluster = stage.cluster().start()
    seen["tables"] = table_per_shard(cluster)
    seen["written"] = write(cluster, seen["tables"], 5)
    settle(cluster)
    topology = topology_of(cluster)
    looked = observe(topology)
    verify.write_record(topology, looked, verify.assignment_of(topology, looked), 2.0)
    seen["record"] = cluster.view()
    return cluster


def locks_left(cluster: Cluster) -> List[int]:
    """Seconds that the shard locks in etcd have left."""
    keys = [base64.b64encode(("/horaedb/%s/shards%s" % (NAME, end)).encode()).decode() for end in "/0"]
    found = ask("POST", cluster.etcd(0) + "/v3/kv/range", {"key": keys[0], "range_end": keys[1]}).body.get("kvs", [])
    lives = [ask("POST", cluster.etcd(0) + "/v3/lease/timetolive", {"ID": entry["lease"]}).body for entry in found]
    return [int(life.get("TTL", 0)) for life in lives]


def serving(cluster: Cluster, index: int) -> None:
    wait_for("db%d to answer" % (index + 1), lambda: answers(cluster, index), 20)


def answers(cluster: Cluster, index: int) -> bool:
    try:
        return status_of(cluster.db(index) + "/") == 200
    except OSError:
        return False


def end(cluster: Cluster, seen: Seen, repair: Repair) -> Seen:
    cluster.wait_ready()
    seen["same map"] = cluster.view() == seen["record"]
    seen["read"] = count(cluster, seen["tables"])
    seen["topology type"] = cluster.clusters()[0]["TopologyType"]
    seen["scheduler"] = cluster.meta("GET", "/debug/clusters/%s/enableSchedule" % NAME)
    seen["again"] = repair.restore().shards
    return seen


@takes(90)
def two_of_eight(stage: Any) -> Seen:
    """The node with two shards was away for too long; a repair by hand was cut off in the middle."""
    seen: Seen = {}
    cluster = start(stage, seen)
    index = next(i for i in range(3) if len(cluster.mapped_to(i)) == 2)
    lost: Set[int] = cluster.mapped_to(index)
    cluster.nodes[index].stop()
    forgotten(cluster, lost)
    cluster.nodes[index].start()
    serving(cluster, index)
    set_topology_type(cluster, "dynamic")
    leader = cluster.leader()
    repair = Repair(topology_of(cluster))
    seen["cut off"] = repair.plan()[1].dynamic_left
    seen["lost"] = set(repair.plan()[1].lost) == lost
    restored = repair.restore()
    seen["restored"], seen["seconds"] = set(restored.shards) == lost, restored.elapsed
    seen["leader moved"] = cluster.leader() != leader
    return end(cluster, seen, repair)


@takes(130)
def eight_of_eight(stage: Any) -> Seen:
    """No node was heard for too long, and all of them go on to serve what nobody finds any more."""
    seen: Seen = {}
    cluster = start(stage, seen)
    disks: Dict[str, List[int]] = {"db%d" % (i + 1): sorted(disk_shards.on_disk(str(cluster.data(i)))) for i in range(3)}
    seen["disks"] = disks == {"db%d" % (i + 1): sorted(cluster.mapped_to(i)) for i in range(3)}
    for node in cluster.nodes:
        node.pause()
    forgotten(cluster, set(range(8)))
    for node in cluster.nodes:
        node.resume()
    for index in range(3):
        serving(cluster, index)
    # Heartbeats come every 2 s: nothing comes back by itself.
    wait_for("shards to be served", lambda: sum(len(cluster.shards(i)) for i in range(3)) == 8, 40)
    repair = Repair(topology_of(cluster))
    plan = repair.plan()[1]
    seen["lost"], seen["restart"] = len(plan.lost), plan.restart
    proposal = disk_shards.propose(repair.topology, repair.plan()[0], sorted(plan.lost), {})
    seen["proposal"] = proposal.sure and dict(proposal.shards) == dict(plan.lost)
    for host in plan.restart:
        index = int(host[2:]) - 1
        cluster.nodes[index].stop()
        cluster.nodes[index].start()
        serving(cluster, index)
    # As on slow hosts: some lock of a former process is near its end, where taking it back is a panic.
    wait_for("a lock near its end", lambda: any(left < DANGER for left in locks_left(cluster)), 40, 0.3)
    seen["restart afterwards"] = repair.plan()[1].restart
    seen["seconds"] = repair.restore().elapsed
    seen["panics"] = sum(node.log().count("we have to panic") for node in cluster.nodes)
    return end(cluster, seen, repair)

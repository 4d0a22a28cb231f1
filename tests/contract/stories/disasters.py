"""Disasters that were seen to be survivable, and one that is only half so."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import time
from typing import Any, List

from harness.cluster import NAME, Cluster, find_etcd
from harness.process import wait_for
from harness.web import ask

from stories.acts import CREATE, PANIC, Seen, count, settle, table_per_shard, write
from stories.telling import takes


def etcdctl(*words: str) -> None:
    binary = pathlib.Path(find_etcd()).parent / "etcdctl"
    assert binary.exists(), "the restore stories need etcdctl beside %s: unpack Debian's etcd-client there" % find_etcd()
    subprocess.run([str(binary), *words], check=True, env=dict(os.environ, ETCDCTL_API="3"), stdout=subprocess.DEVNULL, timeout=30)


def restore(cluster: Cluster, source: pathlib.Path, *options: str) -> None:
    """On every member, into the directories in which the daemon looks."""
    for index, member in enumerate(cluster.members):
        data = cluster.meta_data(index)
        shutil.rmtree(data)
        etcdctl(
            *("snapshot", "restore", str(source), *options),
            *("--data-dir", str(data / "etcd"), "--wal-dir", str(data / "wal"), "--name", member.name),
            *("--initial-cluster", cluster.initial_cluster(), "--initial-cluster-token", "horaemeta-cluster"),
            *("--initial-advertise-peer-urls", cluster.peer(index)),
        )


def start_members_again(cluster: Cluster) -> float:
    started = time.monotonic()
    for member in cluster.members:
        member.start()
    wait_for("members healthy", lambda: all(cluster.healthy(i) for i in range(3)), 40)
    seconds = time.monotonic() - started
    cluster.wait_leader(40)
    return seconds


def aftermath(cluster: Cluster, tables: List[str], seen: Seen) -> Seen:
    settle(cluster)
    seen["ended for another reason"] = [node.name for node in cluster.nodes if node.restarts and PANIC not in node.log()]
    seen["read"] = count(cluster, tables, through=1)
    seen["written"] += write(cluster, tables, 1, first=90)
    seen["read with new rows"] = count(cluster, tables, through=2)
    seen["cluster"] = cluster.clusters()
    return seen


@takes(75)
def members_wiped(stage: Any) -> Seen:
    """All of HoraeMeta's data goes while data nodes run on; a snapshot brings it back."""
    seen: Seen = {}
    cluster = stage.cluster().start()
    tables = table_per_shard(cluster)
    seen["written"] = write(cluster, tables, 2)
    settle(cluster)
    before, snapshot = cluster.view(), stage.root / "snapshot.db"
    etcdctl("--endpoints", cluster.etcd(0), "snapshot", "save", str(snapshot))
    for member in cluster.members:
        member.kill()
    time.sleep(12)
    restore(cluster, snapshot)
    seen["ready in"] = start_members_again(cluster)
    aftermath(cluster, tables, seen)
    seen["same map"] = cluster.view() == before
    return seen


@takes(75)
def quorum_gone_for_good(stage: Any) -> Seen:
    """One member's database file is all there is."""
    seen: Seen = {}
    cluster = stage.cluster().start()
    tables = table_per_shard(cluster)
    seen["written"] = write(cluster, tables, 2)
    settle(cluster)
    before = cluster.view()
    for index in (1, 2):
        cluster.members[index].kill()
    cluster.members[0].stop()
    database = stage.root / "db"
    shutil.copy(cluster.meta_data(0) / "etcd" / "member" / "snap" / "db", database)
    restore(cluster, database, "--skip-hash-check")
    seen["ready in"] = start_members_again(cluster)
    aftermath(cluster, tables, seen)
    seen["same map"] = cluster.view() == before
    return seen


@takes(70)
def empty_disk(stage: Any) -> Seen:
    """A node comes back under its old address with nothing on its disk."""
    seen: Seen = {}
    cluster = stage.cluster().start()
    tables = table_per_shard(cluster)
    write(cluster, tables, 2)
    settle(cluster)
    its_shards, its_tables = cluster.mapped_to(1), cluster.tables_on(1)
    cluster.nodes[1].stop()
    shutil.rmtree(cluster.data(1))
    cluster.nodes[1].start()
    wait_for("shards that hang", lambda: set(cluster.shards(1).values()) == {"Opening"} and set(cluster.shards(1)) == its_shards, 30)
    time.sleep(8)
    seen["shards still"] = set(cluster.shards(1).values())
    seen["its tables"] = [cluster.sql(0, "SELECT * FROM %s" % table).text for table in its_tables]
    others = [table for table in tables if table not in its_tables]
    seen["other rows"] = count(cluster, others) == 2 * len(others)
    listed = cluster.meta("POST", "/api/v1/getShardTables", {"clusterName": NAME, "shardIDs": sorted(its_shards)}).body["data"]
    # Shard 0 is in every answer.
    seen["listed"] = sorted(table["Name"] for shard in its_shards for table in listed[str(shard)]["Tables"]) == sorted(its_tables)
    for table in its_tables:
        reply = ask("DELETE", cluster.api(0) + "/api/v1/table", {"clusterName": NAME, "schemaName": "public", "table": table})
        assert reply.body == {"status": "success", "data": "success"}, reply
    cluster.nodes[1].stop()
    cluster.nodes[1].start()
    cluster.wait_ready()
    for table in its_tables:
        assert cluster.sql(0, CREATE % table).status == 200
    seen["rows in the new tables"] = count(cluster, its_tables)
    seen["written anew"] = write(cluster, its_tables, 1) == count(cluster, its_tables)
    return seen


@takes(60)
def new_members_over_old_data(stage: Any) -> Seen:
    """An empty HoraeMeta under data nodes that hold data: what a deployer must refuse."""
    cluster = stage.cluster().start()
    tables = table_per_shard(cluster)
    write(cluster, tables, 1)
    for daemon in [*cluster.nodes, *cluster.members]:
        daemon.stop()
    for index in range(3):
        shutil.rmtree(cluster.meta_data(index))
    start_members_again(cluster)
    for node in cluster.nodes:
        node.start()
    cluster.wait_ready(60)
    wait_for("a stable cluster", lambda: cluster.sql(0, CREATE % "fresh").status == 200, 30, 0.5)
    table = cluster.meta("POST", "/api/v1/table/query", {"clusterName": NAME, "schemaName": "public", "names": ["fresh"]}).body["data"][0]
    return {"old tables readable": count(cluster, tables), "first table id": table["ID"]}

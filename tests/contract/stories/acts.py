"""What the stories have in common."""

from __future__ import annotations

import base64
import time
from typing import Any, Callable, Dict, List, Set

from harness.cluster import NAME, Cluster
from harness.process import wait_for
from harness.web import Reply, ask

# The rows of these stories are of 2022; by default a table keeps seven days.
CREATE = "CREATE TABLE IF NOT EXISTS %s (name string TAG, value double NOT NULL, t timestamp NOT NULL, TIMESTAMP KEY(t)) ENGINE=Analytic WITH (enable_ttl='false')"
INSERT = "INSERT INTO %s(t,name,value) VALUES (%d,'h',%d.5)"
START_OF_TIME = 1651737067000
# How a data node ends that can't give back a shard's lock.
PANIC = "Close shard failed, and we have to panic to ensure the data integrity"
# The scheduler ticks each 5 s; a leader must have made a plan before it may be frozen.
FIRST_PLAN = 6.0
LEADER_KEY = "/horaedb/members/leader"
# A node reports every 2 s.
HEARTBEATS = 3.0

Seen = Dict[str, Any]


def create(cluster: Cluster, *tables: str) -> None:
    """Waits for the cluster to become stable, too."""
    for table in tables:
        wait_for("create " + table, lambda: created(cluster, table), 40, 0.3)  # noqa: B023


def created(cluster: Cluster, table: str) -> bool:
    """An attempt that was refused may have made the table nevertheless, and the next one is told so."""
    reply = cluster.sql(0, CREATE % table)
    return reply.status == 200 or "table already exists" in reply.text


def table_per_shard(cluster: Cluster) -> List[str]:
    """As many tables as shards: every node has some, since the emptiest shard takes the next."""
    tables = ["t%d" % i for i in range(cluster.settings.shard_total)]
    create(cluster, *tables)
    return tables


def write(cluster: Cluster, tables: List[str], rows: int, first: int = 0) -> int:
    """How many inserts were acknowledged; all of them, or the test is over."""
    for number in range(first, first + rows):
        for table in tables:
            reply = cluster.sql(number % len(cluster.nodes), INSERT % (table, START_OF_TIME + number, number))
            assert reply.body == {"affected_rows": 1}, reply
    return rows * len(tables)


def count(cluster: Cluster, tables: List[str], through: int = 0) -> int:
    """Rows readable through a node; a table that does not answer counts nothing."""
    return sum(
        len(reply.body["rows"]) for reply in (cluster.sql(through, "SELECT * FROM %s" % table) for table in tables) if reply.status == 200
    )


def seconds_until(what: str, check: Callable[[], Any], timeout: float) -> float:
    started = time.monotonic()
    wait_for(what, check, timeout)
    return time.monotonic() - started


def wait_whole(cluster: Cluster, tables: List[str], timeout: float = 60) -> float:
    return seconds_until("all shards Ready and all tables readable", lambda: cluster.ready() and readable(cluster, tables), timeout)


def readable(cluster: Cluster, tables: List[str]) -> bool:
    return all(cluster.sql(0, "SELECT * FROM %s LIMIT 1" % table).status == 200 for table in tables)


def diagnose(cluster: Cluster) -> Any:
    return cluster.meta("GET", "/debug/diagnose/%s/shards" % NAME).body["data"]


def transfer(cluster: Cluster, shard: int, old: str, new: str) -> Reply:
    body = {"clusterName": NAME, "shardID": shard, "OldLeaderNodeName": old, "newLeaderNodeName": new}
    return cluster.meta("POST", "/api/v1/transferLeader", body)


def set_topology_type(cluster: Cluster, kind: str) -> None:
    batch = cluster.clusters()[0]["ProcedureExecutingBatchSize"]
    reply = cluster.meta("PUT", "/api/v1/clusters/" + NAME, {"topologyType": kind, "procedureExecutingBatchSize": batch})
    assert reply.status == 200, reply


def set_frozen(cluster: Cluster, frozen: bool) -> None:
    reply = cluster.meta("PUT", "/debug/clusters/%s/enableSchedule" % NAME, {"enable": frozen})
    assert reply.body == {"status": "success", "data": frozen}, reply


def quiet(cluster: Cluster) -> bool:
    """Whole, every node heard by this leader, and nothing running."""
    try:
        diagnosis = diagnose(cluster)
        running = cluster.meta("GET", "/api/v1/clusters/%s/procedure" % NAME).body["data"]
    except (OSError, KeyError):
        return False
    return cluster.ready() and not running and not diagnosis["unregisteredShards"] and not diagnosis["unreadyShards"]


def settle(cluster: Cluster, seconds: float = HEARTBEATS) -> None:
    """Quiet for so long that every node has reported what it has NOW: the map only follows changes in reports."""
    since = time.monotonic()

    def lasting() -> bool:
        nonlocal since
        if not quiet(cluster):
            since = time.monotonic()
        return time.monotonic() - since > seconds

    wait_for("a whole cluster", lasting, 90, 0.3)


def forgotten(cluster: Cluster, shards: Set[int], timeout: float = 30) -> float:
    """Seconds until the map has none of them any more."""
    return seconds_until("shards %s forgotten" % shards, lambda: bool(cluster.clusters()) and not shards & set(cluster.view()), timeout)


def revoke_locks(cluster: Cluster, node: int) -> None:
    """The leases of the shard locks that the node holds in etcd."""
    import base64

    prefix = "/horaedb/%s/shards/" % NAME
    body = {"key": base64.b64encode(prefix.encode()).decode(), "range_end": base64.b64encode(prefix[:-1].encode() + b"0").decode()}
    for entry in ask("POST", cluster.etcd(0) + "/v3/kv/range", body).body.get("kvs", []):
        if cluster.node_name(node).encode() in base64.b64decode(entry["value"]):
            assert ask("POST", cluster.etcd(0) + "/v3/lease/revoke", {"ID": entry["lease"]}).status == 200


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def stored(cluster: Cluster, key: str, through: int = 0, prefix: bool = False) -> List[Dict[str, Any]]:
    body = {"key": encoded(key)}
    if prefix:
        body["range_end"] = encoded(key[:-1] + chr(ord(key[-1]) + 1))
    return list(ask("POST", cluster.etcd(through) + "/v3/kv/range", body).body.get("kvs", []))

"""Object stores and brokers that are not there."""

from __future__ import annotations

import time
from typing import Any, Dict

from harness.cluster import NOBODY, Cluster
from harness.process import wait_for
from harness.web import ask

from stories.acts import CREATE, INSERT, START_OF_TIME, Seen, count, create, write
from stories.telling import takes


def flush(cluster: Cluster, node: int) -> Dict[str, Any]:
    """An object store that fails is asked again and again before it answers."""
    reply = ask("POST", cluster.db(node) + "/debug/flush_memtable", timeout=90)
    assert reply.status == 200, reply
    return dict(reply.body)


@takes(60)
def object_store_away(stage: Any) -> Seen:
    """The bucket is missing; then the whole store is gone when the node starts."""
    seen: Seen = {}
    cluster = stage.cluster(members=1, nodes=1, node_count=1, **stage.shared_storage()).start()
    bucket = stage.bucket()
    create(cluster, "old")
    write(cluster, ["old"], 2)
    seen["flush"] = flush(cluster, 0)
    seen["objects"] = len(bucket.objects())
    with bucket.missing():
        create(cluster, "unsafe")
        seen["acknowledged without a bucket"] = write(cluster, ["old", "unsafe"], 1, first=5)
        seen["flush without a bucket"] = flush(cluster, 0)
    seen["flush with the bucket again"] = flush(cluster, 0)
    cluster.nodes[0].stop()
    cluster.nodes[0].start()
    cluster.wait_ready()
    seen["flush after a restart"] = flush(cluster, 0)
    away = cluster.node_config(0)["analytic.storage.object_store"]
    cluster.nodes[0].stop()
    cluster.nodes[0] = cluster.node(0, analytic__storage__object_store=dict(away, endpoint="http://" + NOBODY))
    cluster.nodes[0].start()
    wait_for("a node that says ok", lambda: said_ok(cluster), 20)
    wait_for("shards that hang", lambda: "Opening" in cluster.shards(0).values(), 30)
    wait_for("an open shard", lambda: "Ready" in cluster.shards(0).values(), 30)
    time.sleep(6)
    seen["old table"] = cluster.sql(0, "SELECT * FROM old").text
    seen["create"] = wait_for("an acknowledged CREATE", lambda: acknowledged(cluster), 90, 0.5)
    cluster.nodes[0].stop()
    cluster.nodes[0] = cluster.node(0)
    cluster.nodes[0].start()
    cluster.wait_ready()
    seen["rows in the end"] = count(cluster, ["old", "unsafe"])
    return seen


def said_ok(cluster: Cluster) -> bool:
    try:
        return bool(ask("GET", cluster.db(0) + "/", timeout=2).body == {"status": "ok"})
    except OSError:
        return False


def acknowledged(cluster: Cluster) -> Any:
    """CREATE and INSERT into a table on a shard that is open; the fullest shards hang, a new table goes to an emptier one."""
    if cluster.sql(0, CREATE % "later").status != 200:
        return None
    return cluster.sql(0, INSERT % ("later", START_OF_TIME, 1)).body


@takes(25)
def nothing_behind(stage: Any) -> Seen:
    """A broker that is away, and an object store that is away without HoraeMeta."""
    seen: Seen = {}
    cluster = stage.cluster(members=1, nodes=1, node_count=1)
    cluster.start_members()
    brokers = [NOBODY]
    node = cluster.node(0, supervised=False, analytic__wal={"type": "Kafka", "kafka": {"client": {"boost_brokers": brokers}}})
    started = time.monotonic()
    node.start()
    seen["no broker"] = node.exit_code(30), node.log()
    seen["without a broker for"] = time.monotonic() - started
    store = dict(stage.bucket().settings(), endpoint="http://" + NOBODY)
    alone = cluster.node(0, supervised=False, cluster_deployment={"mode": "NoMeta"}, analytic__storage__object_store=store)
    started = time.monotonic()
    alone.start()
    seen["no store, NoMeta"] = alone.exit_code(30), time.monotonic() - started
    return seen

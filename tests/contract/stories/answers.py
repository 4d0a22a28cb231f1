"""What the real daemons answer and write in words that the captures don't have."""

from __future__ import annotations

import base64
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime
from typing import Any, Dict, List, Optional
from urllib.parse import urlsplit

from harness.cluster import NAME, Cluster
from harness.process import Daemon, wait_for
from harness.web import Reply, ask

from stories.acts import HEARTBEATS, LEADER_KEY, Seen, encoded, seconds_until, stored
from stories.starts import SECRET, Desk, run
from stories.telling import takes

COLUMNS = "(name string TAG, value double NOT NULL, t timestamp NOT NULL, TIMESTAMP KEY(t))"
CREATE = "CREATE TABLE %s%s " + COLUMNS + " ENGINE=Analytic%s"
FOR_EVER = " WITH (enable_ttl='false')"
DAY = 86400000
# A question from within a host of the tests.
ASK = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1], sys.argv[2].encode()), timeout=10)
except urllib.error.HTTPError as refusal:
    answer = refusal
print(answer.status)
print(answer.read().decode())
"""
SHORTEST_TTL = 15
EXPIRES = "The lease is about to expire, and trigger the on_lock_expire callback"


def now() -> int:
    return int(time.time() * 1000)


def create(table: str, if_not_exists: bool = True, options: str = "") -> str:
    return CREATE % ("IF NOT EXISTS " if if_not_exists else "", table, options)


def made(cluster: Cluster, statement: str) -> None:
    """An attempt that was refused may have made the table nevertheless."""

    def done() -> bool:
        reply = cluster.sql(0, statement)
        return reply.status == 200 or "table already exists" in reply.text

    wait_for("made: " + statement, done, 40, 0.3)


def insert(table: str, time_: int, name: str = "h") -> str:
    return "INSERT INTO %s(t,name,value) VALUES (%d,'%s',1.5)" % (table, time_, name)


def message(reply: Reply) -> str:
    """Of a refusal. An answer is told as it is."""
    return str(reply.body["message"] if reply.status != 200 else reply.body)


def owner_of(cluster: Cluster, table: str) -> int:
    return next(i for i in range(len(cluster.nodes)) if table in cluster.tables_on(i))


@takes(45)
def statements(stage: Any) -> Seen:
    """Two data nodes and one member: tables, rows, flushes, and what stands in etcd and in the logs meanwhile."""
    seen: Seen = {}
    cluster = stage.cluster(members=1, nodes=2, node_count=2, proxy=False).start()
    made(cluster, create("kept", options=FOR_EVER))
    made(cluster, create("week"))
    for name in ("one", "two", "three"):
        made(cluster, create(name))
    own = owner_of(cluster, "kept")
    other = 1 - own
    again = create("kept", options=FOR_EVER)
    seen["exists, by its own node"] = message(cluster.sql(own, again))
    seen["exists, through another"] = message(cluster.sql(other, again))
    seen["exists, without IF NOT EXISTS"] = cluster.sql(other, create("kept", False)).status
    old, new = now() - 8 * DAY, now()
    seen["acknowledged"] = [cluster.sql(0, insert(table, at)).body for table in ("kept", "week") for at in (old, new)]
    seen["rows of the last week only"] = [row["t"] == new for row in cluster.sql(0, "SELECT * FROM week").body["rows"]]
    seen["all rows"] = sorted(row["t"] - new for row in cluster.sql(0, "SELECT * FROM kept").body["rows"]) == [old - new, 0]
    flush(cluster, own)
    seen["objects"] = objects_of(cluster, own)
    seen.update(flushes_without_a_store(cluster, own))
    tables = {"clusterName": NAME, "shardIDs": [3, 5]}
    seen["tables of shards 3 and 5"] = sorted(cluster.meta("POST", "/api/v1/getShardTables", tables).body["data"])
    seen["tables of no shard"] = sorted(cluster.meta("POST", "/api/v1/getShardTables", {"clusterName": NAME}).body["data"])
    seen["error with a trace"] = cluster.meta("POST", "/api/v1/getNodeShards", {"ClusterName": "nope"}).body["msg"].split("\n")
    leader = stored(cluster, LEADER_KEY)
    seen["leader key"] = [base64.b64decode(kv["value"]).decode(errors="replace").split("\x1a")[0][:4] for kv in leader]
    seen["leader key names its endpoint"] = all(cluster.etcd(0).encode() in base64.b64decode(kv["value"]) for kv in leader)
    seen["leader key has a lease"] = [bool(int(kv.get("lease", 0))) for kv in leader]
    locks = stored(cluster, "/horaedb/%s/shards/" % NAME, prefix=True)
    names = {cluster.node_name(i).encode() for i in range(2)}
    # A message of one field: its number and kind, its length, the name.
    seen["shard locks"] = {base64.b64decode(kv["value"]) for kv in locks} == {b"\n" + bytes([len(name)]) + name for name in names}
    seen["nodes of a cluster"] = cluster.meta("GET", "/api/v1/clusters/%s/nodes" % NAME).status
    seen["log of a node"] = cluster.nodes[0].log()
    seen["log of a member"] = cluster.members[0].log()
    return seen


def flush(cluster: Cluster, node: int) -> Dict[str, List[str]]:
    reply = ask("POST", cluster.db(node) + "/debug/flush_memtable", timeout=30)
    return {name: sorted(tables) for name, tables in reply.body.items()}


def objects_of(cluster: Cluster, node: int) -> List[str]:
    """What one flush of one table put into the store."""
    files = [path for path in (cluster.data(node) / "store").rglob("*.sst*") if path.is_file()]
    return sorted(path.name for path in files if path.parent == files[0].parent)


def flushes_without_a_store(cluster: Cluster, node: int) -> Seen:
    """The directory of the store is a file for a moment."""
    seen: Seen = {}
    store = cluster.data(node) / "store"
    cluster.sql(node, insert("kept", now()))
    store.rename(store.with_name("away"))
    store.write_text("not a directory")
    seen["flush without a store"] = "kept" in flush(cluster, node)["failed"]
    store.unlink()
    store.with_name("away").rename(store)
    seen["flushes with the store again"] = ["kept" in flush(cluster, node)["failed"] for _ in range(2)]
    seen["words of a later flush"] = "Background flush failed, cannot write more data, retry_count:0" in cluster.nodes[node].log()
    cluster.nodes[node].stop()
    cluster.nodes[node].start()
    cluster.wait_ready()
    seen["flush after a restart"] = "kept" in flush(cluster, node)["failed"]
    seen["rows after a restart"] = len(cluster.sql(node, "SELECT * FROM kept").body["rows"])
    return seen


@takes(25)
def refused_starts(stage: Any) -> Seen:
    """Panics of a data node before and after it has a log, and what it prints before."""
    cluster = stage.cluster(members=1, nodes=1, node_count=1, proxy=False)
    cluster.start_members()
    desk = Desk(stage, cluster)
    s3 = {
        "type": "S3",
        "region": "r",
        "key_id": "k",
        "key_secret": SECRET,
        "endpoint": "http://10.77.255.254:1",
        "bucket": "b",
        "prefix": "p",
    }
    known = {"cluster_name": "nope"}
    return {
        "RocksDB": desk.db(desk.good(analytic__wal={"type": "RocksDB"}).replace('data_dir = "%s"\n' % cluster.data(0), "", 1)),
        "RocksDB and a directory": desk.db(desk.good(analytic__wal={"type": "RocksDB"})),
        "unknown cluster": desk.db(desk.good(cluster_deployment__meta_client=known)),
        "secret": desk.db(desk.good(cluster_deployment__meta_client=known, analytic__storage__object_store=s3)),
        "versions": [run([stage.binaries.meta, "--version"]), run([stage.binaries.db, "-V"])],
    }


@takes(40)
def loopback(stage: Any) -> Seen:
    """Two data nodes whose addresses are of the machine itself, which is the member's."""
    cluster = stage.cluster(members=1, nodes=2, node_count=2, proxy=False)
    cluster.start_members()
    addresses = ["127.7.7.%d" % (i + 1) for i in range(2)]
    for index, address in enumerate(addresses):
        cluster.node(index, node={"addr": address}, server={"bind_addr": address})
        home = cluster.root / ("db%d" % (index + 1))
        command = cluster.hosts[0].command(stage.binaries.db, "--config", str(home / "horaedb.toml"))
        cluster.nodes[index] = Daemon("db%d" % (index + 1), command, home / "log", {})
        cluster.nodes[index].start()

    def sql(node: int, query: str) -> Reply:
        url = "http://%s:%d/sql" % (addresses[node], urlsplit(cluster.db(node)).port or 0)
        asked = subprocess.run(
            cluster.hosts[0].command(sys.executable, "-c", ASK, url, query), capture_output=True, text=True, timeout=30, check=True
        )
        status, _, text = asked.stdout.partition("\n")
        return Reply(int(status), "", text)

    def both_have_tables() -> bool:
        try:
            sql(0, create("t%d" % time.monotonic_ns()))
            return all(sql(node, "SHOW TABLES").body["rows"] for node in (0, 1))
        except (subprocess.CalledProcessError, KeyError):
            return False

    wait_for("a table on each node", both_have_tables, 60, 0.5)
    mine, others = (sql(node, "SHOW TABLES").body["rows"][0]["Tables"] for node in (0, 1))
    return {
        "mine": sql(0, "SELECT * FROM %s" % mine).status,
        "others": message(sql(0, "SELECT * FROM %s" % others)).replace(others, "TABLE"),
    }


@takes(45)
def recovering(stage: Any) -> Seen:
    """A table whose shard hangs in opening: its node has lost its disk."""
    cluster = stage.cluster(members=1, nodes=2, node_count=2, proxy=False).start()
    # The emptiest shard takes the next table: one in each, so that both nodes have some.
    for number in range(cluster.settings.shard_total):
        made(cluster, create("t%d" % number))
    table = cluster.tables_on(1)[0]
    time.sleep(HEARTBEATS)
    cluster.nodes[1].kill()
    shutil.rmtree(cluster.data(1))
    cluster.nodes[1].start()
    query = "SELECT * FROM %s" % table

    def told(node: int) -> Optional[str]:
        try:
            reply = cluster.sql(node, query)
        except OSError:
            return None
        return message(reply).replace(table, "TABLE") if "Recovering" in reply.text else None

    return {
        "through another": wait_for("Recovering through the other node", lambda: told(0), 40, 0.3),
        "by its own node": wait_for("Recovering by the node itself", lambda: told(1), 40, 0.3),
    }


def gave_up(cluster: Cluster, node: int) -> bool:
    """All its shards; one that panics has none either."""
    return EXPIRES in cluster.nodes[node].log() and cluster.shards(node) == {}


def given_up_in_time(log: str) -> bool:
    """Every lock that was given up was so while its lease lived, by the log's own clock."""
    kept: Dict[str, float] = {}
    given: List[bool] = []
    for line in log.splitlines():
        found = re.match(
            r"(\S+ [\d:.]+) .*(Next keepalive|The lease is about to expire).*shard_id:(\d+)(?:.*duration_until_expired:([\d.]+)s)?", line
        )
        if not found:
            continue
        at = datetime.strptime(found.group(1), "%Y-%m-%d %H:%M:%S.%f").timestamp()
        if found.group(4):
            kept[found.group(3)] = at + float(found.group(4))
        elif found.group(3) in kept:
            given.append(at < kept[found.group(3)])
    return bool(given) and all(given)


@takes(75)
def locks_run_out(stage: Any) -> Seen:
    """Shards lose their locks: every member is away for longer than a lock lives."""
    cluster = stage.cluster(members=1, nodes=2, node_count=2, lock_ttl=SHORTEST_TTL, proxy=False).start()
    made(cluster, create("kept", options=FOR_EVER))
    written = [cluster.sql(0, insert("kept", now(), "n%d" % number)).body for number in range(3)]
    time.sleep(HEARTBEATS)
    cluster.members[0].stop()
    wait_for("each node has given its shards up", lambda: all(gave_up(cluster, i) for i in (0, 1)), 40, 0.3)
    logs = [node.log() for node in cluster.nodes]
    cluster.members[0].start()
    wait_for("the member healthy", lambda: cluster.healthy(0), 30)
    cluster.wait_ready(90)
    return {
        "written": written == [{"affected_rows": 1}] * 3,
        "first renewal": [
            bool(re.search(r"Next keepalive will be schedule after 1[01]\.\d+s.*keepalive_cost:3\.75s", log)) for log in logs
        ],
        "given up": [EXPIRES in log for log in logs],
        "given up in time": [given_up_in_time(log) for log in logs],
        "tables closed": ["Shard lock is released, try to close the tables and shard" in log for log in logs],
        "logs": logs,
        "rows": len(cluster.sql(1, "SELECT * FROM kept").body["rows"]),
    }


@takes(65)
def single_member(stage: Any) -> Seen:
    """A member that starts: open before it answers, leader in name only, killed by who comes too early, and over a directory that is half there."""
    seen: Seen = {}
    cluster = stage.cluster(members=1, nodes=1, node_count=1, proxy=False).start()
    cluster.members[0].stop()
    cluster.members[0].start()
    seen["connected before the first answer"] = connected_before_an_answer(cluster)
    wait_for("healthy", lambda: cluster.healthy(0), 30)
    cluster.members[0].kill()
    cluster.members[0].start()
    wait_for("its name as the leader", cluster.leader, 30, 0.05)
    seen["leads with no cluster"] = cluster.meta("GET", "/api/v1/clusters").body["data"] == []
    seen["knows its clusters after"] = seconds_until("its clusters", cluster.clusters, 40)
    # The simulator is made to do what the real one does now and then.
    cluster.members[0].stop()
    cluster.members[0] = cluster.member(0, environment={"HORAE_SIM_SEGFAULT": "1"})
    cluster.members[0].start()
    knocking = threading.Event()
    threading.Thread(target=knock, args=(cluster, knocking), daemon=True).start()
    try:
        wait_for("a member that died of it, or came up", lambda: cluster.members[0].restarts or cluster.healthy(0), 40)
    finally:
        knocking.set()
    seen["died"] = bool(cluster.members[0].restarts)
    seen["words of its death"] = cluster.members[0].log()
    cluster.members[0].stop()
    data = cluster.meta_data(0)
    shutil.rmtree(data)
    database = data / "etcd" / "member" / "snap" / "db"
    database.parent.mkdir(parents=True)
    database.write_bytes(bytes(range(256)) * 256)
    before = len(cluster.members[0].log())
    cluster.members[0] = cluster.member(0)
    cluster.members[0].start()
    seen["half there, exit code"] = cluster.members[0].exit_code(30)
    cluster.members[0].stop()
    said = cluster.members[0].log()[before:]
    seen["half there, panic"] = "panic: failed to open database" in said and "goroutine " in said
    seen["half there, names the database"] = str(database) in said
    return seen


def connected_before_an_answer(cluster: Cluster) -> float:
    """For how long connections were accepted and questions not answered."""
    parts = urlsplit(cluster.etcd(0))
    address = parts.hostname or "", parts.port or 0

    def connects() -> bool:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            return False
        return True

    wait_for("an open port", connects, 20, 0.02)

    def answers() -> bool:
        try:
            return ask("POST", cluster.etcd(0) + "/v3/kv/range", {"key": encoded(LEADER_KEY)}, timeout=0.5).status == 200
        except OSError:
            return False

    return seconds_until("an answer", answers, 30)


def knock(cluster: Cluster, done: threading.Event) -> None:
    """Heartbeats wait at the door of a member that isn't up; those of the simulator, which has no gRPC, are made here."""
    while not done.wait(0.02):
        try:
            ask("POST", cluster.etcd(0) + "/simulator/heartbeat", {"cluster": NAME, "node": "10.77.9.9:1", "shards": {}}, timeout=0.3)
        except OSError:
            continue

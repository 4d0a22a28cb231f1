"""The captures, replayed in their order. Some need the cluster in a certain state first."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import time
from typing import Any, Callable, Dict, List, Tuple

from harness.captures import Capture, load, send
from harness.cluster import NOBODY, Cluster
from harness.process import wait_for
from harness.web import Reply

from stories.acts import FIRST_PLAN, INSERT, START_OF_TIME, create, set_frozen, settle
from stories.telling import takes

TABLES = ("demo", "t_a", "t_b", "t_c", "t_d", "t_e")
TRANSIENT = 20.0

Replies = Dict[str, Reply]


def owner(cluster: Cluster, table: str) -> int:
    """The node that has the table."""
    return next(i for i in range(len(cluster.nodes)) if table in cluster.tables_on(i))


def nodes_by_address(cluster: Cluster, net: str) -> Dict[str, str]:
    return {"%s.%d:8831" % (net, 31 + i): cluster.node_name(i) for i in range(len(cluster.nodes))}


@takes(25)
def replay_static(stage: Any) -> Replies:
    cluster = stage.cluster().start()
    create(cluster, *TABLES)
    for table in TABLES:
        assert cluster.sql(0, INSERT % (table, START_OF_TIME, 100)).status == 200
    db = owner(cluster, "demo")
    elsewhere = next(t for t in TABLES if t not in cluster.tables_on(db))
    replace = dict(nodes_by_address(cluster, "172.30.0"), t_e=elsewhere)
    replies = {c.id: send(cluster, c, replace, db) for c in [*load("meta"), *load("db")]}
    return {case: dataclasses.replace(reply, text=reply.text.replace('"%s"' % elsewhere, '"t_e"')) for case, reply in replies.items()}


def settle_under_an_old_leader(cluster: Cluster) -> None:
    settle(cluster, FIRST_PLAN)


def after_the_freeze_of_a_young_leader(cluster: Cluster) -> None:
    """The captured request kills the leader; it has to come back before the others are asked."""
    wait_for("a crash", lambda: any(member.ends for member in cluster.members), 15)
    wait_for("members healthy", lambda: all(cluster.healthy(i) for i in range(3)), 30)
    cluster.wait_leader()
    settle_under_an_old_leader(cluster)


def lose_the_map(cluster: Cluster) -> None:
    assert cluster.proxy is not None
    cluster.proxy.away = True
    wait_for("an empty map", lambda: cluster.clusters() and cluster.view() == {}, 30)
    cluster.proxy.away = False
    # Heartbeats arrive again, and are the same as before.
    time.sleep(5)


def restart_a_node(cluster: Cluster) -> None:
    cluster.nodes[0].stop()
    cluster.nodes[0].start()


def freeze(cluster: Cluster) -> None:
    settle_under_an_old_leader(cluster)
    set_frozen(cluster, True)


def unfreeze(cluster: Cluster) -> None:
    set_frozen(cluster, False)
    settle(cluster)


def freeze_and_change_leader(cluster: Cluster) -> None:
    """The first move brings back the shard that the capture before took from the map."""
    cluster.move_leader()
    freeze(cluster)
    cluster.move_leader()
    cluster.wait_leader()


Prepare = Callable[[Cluster], Any]
BEFORE: Dict[str, Prepare] = {
    "put enableSchedule true right after a leader change": lambda cluster: (settle(cluster), cluster.move_leader(), cluster.wait_leader()),
    "get enableSchedule": after_the_freeze_of_a_young_leader,
    "procedures, none": settle,
    "transfer leader, not frozen": settle,
    "transfer leader, frozen": freeze,
    "transfer leader, wrong old leader": unfreeze,
    "diagnose, all well": settle,
    "node shards, all well": settle,
    "diagnose, a node just came back and its shards are not open yet": restart_a_node,
    "node shards, three shards have no node": lambda cluster: (settle(cluster), restart_a_node(cluster)),
    "db shards, opening": lambda cluster: (settle(cluster), restart_a_node(cluster)),
    "drop node shards in a dynamic cluster": settle,
    "get enableSchedule after a leader change": freeze_and_change_leader,
    "node shards, mapping lost while all nodes serve": lambda cluster: (settle(cluster), lose_the_map(cluster)),
}
# States that pass within seconds: asked again until the reply is the captured one.
PASSING = (
    "diagnose, a node just came back and its shards are not open yet",
    "node shards, three shards have no node",
    "db shards, opening",
)
UNOPENABLE = (
    "diagnose, shards that cannot be opened",
    "db shards, one that cannot be opened",
    "select from a table of a shard that cannot",
)


def split_dynamic() -> Tuple[List[Capture], List[Capture]]:
    """(those of a healthy dynamic cluster, those of one on local storage)."""
    captures = load("dynamic")
    local = [c for c in captures if c.case.startswith(UNOPENABLE)]
    return [c for c in captures if c not in local], local


def until_alike(cluster: Cluster, capture: Capture, replace: Dict[str, str], patience: float) -> Reply:
    """The last reply, alike or not."""
    deadline = time.monotonic() + patience
    while True:
        try:
            reply = send(cluster, capture, replace)
            if capture.case == "db shards, opening":
                reply = only_opening(reply)
            if not capture.unlike(reply) and not still_whole(cluster, capture, reply):
                return reply
        except OSError:
            # A node that is being restarted.
            if time.monotonic() > deadline:
                raise
            continue
        if time.monotonic() > deadline:
            return reply
        time.sleep(0.02)


def only_opening(reply: Reply) -> Reply:
    """The node has others besides, which are Ready; the captured one had not."""
    return dataclasses.replace(reply, text=json.dumps([shard for shard in reply.body if shard["status"] == "Opening"]))


def still_whole(cluster: Cluster, capture: Capture, reply: Reply) -> bool:
    """By shape a whole map looks like one with gaps."""
    return (
        capture.case == "node shards, three shards have no node" and len(reply.body["data"]["NodeShards"]) == cluster.settings.shard_total
    )


@takes(150)
def replay_dynamic(stage: Any) -> Replies:
    cluster = stage.cluster(topology="dynamic", **stage.shared_storage()).start()
    create(cluster, "t0", "t1", "t2")
    replies: Replies = {}
    for capture in split_dynamic()[0]:
        BEFORE.get(capture.case, lambda _: None)(cluster)
        replace = {"172.29.0.39:8831": NOBODY, "dm3": follower(cluster)}
        if capture.case.startswith("transfer leader"):
            replace.update(owner_and_other(cluster, shard=1))
        if capture.case.startswith("select through another node"):
            replace["t0"] = next(t for t in ("t0", "t1", "t2") if t not in cluster.tables_on(0))
        reply = until_alike(cluster, capture, replace, TRANSIENT if capture.case in PASSING else 0)
        replies[capture.id] = named_as_captured(reply, replace["t0"]) if "t0" in replace else reply
    return replies


def named_as_captured(reply: Reply, asked: str) -> Reply:
    """Which table the asked node doesn't hold is up to chance. An answer about another one than was asked for stays unlike the captured one."""
    named = re.sub(r"table:(t\d)", lambda found: "table:t0" if found.group(1) == asked else "table:not-asked-for", reply.text)
    return Reply(reply.status, reply.content_type, named)


def follower(cluster: Cluster) -> str:
    leader = cluster.leader_index()
    return cluster.members[(leader + 1) % len(cluster.members)].name


def owner_and_other(cluster: Cluster, shard: int) -> Dict[str, str]:
    view = cluster.view()
    other = next(cluster.node_name(i) for i in range(len(cluster.nodes)) if cluster.node_name(i) != view.get(shard))
    return {"172.29.0.31:8831": view.get(shard, ""), "172.29.0.32:8831": other}


@takes(60)
def replay_unopenable(stage: Any) -> Replies:
    """Dynamic topology on local disks, one node of three killed: its shards go where their data is not."""
    cluster = stage.cluster(topology="dynamic").start()
    create(cluster, *("n%d" % i for i in range(8)))
    lost = cluster.tables_on(2)
    cluster.nodes[2].kill()
    diagnose, shards, select = split_dynamic()[1]
    replies = {diagnose.id: until_alike(cluster, diagnose, {}, 60)}
    stuck = wait_for("shards that hang", lambda: [i for i in (0, 1) if "Opening" in cluster.shards(i).values()], 30)[0]
    replies[shards.id] = only_opening(send(cluster, shards, {}, stuck))
    ways = itertools.cycle([(table, node) for table in lost for node in (0, 1)])
    deadline = time.monotonic() + TRANSIENT
    while True:
        table, node = next(ways)
        reply = send(cluster, select, {"n0": table}, node)
        replies[select.id] = dataclasses.replace(reply, text=reply.text.replace(table, "n0"))
        if time.monotonic() > deadline or "status:Recovering" in reply.text:
            return replies
        time.sleep(0.1)

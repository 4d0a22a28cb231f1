"""HoraeMeta's members: starting together, leaders that move, stop and die, quorum, and replacing one."""

from __future__ import annotations

import shutil
import threading
import time
from typing import Any, List

from harness.cluster import NOBODY, Cluster
from harness.process import wait_for
from harness.web import ask, status_of

from stories.acts import PANIC, Seen, count, seconds_until, settle, table_per_shard, write
from stories.telling import takes

QUERY_PAUSE = 0.1


class Reader(threading.Thread):
    """Reads one table over and over through one node, and counts what failed."""

    def __init__(self, cluster: Cluster, table: str) -> None:
        super().__init__(daemon=True)
        self._cluster, self._table = cluster, table
        self._done = threading.Event()
        self.asked = 0
        self.failed = 0

    def run(self) -> None:
        while not self._done.wait(QUERY_PAUSE):
            self.asked += 1
            try:
                self.failed += self._cluster.sql(0, "SELECT * FROM %s LIMIT 1" % self._table, timeout=5).status != 200
            except OSError:
                self.failed += 1

    def __enter__(self) -> Reader:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join(10)


def new_leader_after(cluster: Cluster, old: int) -> float:
    def found() -> bool:
        return cluster.leader() not in (None, cluster.members[old].name) and bool(cluster.clusters())

    return seconds_until("a new leader", found, 40)


@takes(100)
def leaders(stage: Any) -> Seen:
    seen: Seen = {}
    cluster = stage.cluster()
    started = time.monotonic()
    cluster.start_members()
    seen["ready together in"] = time.monotonic() - started
    cluster.start_nodes()
    cluster.wait_ready()
    tables = table_per_shard(cluster)
    seen["written"] = write(cluster, tables, 2)
    settle(cluster)
    before = cluster.view()
    elsewhere = next(table for table in tables if table not in cluster.tables_on(0))
    with Reader(cluster, elsewhere) as reader:
        cluster.move_leader()
        time.sleep(2)
    seen["failed while the leader moved"] = reader.failed
    follower = next(i for i in range(3) if i != cluster.leader_index() and cluster.proxy.backend != cluster.backend(i))
    with Reader(cluster, elsewhere) as reader:
        seen["follower's exit code"] = cluster.members[follower].stop()
        time.sleep(4)
        cluster.members[follower].start()
        wait_for("the follower back", lambda: cluster.healthy(follower), 20)
    seen["failed without a follower"], seen["asked without a follower"] = reader.failed, reader.asked
    settle(cluster)
    old = cluster.leader_index()
    cluster.members[old].stop()
    seen["new leader after a stop"] = new_leader_after(cluster, old)
    cluster.members[old].start()
    wait_for("the old leader back", lambda: cluster.healthy(old), 20)
    settle(cluster)
    old = cluster.leader_index()
    cluster.members[old].kill()
    seen["etcd survives its daemon"] = status_of(cluster.etcd(old) + "/health") != 0
    seen["new leader after SIGKILL"] = new_leader_after(cluster, old)
    cluster.members[old].start()
    wait_for("the killed leader back", lambda: cluster.healthy(old), 20)
    settle(cluster)
    seen["same map"] = cluster.view() == before
    seen["read"] = count(cluster, tables)
    return seen


@takes(45)
def quorum(stage: Any) -> Seen:
    """Two of three stopped, then all for longer than a node lives without heartbeat."""
    seen: Seen = {}
    cluster = stage.cluster().start()
    tables = table_per_shard(cluster)
    seen["written"] = write(cluster, tables, 1)
    settle(cluster)
    before = cluster.view()
    for index in (1, 2):
        cluster.members[index].kill()
    wait_for("etcd without quorum", lambda: status_of(cluster.etcd(0) + "/health", timeout=6) == 503, 30)
    seen["etcd health"] = ask("GET", cluster.etcd(0) + "/health").body
    seen["meta health"] = ask("GET", cluster.api(0) + "/api/v1/health").body
    cluster.members[0].stop()
    time.sleep(15)
    for member in cluster.members:
        member.start()
    wait_for("members healthy", lambda: all(cluster.healthy(i) for i in range(3)), 40)
    cluster.wait_leader()
    settle(cluster)
    seen["same map"] = cluster.view() == before
    seen["ended for another reason"] = [node.name for node in cluster.nodes if node.restarts and PANIC not in node.log()]
    seen["read"] = count(cluster, tables)
    return seen


@takes(20)
def alone(stage: Any) -> Seen:
    """One of three started by itself, with little patience."""
    cluster = stage.cluster(nodes=0, start_timeout_ms=4000)
    started = time.monotonic()
    cluster.members[0].start()
    code = cluster.members[0].exit_code(20)
    return {"exit code": code, "after": time.monotonic() - started, "log": cluster.members[0].log()}


def members_of(cluster: Cluster) -> List[Any]:
    return list(ask("GET", cluster.api(0) + "/api/v1/etcd/member").body["data"]["members"])


@takes(40)
def replacement(stage: Any) -> Seen:
    """A member's disk is lost. It may not simply start again; it is removed, added as a learner and promoted."""
    seen: Seen = {}
    cluster = stage.cluster(nodes=0)
    cluster.start_members()
    if cluster.leader_index() == 2:
        cluster.move_leader()
    cluster.members[2].stop()
    shutil.rmtree(cluster.meta_data(2))
    cluster.members[2].start()
    seen["wiped exit code"] = cluster.members[2].exit_code(30)
    cluster.members[2].stop()
    seen["wiped log"] = cluster.members[2].log()
    shutil.rmtree(cluster.meta_data(2))
    removed = ask("DELETE", cluster.api(0) + "/api/v1/etcd/member", {"memberName": "m3"})
    seen["removed"] = removed.body
    wait_for("etcd to take a learner", lambda: learner_added(cluster), 20, 0.5)
    cluster.members[2] = cluster.member(2, state="existing")
    cluster.members[2].start()
    wait_for("the learner in the list", lambda: any(m.get("name") == "m3" for m in members_of(cluster)), 20)
    wait_for("the learner's own API", lambda: status_of(cluster.api(2) + "/api/v1/health") == 200, 20)
    seen["learner says"] = ask("GET", cluster.api(2) + "/api/v1/health").body
    promote = wait_for("promoted", lambda: promoted(cluster), 30, 0.5)
    seen["promoted"] = promote
    wait_for("three healthy members", lambda: all(cluster.healthy(i) for i in range(3)) and cluster.leader(), 30)
    seen["voting members"] = [m["name"] for m in members_of(cluster) if not m.get("isLearner")]
    seen["voter added"] = add_voter_and_take_it_back(cluster)
    return seen


def learner_added(cluster: Cluster) -> bool:
    """etcd calls a cluster unhealthy for some seconds after a member has gone."""
    order = {"peerURLs": [cluster.peer(2)], "isLearner": True}
    return ask("POST", cluster.etcd(0) + "/v3/cluster/member/add", order).status == 200


def promoted(cluster: Cluster) -> Any:
    reply = ask("POST", cluster.api(0) + "/api/v1/etcd/promoteLearner", {"learnerName": "m3"})
    return reply.body if reply.status == 200 else None


def added_voter(cluster: Cluster) -> Any:
    """etcd refuses for some seconds after the last change."""
    reply = ask("PUT", cluster.api(0) + "/api/v1/etcd/member", {"memberAddrs": ["http://" + NOBODY]})
    return reply if reply.status == 200 else None


def add_voter_and_take_it_back(cluster: Cluster) -> Seen:
    """PUT adds a voter at once; until it starts it has no name, and so can't be removed by name."""
    added = wait_for("etcd to take another member", lambda: added_voter(cluster), 20, 0.5)
    nameless = [m for m in members_of(cluster) if not m.get("name")]
    by_name = ask("DELETE", cluster.api(0) + "/api/v1/etcd/member", {"memberName": "m4"})
    by_id = ask("POST", cluster.etcd(0) + "/v3/cluster/member/remove", {"ID": str(nameless[0]["ID"])})
    return {"status": added.status, "nameless": nameless, "by name": by_name, "by id": by_id.status, "left": len(members_of(cluster))}

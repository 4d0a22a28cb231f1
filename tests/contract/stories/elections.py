"""Elections: what a new leader says first, and leaders that hang."""

from __future__ import annotations

import base64
import time
from typing import Any, List, Optional

from harness.cluster import Cluster
from harness.process import wait_for
from harness.web import ask

from stories.acts import LEADER_KEY, Seen, seconds_until, stored
from stories.telling import takes

# HoraeMeta's default for the lease of its leader.
LEASE = 10.0


def first_answers(cluster: Cluster, index: int, seconds: float) -> List[Any]:
    """What a member says of its clusters from the moment on in which it names itself."""
    wait_for("the new leader names itself", lambda: cluster.named_by(index) == cluster.etcd(index), 15, 0.005)
    found: List[Any] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found.append(len(ask("GET", cluster.api(index) + "/api/v1/clusters", timeout=5).body.get("data") or []))
    return found


def move(cluster: Cluster, old: int, new: int) -> Any:
    return ask("POST", cluster.api(old) + "/api/v1/etcd/moveLeader", {"memberName": cluster.members[new].name}).body


def answers(cluster: Cluster, index: int) -> bool:
    """Within a second, with a cluster in the list."""
    try:
        return bool(ask("GET", cluster.api(index) + "/api/v1/clusters", timeout=1).body.get("data"))
    except OSError:
        return False


@takes(60)
def elections(stage: Any) -> Seen:
    """What a new leader says first; and a leader that was killed, whose key is taken away."""
    seen: Seen = {}
    cluster = stage.cluster(nodes=0)
    cluster.start_members()
    old = cluster.leader_index()
    new = (old + 1) % 3
    seen["moved"] = move(cluster, old, new)
    first = first_answers(cluster, new, 1.0)
    seen["first answers with an empty list"] = first.count(0)
    seen["last answer"] = first[-1]
    wait_for("all know the new leader", lambda: cluster.leader() == cluster.members[new].name, 15)
    cluster.members[new].kill()
    left = [i for i in range(3) if i != new]
    started = time.monotonic()
    wait_for("another leader of etcd", lambda: etcd_leader(cluster, left[0]) in left, 20, 0.1)
    seen["etcd's leader after"] = time.monotonic() - started
    key = stored(cluster, LEADER_KEY, left[0])[0]
    seen["the key names the dead one"] = cluster.etcd(new).encode() in base64.b64decode(key["value"])
    assert ask("POST", cluster.etcd(left[0]) + "/v3/lease/revoke", {"ID": key["lease"]}).status == 200
    revoked = time.monotonic()
    wait_for("a leader that answers", lambda: all(answers(cluster, i) for i in left), 30, 0.1)
    seen["a leader after its key was taken away"] = time.monotonic() - revoked
    return seen


def etcd_leader(cluster: Cluster, through: int) -> Optional[int]:
    status = ask("POST", cluster.etcd(through) + "/v3/maintenance/status", {}).body
    listed = ask("POST", cluster.etcd(through) + "/v3/cluster/member/list", {}).body["members"]
    leads = next((member for member in listed if member["ID"] == status.get("leader")), None)
    return [member.name for member in cluster.members].index(leads["name"]) if leads else None


@takes(90)
def hung(stage: Any) -> Seen:
    """A leader that hangs at its election, and one that hangs when it steps down. Only the simulator does so on request."""
    seen: Seen = {"asked for": not stage.binaries.real}
    if stage.binaries.real:
        return seen
    cluster = stage.cluster(nodes=0)
    cluster.start_members()
    old = cluster.leader_index()
    hangs, third = (old + 1) % 3, (old + 2) % 3
    assert ask("PUT", cluster.api(hangs) + "/debug/simulator/hang_next_election").status == 200
    seen["moved"] = move(cluster, old, hangs)
    wait_for("all name the hung one", lambda: {cluster.named_by(i) for i in range(3)} == {cluster.etcd(hangs)}, 20)
    seen["names itself"] = True
    seen["answers"] = [answers(cluster, i) for i in range(3)]
    seen["told from its followers"] = cluster.hung() == [cluster.members[hangs].name]
    seen["healthy"] = [cluster.healthy(i) for i in range(3)]
    stacks = ask("GET", cluster.api(hangs) + "/debug/pprof/goroutine?debug=2").text
    seen["stacks"] = [words in stacks for words in ("managerImpl).CreateCluster", "managerImpl).RegisterNode", "sync.(*RWMutex).RLock")]
    seen["key gone after"] = seconds_until("its lease has run out", lambda: not stored(cluster, LEADER_KEY), 20)
    seen["still nobody answers"] = not any(answers(cluster, i) for i in range(3))
    seen["moved away"] = move(cluster, hangs, third)
    seen["others answer after"] = seconds_until("the others answer", lambda: answers(cluster, old) and answers(cluster, third), 20)
    seen["goes on naming itself"] = cluster.named_by(hangs) == cluster.etcd(hangs) and not answers(cluster, hangs)
    seen.update(ended(cluster, hangs))
    assert ask("PUT", cluster.api(third) + "/debug/simulator/hang_next_transfer").status == 200
    seen["moved from one that hangs"] = move(cluster, third, old)
    time.sleep(LEASE + 2)
    seen["nobody leads"] = not any(answers(cluster, i) for i in range(3)) and etcd_leader(cluster, old) == old
    for entry in stored(cluster, LEADER_KEY):
        assert ask("POST", cluster.etcd(old) + "/v3/lease/revoke", {"ID": entry["lease"]}).status == 200
    seen["led again after"] = seconds_until("etcd's leader leads", lambda: answers(cluster, old), 20)
    seen["the other goes on naming itself"] = cluster.named_by(third) == cluster.etcd(third) and not answers(cluster, third)
    return seen


def ended(cluster: Cluster, index: int) -> Seen:
    """By SIGTERM it isn't, by SIGKILL it is."""
    process = cluster.members[index].process
    process.terminate()
    time.sleep(3)
    alive = process.poll() is None and cluster.named_by(index) == cluster.etcd(index)
    cluster.members[index].kill()
    cluster.members[index].start()
    wait_for("the hung one back", lambda: cluster.healthy(index) and answers(cluster, index), 30)
    return {"alive after SIGTERM": alive, "well after a new start": True}

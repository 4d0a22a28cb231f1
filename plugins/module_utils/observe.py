# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Reads a living cluster, all hosts at once, within one bound of time.

Each member and each node has its own thread. The member that etcd calls leader
goes on, in its thread, to read what only the leader knows. So hosts that are
black holes cost nothing but the common time-out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from ansible_collections.horaedb.cluster.plugins.module_utils import assignment, downtime
from ansible_collections.horaedb.cluster.plugins.module_utils.client import (
    REQUEST_TIMEOUT,
    CallFailed,
    Client,
    Unreachable,
    at_once,
    meta,
    understood,
)
from ansible_collections.horaedb.cluster.plugins.module_utils.etcd import Etcd, EtcdMember, Status
from ansible_collections.horaedb.cluster.plugins.module_utils.observation import (
    ClusterEntry,
    ClusterSeen,
    MemberSeen,
    NodeSeen,
    Observation,
    agreed_leader,
)
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Member, Node, Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.waiting import wait

# For a moment after an election a leader answers with an empty list of clusters. It is asked again
# before the list is believed; longer doubts are left to whoever polls.
EMPTY_LIST_ASKED = 3
EMPTY_LIST_PAUSE = 0.2

# From one look to the next, while an election goes on.
SETTLING = 0.5

Result = TypeVar("Result")


@dataclass(frozen=True)
class MemberReading:
    """What one member's thread brings home. Leaders are still HoraeMeta's URL and etcd's id in here."""

    seen: MemberSeen
    leader_url: Optional[str] = None
    status: Optional[Status] = None
    etcd_members: Optional[Tuple[EtcdMember, ...]] = None
    cluster: Optional[ClusterSeen] = None


@dataclass
class _Notes:
    """Keeps what couldn't be read, as sentences, and whether anything answered at all."""

    errors: List[str] = field(default_factory=list)
    answered: bool = False

    def read(self, ask: Callable[[], Result]) -> Optional[Result]:
        try:
            result = ask()
        except CallFailed as error:
            self.answered |= not isinstance(error, Unreachable)
            self.errors.append(str(error))
            return None
        self.answered = True
        return result

    def succeeds(self, ask: Callable[[], None]) -> bool:
        before = len(self.errors)
        self.read(ask)
        return len(self.errors) == before


def observe(
    topology: Topology,
    timeout: float = REQUEST_TIMEOUT,
    members: Optional[Sequence[str]] = None,
    nodes: Optional[Sequence[str]] = None,
    cluster: bool = True,
    identify: bool = False,
) -> Observation:
    """One look at the cluster, never longer than `timeout` and a moment.

    members, nodes: look only at those of these hosts. cluster: read what the leader knows, too.
    identify: also ask every daemon for its version, which only simulators tell, and the leader for planned downtimes.
    """
    client = Client(timeout)
    wanted_members = [member for member in topology.members if members is None or member.host in members]
    wanted_nodes = [node for node in topology.nodes if nodes is None or node.host in nodes]
    jobs: Dict[Union[Member, Node], Callable[[], Union[MemberReading, NodeSeen]]] = {}
    for member in wanted_members:
        jobs[member] = partial(_read_member, topology.cluster, member, client, cluster, identify)
    for node in wanted_nodes:
        jobs[node] = partial(_read_node, node, client, identify)
    results = at_once(jobs, timeout)
    readings = {key.host: result for key, result in results.items() if isinstance(result, MemberReading)}
    seen = {key.host: result for key, result in results.items() if isinstance(result, NodeSeen)}
    late = ("no answer within %g s" % timeout,)
    return assemble(
        topology,
        {m.host: readings.get(m.host, MemberReading(MemberSeen(m.host, errors=late))) for m in wanted_members},
        tuple(seen.get(node.host, NodeSeen(node.host, errors=late)) for node in wanted_nodes),
    )


def settled(topology: Topology, timeout: float, patience: float) -> Observation:
    """The last look: at a settled cluster, or at one whose election didn't end within `patience` seconds."""
    looks = []

    def look(_elapsed: float) -> Optional[str]:
        looks.append(observe(topology, timeout, identify=True))
        return "a leader" if looks[-1].electing(topology) else None

    wait(look, patience, SETTLING)
    return looks[-1]


def assemble(topology: Topology, readings: Mapping[str, MemberReading], nodes: Tuple[NodeSeen, ...]) -> Observation:
    """Puts the threads' readings together: names for ids and URLs, and the one leader's word for the cluster."""
    listed = next((r.etcd_members for r in readings.values() if r.etcd_members is not None), None)
    hosts = {m.name: m.host for m in topology.members}
    ids = {entry.id: hosts.get(entry.name, entry.name) for entry in listed or ()}
    ids.update({r.status.member_id: host for host, r in readings.items() if r.status})
    urls = {url.rstrip("/"): m.host for m in topology.members for url in (m.etcd, m.client_url)}
    members = tuple(
        replace(
            reading.seen,
            leader=urls.get(reading.leader_url.rstrip("/"), reading.leader_url) if reading.leader_url else None,
            etcd_leader=_named(reading.status, ids),
        )
        for reading in readings.values()
    )
    leader = agreed_leader(members)
    leading = readings.get(leader) if leader else None
    return Observation(
        members=members,
        nodes=nodes,
        leader=leader,
        etcd_members=leading.etcd_members if leading else listed,
        cluster=leading.cluster if leading else None,
    )


def _named(status: Optional[Status], ids: Mapping[int, str]) -> Optional[str]:
    if status is None or not status.leader_id:
        return None
    return ids.get(status.leader_id, "etcd member %x" % status.leader_id)


def _read_member(cluster: str, member: Member, client: Client, read_cluster: bool, identify: bool) -> MemberReading:
    api, gateway = _Notes(), _Notes()
    etcd = Etcd(member.etcd, client)
    leader_url = api.read(lambda: meta(client, "GET", member.api + "/debug/leader"))
    status = gateway.read(etcd.status)
    healthy = status is not None and gateway.succeeds(etcd.health)
    leading = status is not None and status.leader_id == status.member_id
    listed = gateway.read(etcd.members) if leading else None
    simulator, version = _identity(client, member.api) if identify and api.answered else (False, None)
    return MemberReading(
        seen=MemberSeen(
            host=member.host,
            reachable=api.answered,
            etcd_healthy=healthy,
            learner=status.learner if status else None,
            applied=status.applied if status else None,
            etcd_version=status.version if status else None,
            version=version,
            simulator=simulator,
            errors=tuple(api.errors + gateway.errors),
        ),
        leader_url=str(leader_url) if leader_url else None,
        status=status,
        etcd_members=listed,
        cluster=_read_cluster(cluster, member, client, etcd, identify) if leading and read_cluster else None,
    )


def _read_node(node: Node, client: Client, identify: bool) -> NodeSeen:
    notes = _Notes()
    greeting = notes.read(lambda: client.get(node.http + "/").json())
    shards_url = node.http + "/debug/shards"
    shards = notes.read(lambda: understood(shards_url, client.get(shards_url).json(), _shards)) if notes.answered else None
    reachable = notes.answered
    grpc = reachable and notes.succeeds(lambda: client.connect(node.address, node.grpc_port))
    simulator, version = _identity(client, node.http) if identify and reachable else (False, None)
    return NodeSeen(
        host=node.host,
        reachable=reachable,
        ok=isinstance(greeting, dict) and greeting.get("status") == "ok",
        grpc=grpc,
        shards=shards,
        version=version,
        simulator=simulator,
        errors=tuple(notes.errors),
    )


def _read_cluster(name: str, member: Member, client: Client, etcd: Etcd, everything: bool) -> ClusterSeen:
    notes = _Notes()
    listed = notes.read(lambda: _cluster_list(client, member.api))
    entry = next((e for e in listed or () if e.name == name), None)
    view_url, diagnose_url = member.api + "/api/v1/getNodeShards", member.api + "/debug/diagnose/%s/shards" % name
    view, diagnosed = None, None
    if entry is not None:
        view = notes.read(lambda: understood(view_url, meta(client, "POST", view_url, {"ClusterName": name}), _view))
        diagnosed = notes.read(lambda: understood(diagnose_url, meta(client, "GET", diagnose_url), _diagnosed))
    key = assignment.key(name)
    stored = notes.read(lambda: etcd.get(key))
    record = None
    if stored is not None:
        try:
            record = assignment.Assignment.from_json(stored.value)
        except ValueError as error:
            notes.errors.append("the record under %s in etcd can't be read: %s" % (key, error))
    away: Mapping[str, downtime.Downtime] = {}
    noted = notes.read(lambda: etcd.get(downtime.key(name))) if everything else None
    if noted is not None:
        try:
            away = downtime.from_json(noted.value)
        except ValueError as error:
            notes.errors.append("the note under %s in etcd can't be read: %s" % (downtime.key(name), error))
    return ClusterSeen(
        names=None if listed is None else tuple(e.name for e in listed),
        entry=entry,
        view=view,
        unregistered=diagnosed[0] if diagnosed else None,
        unready=diagnosed[1] if diagnosed else None,
        record=record,
        record_revision=stored.revision if stored else 0,
        downtimes=away,
        errors=tuple(notes.errors),
    )


def _cluster_list(client: Client, api: str) -> Tuple[ClusterEntry, ...]:
    url = api + "/api/v1/clusters"
    for asked in range(EMPTY_LIST_ASKED):
        entries = understood(url, meta(client, "GET", url) or [], lambda said: tuple(_entry(e) for e in said))
        if entries or asked == EMPTY_LIST_ASKED - 1 or client.left() <= EMPTY_LIST_PAUSE:
            break
        time.sleep(EMPTY_LIST_PAUSE)
    return entries


def _entry(said: Any) -> ClusterEntry:
    return ClusterEntry(
        name=str(said["Name"]),
        min_node_count=int(said["MinNodeCount"]),
        shard_total=int(said["ShardTotal"]),
        topology_type=str(said["TopologyType"]),
        batch_size=int(said["ProcedureExecutingBatchSize"]),
    )


def _view(said: Any) -> Dict[int, Tuple[str, ...]]:
    view: Dict[int, Tuple[str, ...]] = {}
    for entry in said["NodeShards"] or []:
        shard, node = int(entry["ShardInfo"]["ID"]), str(entry["ShardNode"]["NodeName"])
        view[shard] = view.get(shard, ()) + ((node,) if node else ())
    return view


def _diagnosed(said: Any) -> Tuple[Tuple[int, ...], Dict[int, str]]:
    unready = {int(shard): "%s on %s" % (e["status"], e["nodeName"]) for shard, e in (said["unreadyShards"] or {}).items()}
    return tuple(sorted(int(shard) for shard in said["unregisteredShards"] or [])), unready


def _shards(said: Any) -> Dict[int, str]:
    return {int(entry["id"]): str(entry["status"]) for entry in said}


def _identity(client: Client, base: str) -> Tuple[bool, Optional[str]]:
    """Whether it is a simulator, and its version. The real daemons tell neither: they don't have the path."""
    try:
        said = client.get(base + "/debug/simulator").json()
    except CallFailed:
        return False, None
    if not isinstance(said, dict) or said.get("simulator") is not True:
        return False, None
    return True, str(said["version"]) if said.get("version") else None

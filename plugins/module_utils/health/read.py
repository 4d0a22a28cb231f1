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
from typing import Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd, EtcdMember, Status, Stored
from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaedb import HoraeDB
from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import ClusterEntry, HoraeMeta
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import (
    REQUEST_TIMEOUT,
    CallFailed,
    Client,
    TimedOut,
    Unreachable,
    at_once,
)
from ansible_collections.horaedb.cluster.plugins.module_utils.api.simulator import identity
from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import wait
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import (
    ClusterSeen,
    MemberSeen,
    NodeSeen,
    Observation,
    Routed,
    agreed_leader,
)
from ansible_collections.horaedb.cluster.plugins.module_utils.health.stalls import Stalls
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Node, Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment, cures, downtime

# For a moment after an election a leader answers with an empty list of clusters. It is asked again
# before the list is believed; longer doubts are left to whoever polls.
EMPTY_LIST_ASKED = 3
EMPTY_LIST_PAUSE = 0.2

# From one look to the next, while an election goes on.
SETTLING = 0.5

# A leader answers GET /api/v1/clusters in milliseconds. One that deadlocked at its election (docs/operations.md) never does, and goes on
# to answer /debug/leader at once. Nothing else tells it from a slow one than time: this long, twice.
ROUTED_TIMEOUT = 1.0
ROUTED_ASKED = 2
SUSPECT_TIMEOUT = 0.4

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
    suspects: Collection[str] = (),
) -> Observation:
    """One look at the cluster, never longer than `timeout` and a moment; a member that hangs takes it ROUTED_TIMEOUT three times more.

    members, nodes: look only at those of these hosts. cluster: read what the leader knows, too.
    suspects: hosts of members that hung a moment ago. A shorter question tells that they still do.
    identify: also ask every daemon for its version, which only simulators tell, and the leader for planned downtimes.
    """
    client = Client(timeout)
    wanted_members = [member for member in topology.members if members is None or member.host in members]
    wanted_nodes = [node for node in topology.nodes if nodes is None or node.host in nodes]
    jobs: Dict[Union[Member, Node], Callable[[], Union[MemberReading, NodeSeen]]] = {}
    for member in wanted_members:
        jobs[member] = partial(_read_member, topology.cluster, member, client, timeout, cluster, identify, member.host in suspects)
    for node in wanted_nodes:
        jobs[node] = partial(_read_node, node, client, identify)
    # Each job keeps to its own time. The bound is for those that can't, such as a look-up of a name.
    results = at_once(jobs, timeout + ((ROUTED_ASKED + 1) * ROUTED_TIMEOUT + timeout if wanted_members else 0))
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
    stalls = Stalls()

    def look(_elapsed: float) -> Optional[str]:
        looks.append(stalls.note(observe(topology, timeout, identify=True)))
        return "a leader" if looks[-1].electing(topology) and not looks[-1].hung else None

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


def _read_member(
    cluster: str, member: Member, client: Client, timeout: float, read_cluster: bool, identify: bool, suspect: bool
) -> MemberReading:
    api, gateway = _Notes(), _Notes()
    etcd = Etcd(member.etcd, client)
    leader_url = api.read(HoraeMeta(member.api, client).leader_url)
    status = gateway.read(etcd.status)
    healthy = status is not None and gateway.succeeds(etcd.health)
    leading = status is not None and status.leader_id == status.member_id
    listed = gateway.read(etcd.members) if leading else None
    simulator, version = identity(client, member.api) if identify and api.answered else (False, None)
    routed = ask_routed(member, leader_url or "", *((SUSPECT_TIMEOUT, 1) if suspect else (ROUTED_TIMEOUT, ROUTED_ASKED)))
    # What was slow has used up the time of the others.
    rest = client if routed in (Routed.UNASKED, Routed.ANSWERED, Routed.EMPTY) else Client(timeout)
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
            routed=routed,
        ),
        leader_url=leader_url or None,
        status=status,
        etcd_members=listed,
        cluster=_read_cluster(cluster, member, rest, identify, routed is Routed.SILENT) if leading and read_cluster else None,
    )


def names_itself(member: Member, leader_url: str) -> bool:
    return leader_url.rstrip("/") in (member.etcd.rstrip("/"), member.client_url.rstrip("/"))


def ask_routed(member: Member, leader_url: str, timeout: float = ROUTED_TIMEOUT, times: int = ROUTED_ASKED) -> Routed:
    """Asks a member that names itself the leader what only a leader answers. Nobody else: followers forward that to the leader."""
    if not names_itself(member, leader_url):
        return Routed.UNASKED
    for asked in range(times):
        try:
            known = HoraeMeta(member.api, Client(timeout)).clusters()
        except TimedOut:
            continue
        except CallFailed:
            return Routed.FAILED
        if not known:
            return Routed.EMPTY
        return Routed.SLOW if asked else Routed.ANSWERED
    try:
        # At once, and still itself: it was neither stopped nor replaced meanwhile.
        still = HoraeMeta(member.api, Client(ROUTED_TIMEOUT)).leader_url()
    except CallFailed:
        return Routed.FAILED
    return Routed.SILENT if names_itself(member, still) else Routed.FAILED


def _read_node(node: Node, client: Client, identify: bool) -> NodeSeen:
    notes, api = _Notes(), HoraeDB(node.http, client)
    healthy = notes.read(api.healthy)
    shards = notes.read(api.shards) if notes.answered else None
    reachable = notes.answered
    grpc = reachable and notes.succeeds(lambda: client.connect(node.address, node.grpc_port))
    simulator, version = identity(client, node.http) if identify and reachable else (False, None)
    return NodeSeen(
        host=node.host,
        reachable=reachable,
        ok=healthy is True,
        grpc=grpc,
        shards=shards,
        version=version,
        simulator=simulator,
        errors=tuple(notes.errors),
    )


def _read_cluster(name: str, member: Member, client: Client, everything: bool, hung: bool) -> ClusterSeen:
    """Of a leader that hangs only what its etcd has."""
    notes, etcd, api = _Notes(), Etcd(member.etcd, client), HoraeMeta(member.api, client)
    if hung:
        notes.errors.append("HoraeMeta on %s hangs, so it can't be asked about the cluster" % member.host)
    listed = None if hung else notes.read(lambda: _cluster_list(client, api))
    entry = next((e for e in listed or () if e.name == name), None)
    view = notes.read(lambda: api.shard_nodes(name)) if entry else None
    diagnosed = notes.read(lambda: api.diagnose(name)) if entry else None
    key = assignment.key(name)
    kept = notes.read(lambda: _kept(etcd, name, everything)) or {}
    stored = kept.get(key)
    record = None
    record_errors: Tuple[str, ...] = ()
    if stored is not None:
        try:
            record = assignment.Assignment.from_json(stored.value)
        except ValueError as error:
            record_errors = ("the record under %s in etcd can't be read: %s" % (key, error),)
    away: Mapping[str, downtime.Downtime] = {}
    noted = kept.get(downtime.key(name))
    if noted is not None:
        try:
            away = downtime.from_json(noted.value)
        except ValueError as error:
            notes.errors.append("the note under %s in etcd can't be read: %s" % (downtime.key(name), error))
    return ClusterSeen(
        names=None if listed is None else tuple(e.name for e in listed),
        entry=entry,
        view=view,
        unregistered=diagnosed.unregistered if diagnosed else None,
        unready=diagnosed.unready if diagnosed else None,
        record=record,
        record_revision=stored.revision if stored else 0,
        record_errors=record_errors,
        downtimes=away,
        cures=cures.read({found: one.value for found, one in kept.items() if found.startswith(cures.prefix(name))}),
        errors=tuple(notes.errors),
    )


def _kept(etcd: Etcd, name: str, everything: bool) -> Mapping[str, Stored]:
    """The record, and with `everything` in the same reading the cures and the downtimes, which lie right behind it."""
    if everything:
        return etcd.between(assignment.key(name), downtime.key(name))
    stored = etcd.get(assignment.key(name))
    return {assignment.key(name): stored} if stored else {}


def _cluster_list(client: Client, api: HoraeMeta) -> Tuple[ClusterEntry, ...]:
    for asked in range(EMPTY_LIST_ASKED):
        entries = api.clusters()
        if entries or asked == EMPTY_LIST_ASKED - 1 or client.left() <= EMPTY_LIST_PAUSE:
            break
        time.sleep(EMPTY_LIST_PAUSE)
    return entries

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What was seen of a living cluster at one moment: plain, frozen data.

Nothing is judged here. A daemon that doesn't answer, or answers nonsense, is
data too: a sentence in `errors`. See read.py for the reading and checks.py for
the judging.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import EtcdMember
from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import ClusterEntry
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records.assignment import Assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.records.cures import Cured
from ansible_collections.horaedb.cluster.plugins.module_utils.records.downtime import Downtime

READY, OPENING = "Ready", "Opening"


class Routed(enum.Enum):
    """How a member that names itself the leader met a question that only a leader answers. Others aren't asked: they forward it."""

    UNASKED = "unasked"
    ANSWERED = "answered"
    EMPTY = "empty"  # with no cluster: it has not loaded them yet, or its process is new and the leadership is of the one before, until that runs out
    SLOW = "slow"  # only the second time
    FAILED = "failed"
    SILENT = "silent"  # twice without an answer, and at once names itself all the same


class State(enum.Enum):
    """A member's state, one of these: what comes first counts."""

    DOWN = "down"
    NO_QUORUM = "without quorum"
    LEARNER = "learner"
    HUNG = "hung"
    SLOW = "slow"
    WELL = "well"


@dataclass(frozen=True)
class MemberSeen:
    """A HoraeMeta member. `leader` and `etcd_leader` are inventory hosts, or what was said when no host fits it.

    stalled: it has led etcd for longer than an election takes, and HoraeMeta's leader is still another one or none (stalls.py).
    """

    host: str
    reachable: bool = False
    etcd_healthy: bool = False
    leader: Optional[str] = None
    etcd_leader: Optional[str] = None
    learner: Optional[bool] = None
    applied: Optional[int] = None
    etcd_version: Optional[str] = None
    version: Optional[str] = None
    simulator: bool = False
    errors: Tuple[str, ...] = ()
    routed: Routed = Routed.UNASKED
    stalled: bool = False

    @property
    def voting(self) -> bool:
        """Whether it counts for the quorum right now."""
        return self.etcd_healthy and self.learner is False

    @property
    def answers(self) -> bool:
        """Whether it leads in deed: it has just answered what only a leader answers."""
        return self.routed in (Routed.ANSWERED, Routed.SLOW)

    @property
    def hung(self) -> bool:
        return self.state is State.HUNG

    @property
    def state(self) -> State:
        """By its own words alone: a follower forwards to a leader that hangs, and looks just as dead."""
        if not self.reachable:
            return State.DOWN
        if not self.etcd_healthy:
            return State.NO_QUORUM
        if self.learner:
            return State.LEARNER
        if self.routed is Routed.SILENT or self.stalled:
            return State.HUNG
        return State.SLOW if self.routed is Routed.SLOW else State.WELL


@dataclass(frozen=True)
class NodeSeen:
    """A data node. `shards` is what it says of itself: shard -> status; None when it couldn't be asked."""

    host: str
    reachable: bool = False
    ok: bool = False
    grpc: bool = False
    shards: Optional[Mapping[int, str]] = None
    version: Optional[str] = None
    simulator: bool = False
    errors: Tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterSeen:
    """What the leader knows. `names` are all clusters; `entry` and the rest are about the topology's one.

    view: shard -> the nodes it is mapped to, with repetitions. None: couldn't be asked.
    record_revision is etcd's, 0 when there is no record. downtimes: host of a data node that is away on purpose.
    cures: of members that hung, the newest last.
    """

    names: Optional[Tuple[str, ...]] = None
    entry: Optional[ClusterEntry] = None
    view: Optional[Mapping[int, Tuple[str, ...]]] = None
    unregistered: Optional[Tuple[int, ...]] = None
    unready: Optional[Mapping[int, str]] = None
    record: Optional[Assignment] = None
    record_revision: int = 0
    record_errors: Tuple[str, ...] = ()
    downtimes: Mapping[str, Downtime] = dataclasses.field(default_factory=dict)
    cures: Tuple[Cured, ...] = ()
    errors: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Observation:
    """Everything. `leader` is the host all healthy members agree on, in HoraeMeta and in etcd; `cluster` is what that leader says.

    etcd_members is the list of the quorum: it has members that are down or not of the inventory.
    """

    members: Tuple[MemberSeen, ...]
    nodes: Tuple[NodeSeen, ...]
    leader: Optional[str] = None
    etcd_members: Optional[Tuple[EtcdMember, ...]] = None
    cluster: Optional[ClusterSeen] = None

    def member(self, host: str) -> Optional[MemberSeen]:
        return next((m for m in self.members if m.host == host), None)

    def node(self, host: str) -> Optional[NodeSeen]:
        return next((n for n in self.nodes if n.host == host), None)

    @property
    def silent(self) -> bool:
        """Nothing at all answers: hosts on which nothing was deployed yet look like this."""
        return not any(m.reachable for m in self.members) and not any(n.reachable for n in self.nodes)

    @property
    def hung(self) -> Tuple[str, ...]:
        """Hosts of the members that hang."""
        return tuple(member.host for member in self.members if member.hung)

    @property
    def lives(self) -> bool:
        """There is a cluster: it has a leader, or a member that hangs keeps it from having one."""
        return self.leader is not None or bool(self.hung)

    def electing(self, topology: Topology) -> bool:
        """Enough members tell of their etcd for a quorum, and yet there is no leader that they agree on."""
        return self.leader is None and sum(member.applied is not None for member in self.members) >= topology.quorum

    @property
    def simulator(self) -> bool:
        return any(m.simulator for m in self.members) or any(n.simulator for n in self.nodes)

    def to_dict(self) -> Dict[str, Any]:
        """JSON types only; the inverse of from_dict."""
        plain: Dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Observation:
        """Fields that this release doesn't know are left out: an observation may come from a newer one."""
        members = tuple(_member(m) for m in data["members"])
        nodes = tuple(NodeSeen(**_by_shard(_known(NodeSeen, n), "shards")) for n in data["nodes"])
        listed = data.get("etcd_members")
        cluster = data.get("cluster")
        return cls(
            members=members,
            nodes=nodes,
            leader=data.get("leader"),
            etcd_members=None if listed is None else tuple(EtcdMember(**_known(EtcdMember, m)) for m in listed),
            cluster=None if cluster is None else _cluster(cluster),
        )


def agreed_leader(members: Tuple[MemberSeen, ...]) -> Optional[str]:
    """The leader that every healthy member names, by HoraeMeta's own word and by etcd's.

    A member without a quorum doesn't vote here: what it remembers may be long over. Nor does one that hangs: it names itself for ever.
    """
    named = {name for m in members if m.reachable and m.voting and not m.hung for name in (m.leader, m.etcd_leader)}
    return named.pop() if len(named) == 1 else None


def shards_by_host(topology: Topology, seen: Observation) -> Dict[str, Tuple[int, ...]]:
    """Data node's host -> the shards that HoraeMeta's view maps to it."""
    view = (seen.cluster.view if seen.cluster else None) or {}
    return {node.host: tuple(sorted(s for s, names in view.items() if node.name in names)) for node in topology.nodes}


def _member(data: Mapping[str, Any]) -> MemberSeen:
    fields = _known(MemberSeen, data)
    if "routed" in fields:
        fields["routed"] = Routed(fields["routed"])
    return MemberSeen(**fields)


def _cluster(data: Mapping[str, Any]) -> ClusterSeen:
    fields = _by_shard(_known(ClusterSeen, data), "view", "unready")
    if fields.get("view") is not None:
        fields["view"] = {shard: tuple(names) for shard, names in fields["view"].items()}
    if fields.get("entry") is not None:
        fields["entry"] = ClusterEntry(**_known(ClusterEntry, fields["entry"]))
    if fields.get("record") is not None:
        fields["record"] = Assignment(**_by_shard(_known(Assignment, fields["record"]), "shards"))
    fields["downtimes"] = {host: Downtime(**_known(Downtime, one)) for host, one in (fields.get("downtimes") or {}).items()}
    fields["cures"] = tuple(Cured(**_known(Cured, one)) for one in fields.get("cures") or ())
    return ClusterSeen(**fields)


def _known(kind: Any, data: Mapping[str, Any]) -> Dict[str, Any]:
    """The fields of dataclass `kind` among `data`, lists turned back into tuples."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name in names}


def _by_shard(fields: Dict[str, Any], *names: str) -> Dict[str, Any]:
    """JSON made strings of the numbers of shards that are keys of these fields: turns them back."""
    for name in names:
        if fields.get(name) is not None:
            fields[name] = {int(shard): value for shard, value in fields[name].items()}
    return fields


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value

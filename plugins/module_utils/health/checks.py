# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Is this cluster whole? Pure predicates over an Observation.

HoraeMeta's own words are not enough: its diagnosis is empty while every table
is lost, its health is "success" without a quorum, and its view names dead nodes
for seconds. So the view, the nodes' own shards, etcd and the record have to
agree. Every problem is a sentence that names who is missing what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import ClusterEntry
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import (
    READY,
    ClusterSeen,
    MemberSeen,
    Observation,
    Routed,
    shards_by_host,
)
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Node, Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment

# What a problem is about.
SILENT = "silent"  # a host that doesn't answer at all, which is what a host looks like before its first deployment
MEMBER = "member"
HUNG = "hung"  # a member that deadlocked at an election (leadership/hung.py): it waits for somebody to kill it
LEADER = "leader"
CLUSTER = "cluster"
NODE = "node"
SHARD = "shard"
FORGOTTEN = "forgotten"

# Members are read in parallel, not in one instant, so the leader's log may be a little ahead of a
# member that is in sync. A cluster at rest writes nothing for seconds and a new table is a handful of
# entries; a member that has come back from an outage or joined empty is hundreds and more behind.
SYNC_SLACK = 100

View = Mapping[int, Tuple[str, ...]]


@dataclass(frozen=True)
class Problem:
    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


def problems(
    topology: Topology,
    seen: Observation,
    expect: Optional[Mapping[str, Sequence[int]]] = None,
    without: Optional[str] = None,
) -> List[Problem]:
    """Everything that keeps the cluster from being whole; empty when it is.

    expect: data node's host -> the shards it must have, and no other.
    without: host of a data node whose own state doesn't count, because it is about to be restarted.
    What HoraeMeta has forgotten of it does count: its restart would not bring that back.
    """
    found = member_problems(topology, seen) + node_problems(topology, seen, without) + cluster_problems(topology, seen, without)
    for host, shards in (expect or {}).items():
        found += expected_problems(topology, seen, host, shards)
    return found


def member_problems(topology: Topology, seen: Observation) -> List[Problem]:
    """All members answer, vote, are in sync, agree on one leader, and are all the members there are."""
    states = [member_problem(topology, seen, member.host) for member in topology.members]
    found = [problem for problem in states if problem]
    silent = unanswered(seen)
    if silent:
        found.append(Problem(LEADER, silent))
    if seen.leader is None and any(m.reachable and m.voting for m in seen.members):
        found.append(Problem(LEADER, disagreement(seen)))
    known = {member.name for member in topology.members}
    for entry in seen.etcd_members or ():
        if entry.name not in known:
            who = entry.name or "a member that was added and never started"
            found.append(Problem(MEMBER, "etcd has %s (id %x), which is no member of the inventory" % (who, entry.id)))
    return found


def member_problem(topology: Topology, seen: Observation, host: str) -> Optional[Problem]:
    """Why the member on `host` doesn't count in full; None when it answers, votes and is in sync."""
    member, state = topology.member(host), seen.member(host)
    if member is None or state is None:
        return Problem(MEMBER, "host %s has no HoraeMeta member" % host)
    why = "; ".join(state.errors)
    if not state.reachable and not state.etcd_healthy:
        return Problem(SILENT, "member %s doesn't answer: %s" % (member_label(member), why))
    if not state.reachable or not state.etcd_healthy:
        return Problem(MEMBER, "member %s isn't healthy: %s" % (member_label(member), why))
    if not state.voting:
        return Problem(MEMBER, "member %s is a learner: it has no vote until it is promoted" % member_label(member))
    if state.hung:
        return Problem(HUNG, "member %s %s" % (member_label(member), hangs(state)))
    leading = seen.member(seen.leader) if seen.leader else None
    lag = ((leading.applied or 0) if leading else 0) - (state.applied or 0)
    if lag > SYNC_SLACK:
        return Problem(MEMBER, "member %s is %d log entries behind the leader %s" % (member_label(member), lag, seen.leader))
    return None


def hangs(state: MemberSeen) -> str:
    """The end of a sentence that begins with the member, with the remedy."""
    return (
        "%s. The shard keeper beside it ends that within seconds, or run ansible-playbook playbooks/repair.yml; by hand, on %s as "
        "root: systemctl kill --signal=SIGKILL horaemeta" % (sign_of_hang(state), state.host)
    )


def sign_of_hang(state: MemberSeen) -> str:
    """What tells that it hangs."""
    how = "leads etcd and never became HoraeMeta's leader" if state.stalled else "names itself the leader and answers nothing that needs one"
    return "hangs: it %s" % how


def not_leading(seen: Observation) -> Optional[str]:
    """Why the leader that all agree on doesn't lead in deed; None when it does."""
    leading = seen.member(seen.leader or "")
    if leading is not None and leading.hung:
        return "HoraeMeta on %s %s" % (leading.host, hangs(leading))
    return unanswered(seen)


def unanswered(seen: Observation) -> Optional[str]:
    """Why the leader that all agree on isn't known to lead in deed; None when it has answered what only a leader answers, or hangs."""
    leading = seen.member(seen.leader) if seen.leader else None
    if leading is None or leading.answers or leading.hung:
        return None
    if leading.routed is Routed.EMPTY:
        return (
            "%s is named the leader and knows no cluster yet: it loads them, or was started again and waits until the leadership of its process "
            "before has run out, 10 s as a rule" % leading.host
        )
    return "%s is named the leader, and hasn't answered a question that only a leader answers" % leading.host


def node_problems(topology: Topology, seen: Observation, without: Optional[str] = None) -> List[Problem]:
    """All data nodes answer on their HTTP and gRPC ports."""
    states = [node_problem(topology, seen, node.host) for node in topology.nodes if node.host != without]
    return [problem for problem in states if problem]


def node_problem(topology: Topology, seen: Observation, host: str) -> Optional[Problem]:
    """Why the data node on `host` isn't serving; None when it is."""
    node, state = topology.node(host), seen.node(host)
    if node is None or state is None:
        return Problem(NODE, "host %s has no data node" % host)
    why = "; ".join(state.errors)
    if not state.reachable:
        return Problem(SILENT, "data node %s doesn't answer: %s" % (node_label(node), why))
    if not (state.ok and state.grpc):
        return Problem(NODE, "data node %s isn't serving: %s" % (node_label(node), why or "it doesn't say that it is ok"))
    return None


def cluster_problems(topology: Topology, seen: Observation, without: Optional[str] = None) -> List[Problem]:
    """The cluster exists as asked for, and each of its shards is served where HoraeMeta says, and nowhere else."""
    cluster = seen.cluster
    if cluster is None:
        return []
    found = [Problem(CLUSTER, error) for error in (*cluster.errors, *cluster.record_errors)]
    entry = cluster.entry
    if entry is None:
        if cluster.names is not None:
            others = ", ".join(cluster.names) or "none"
            found.append(Problem(CLUSTER, "HoraeMeta has no cluster %s (it has: %s)" % (topology.cluster, others)))
        return found
    if entry.shard_total != topology.shard_total:
        counts = (topology.cluster, entry.shard_total, topology.shard_total)
        found.append(Problem(CLUSTER, "cluster %s was created with %d shards, the inventory asks for %d" % counts))
    if cluster.view is not None:
        found += _Shards(topology, seen, cluster, entry, cluster.view, without).problems()
    return found


def expected_problems(topology: Topology, seen: Observation, host: str, shards: Sequence[int]) -> List[Problem]:
    """The data node on `host` has exactly `shards`, all of them Ready, by its own word and by HoraeMeta's view."""
    node, state = topology.node(host), seen.node(host)
    if node is None or state is None:
        return [Problem(NODE, "host %s has no data node, but shards are expected on it" % host)]
    wanted = set(shards)
    own = state.shards or {}
    found: List[Problem] = []
    missing = sorted(shard for shard in wanted if own.get(shard) != READY)
    if missing:
        statuses = ", ".join("%d: %s" % (shard, own.get(shard, "absent")) for shard in missing)
        found.append(Problem(SHARD, "%s not Ready on data node %s (%s)" % (_are(missing), node_label(node), statuses)))
    if set(own) - wanted:
        found.append(Problem(SHARD, "%s on data node %s and expected elsewhere" % (_are(set(own) - wanted), node_label(node))))
    mapped = set(shards_by_host(topology, seen).get(host, ()))
    if seen.cluster is None or seen.cluster.view is None:
        found.append(Problem(CLUSTER, "HoraeMeta's view can't be read, so it isn't known which shards data node %s has" % node_label(node)))
    elif mapped != wanted:
        lists = (node_label(node), _listed(mapped), _listed(wanted))
        found.append(Problem(SHARD, "HoraeMeta maps to data node %s shards %s instead of %s" % lists))
    return found


def disagreement(seen: Observation) -> str:
    """Says whom each member takes for the leader."""
    says = ["%s names %s, its etcd %s" % (m.host, m.leader or "none", m.etcd_leader or "none") for m in seen.members if m.reachable]
    return "the members don't agree on a leader: %s" % ("; ".join(says) or "none of them answers")


def member_label(member: Member) -> str:
    return "%s (%s:%d)" % (member.host, member.address, member.http_port)


def node_label(node: Node) -> str:
    return "%s (%s)" % (node.host, node.name)


def node_named(topology: Topology, name: str) -> str:
    """Inventory host and node name, for people."""
    node = topology.node_named(name)
    return node_label(node) if node else "%s, which is no data node of the inventory" % name


@dataclass(frozen=True)
class _Shards:
    """Judges every shard: by the view, the record, the diagnosis, and what the data nodes say of themselves."""

    topology: Topology
    seen: Observation
    cluster: ClusterSeen
    entry: ClusterEntry
    view: View
    without: Optional[str]

    def problems(self) -> List[Problem]:
        # Shards in the same trouble share one sentence: an empty view is one problem, not hundreds.
        shards: Dict[Tuple[str, str], List[int]] = {}
        known = {*range(self.entry.shard_total), *self.view, *(self.cluster.unregistered or ()), *(self.cluster.unready or {})}
        for shard in sorted(known):
            for trouble in self._troubles(shard):
                shards.setdefault(trouble, []).append(shard)
        return [Problem(kind, "%s %s" % (_are(ids), text)) for (kind, text), ids in shards.items()]

    def _troubles(self, shard: int) -> Iterator[Tuple[str, str]]:
        """(kind, predicate of a sentence) for each thing that is wrong with one shard."""
        names = self.view.get(shard, ())
        if shard >= self.entry.shard_total:
            yield SHARD, "known to HoraeMeta, but the cluster has only %d shards" % self.entry.shard_total
        elif not names:
            yield self._unmapped(shard)
        elif len(names) > 1:
            yield SHARD, "mapped %d times: to %s" % (len(names), ", ".join(self._named(name) for name in names))
        else:
            yield from self._misplaced(shard, names[0])
            node = self.topology.node_named(names[0])
            if node is None:
                yield SHARD, "mapped to %s" % self._named(names[0])
            elif node.host != self.without:
                yield from self._unserved(shard, node)
                yield from self._diagnosed(shard)

    def _unmapped(self, shard: int) -> Tuple[str, str]:
        holders = self._holders(shard)
        serving = ", although data node %s has it" % ", ".join(node_label(node) for node in holders) if holders else ""
        recorded = self.cluster.record.shards.get(shard) if self.cluster.record else None
        if self.topology.static and recorded is not None:
            return FORGOTTEN, "forgotten: mapped to no data node%s; by the record the data is on %s. %s" % (
                serving,
                self._named(recorded),
                "Waiting doesn't bring it back: repair the cluster",
            )
        if holders and not self.topology.static:
            serving += "; if that stays, a leadership move (module meta_leader with state=moved) brings the mapping back"
        elif not holders and not self.view:
            serving = "; HoraeMeta assigns the first shards once %d data nodes have registered" % self.entry.min_node_count
        return SHARD, "mapped to no data node" + serving

    def _misplaced(self, shard: int, name: str) -> Iterator[Tuple[str, str]]:
        for holder in self._holders(shard):
            if holder.name != name:
                yield SHARD, "mapped to data node %s, but also held by %s" % (self._named(name), node_label(holder))
        recorded = self.cluster.record.shards.get(shard) if self.cluster.record else None
        if self.topology.static and recorded not in (None, name):
            yield (
                FORGOTTEN,
                "mapped to data node %s, but by the record the data is on %s. Repair the cluster, or if the move was meant, delete the key %s "
                "in etcd" % (self._named(name), self._named(str(recorded)), assignment.key(self.topology.cluster)),
            )

    def _unserved(self, shard: int, node: Node) -> Iterator[Tuple[str, str]]:
        state = self.seen.node(node.host)
        if state is None or not state.reachable:
            yield SILENT, "mapped to data node %s, which doesn't answer" % node_label(node)
        elif state.shards is None:
            yield SHARD, "mapped to data node %s, which doesn't tell its shards" % node_label(node)
        elif shard not in state.shards:
            yield SHARD, "mapped to data node %s, which doesn't have it" % node_label(node)
        elif state.shards[shard] != READY:
            yield SHARD, "%s on data node %s, not Ready" % (state.shards[shard], node_label(node))

    def _diagnosed(self, shard: int) -> Iterator[Tuple[str, str]]:
        if shard in (self.cluster.unregistered or ()):
            yield SHARD, "unregistered by HoraeMeta's diagnosis"
        unready = (self.cluster.unready or {}).get(shard)
        if unready is not None:
            yield SHARD, "%s by HoraeMeta's diagnosis" % unready

    def _holders(self, shard: int) -> List[Node]:
        states = ((node, self.seen.node(node.host)) for node in self.topology.nodes)
        return [node for node, state in states if state is not None and shard in (state.shards or {})]

    def _named(self, name: str) -> str:
        return node_named(self.topology, name)


def _are(shards: Collection[int]) -> str:
    """The beginning of a sentence about shards."""
    return "shard %s is" % _listed(shards) if len(shards) == 1 else "shards %s are" % _listed(shards)


def _listed(shards: Collection[int]) -> str:
    return ", ".join(str(shard) for shard in sorted(shards)) or "none"

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

from ansible_collections.horaedb.cluster.plugins.module_utils import assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.observation import READY, ClusterSeen, NodeSeen, Observation, shards_by_host
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Member, Node, Topology

# What a problem is about.
SILENT = "silent"  # a host that doesn't answer at all, which is what a host looks like before its first deployment
MEMBER = "member"
LEADER = "leader"
CLUSTER = "cluster"
NODE = "node"
SHARD = "shard"
FORGOTTEN = "forgotten"

# Members are read in parallel, not in one instant, so the leader's log may be a little ahead of a
# member that is in sync. A cluster at rest writes a few entries a second; a member that has
# come back from an outage or joined empty is thousands behind.
SYNC_SLACK = 100


@dataclass(frozen=True)
class Problem:
    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


def problems(topology: Topology, seen: Observation, expect: Optional[Mapping[str, Sequence[int]]] = None) -> List[Problem]:
    """Everything that keeps the cluster from being whole; empty when it is.

    expect: data node's host -> the shards it must have, and no other.
    """
    found = member_problems(topology, seen) + node_problems(topology, seen) + cluster_problems(topology, seen)
    for host, shards in (expect or {}).items():
        found += expected_problems(topology, seen, host, shards)
    return found


def member_problems(topology: Topology, seen: Observation) -> List[Problem]:
    """All members answer, vote, are in sync, agree on one leader, and are all the members there are."""
    states = [member_problem(topology, seen, member.host) for member in topology.members]
    found = [problem for problem in states if problem]
    if seen.leader is None and any(m.reachable and m.voting for m in seen.members):
        found.append(Problem(LEADER, "the members don't agree on a leader: %s" % "; ".join(_opinions(seen))))
    known = {member.name for member in topology.members}
    for listed in seen.etcd_members or ():
        if listed.name not in known:
            who = listed.name or "a member that was added and never started"
            found.append(Problem(MEMBER, "etcd has %s (id %x), which is no member of the inventory" % (who, listed.id)))
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
    leading = seen.member(seen.leader) if seen.leader else None
    lag = ((leading.applied or 0) if leading else 0) - (state.applied or 0)
    if lag > SYNC_SLACK:
        return Problem(MEMBER, "member %s is %d log entries behind the leader %s" % (member_label(member), lag, seen.leader))
    return None


def node_problems(topology: Topology, seen: Observation) -> List[Problem]:
    """All data nodes answer on their HTTP and gRPC ports."""
    states = [node_problem(topology, seen, node.host) for node in topology.nodes]
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


def cluster_problems(topology: Topology, seen: Observation) -> List[Problem]:
    """The cluster exists as asked for, and each of its shards is served where HoraeMeta says, and nowhere else."""
    cluster = seen.cluster
    if cluster is None:
        return []
    found = [Problem(CLUSTER, error) for error in cluster.errors]
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
        found += _shard_problems(topology, seen, cluster, cluster.view, entry.shard_total)
    if cluster.unregistered:
        found.append(Problem(SHARD, "%s unregistered by HoraeMeta's diagnosis" % _are(cluster.unregistered)))
    for shard, status in sorted((cluster.unready or {}).items()):
        found.append(Problem(SHARD, "shard %d is %s by HoraeMeta's diagnosis" % (shard, status)))
    return found


def expected_problems(topology: Topology, seen: Observation, host: str, shards: Sequence[int]) -> List[Problem]:
    """The data node on `host` has exactly `shards`, all of them Ready, by its own word and by HoraeMeta's view."""
    node, state = topology.node(host), seen.node(host)
    if node is None or state is None:
        return [Problem(NODE, "host %s has no data node, but shards are expected on it" % host)]
    wanted = set(shards)
    own = state.shards or {}
    ready = {shard for shard, status in own.items() if status == READY}
    mapped = set(shards_by_host(topology, seen).get(host, ()))
    found: List[Problem] = []
    if wanted - ready:
        missing = _are(wanted - ready)
        found.append(Problem(SHARD, "%s not Ready on data node %s (%s)" % (missing, node_label(node), _statuses(own, wanted - ready))))
    if set(own) - wanted:
        found.append(Problem(SHARD, "%s on data node %s and expected elsewhere" % (_are(set(own) - wanted), node_label(node))))
    if seen.cluster is None or seen.cluster.view is None:
        found.append(Problem(CLUSTER, "HoraeMeta's view can't be read, so it isn't known which shards data node %s has" % node_label(node)))
    elif mapped != wanted:
        lists = (node_label(node), _list(mapped), _list(wanted))
        found.append(Problem(SHARD, "HoraeMeta maps to data node %s shards %s instead of %s" % lists))
    return found


def member_label(member: Member) -> str:
    return "%s (%s:%d)" % (member.host, member.address, member.http_port)


def node_label(node: Node) -> str:
    return "%s (%s)" % (node.host, node.name)


def _shard_problems(
    topology: Topology, seen: Observation, cluster: ClusterSeen, view: Mapping[int, Tuple[str, ...]], total: int
) -> List[Problem]:
    # Shards in the same trouble share one sentence: an empty view is one problem, not hundreds.
    troubles: Dict[Tuple[str, str], List[int]] = {}
    for shard in sorted(set(range(total)) | set(view)):
        for trouble in _troubles(topology, seen, cluster, view, total, shard):
            troubles.setdefault(trouble, []).append(shard)
    return [Problem(kind, "%s %s" % (_are(shards), text)) for (kind, text), shards in troubles.items()]


def _troubles(
    topology: Topology, seen: Observation, cluster: ClusterSeen, view: Mapping[int, Tuple[str, ...]], total: int, shard: int
) -> Iterator[Tuple[str, str]]:
    """What is wrong with one shard, as (kind, predicate of a sentence)."""
    names = view.get(shard, ())
    recorded = cluster.record.shards.get(shard) if cluster.record else None
    holders = [node for node in topology.nodes if shard in (_shards(seen, node) or {})]
    if shard >= total:
        yield SHARD, "mapped, but the cluster has only %d shards" % total
        return
    if not names:
        yield _unmapped(topology, cluster, view, holders, recorded)
        return
    if len(names) > 1:
        yield SHARD, "mapped %d times: to %s" % (len(names), ", ".join(node_named(topology, name) for name in names))
        return
    name = names[0]
    for holder in holders:
        if holder.name != name:
            yield SHARD, "mapped to data node %s, but also held by %s" % (node_named(topology, name), node_label(holder))
    if topology.static and recorded is not None and recorded != name:
        places = (node_named(topology, name), node_named(topology, recorded), assignment.key(topology.cluster))
        yield (
            FORGOTTEN,
            "mapped to data node %s, but by the record the data is on %s; repair the cluster, or if the move "
            "was meant, delete the key %s in etcd" % places,
        )
    yield from _serving_troubles(topology, seen, name, shard)


def _serving_troubles(topology: Topology, seen: Observation, name: str, shard: int) -> Iterator[Tuple[str, str]]:
    node = topology.node_named(name)
    if node is None:
        yield SHARD, "mapped to %s" % node_named(topology, name)
        return
    state = seen.node(node.host)
    if state is None or not state.reachable:
        yield SILENT, "mapped to data node %s, which doesn't answer" % node_label(node)
    elif state.shards is None:
        yield SHARD, "mapped to data node %s, which doesn't tell its shards" % node_label(node)
    elif shard not in state.shards:
        yield SHARD, "mapped to data node %s, which doesn't have it" % node_label(node)
    elif state.shards[shard] != READY:
        yield SHARD, "%s on data node %s, not Ready" % (state.shards[shard], node_label(node))


def _unmapped(
    topology: Topology, cluster: ClusterSeen, view: Mapping[int, Tuple[str, ...]], holders: List[Node], recorded: Optional[str]
) -> Tuple[str, str]:
    serving = ", although data node %s has it" % ", ".join(node_label(node) for node in holders) if holders else ""
    if topology.static and recorded is not None:
        where = node_named(topology, recorded)
        return FORGOTTEN, (
            "forgotten: mapped to no data node%s, by the record the data is on %s; waiting doesn't bring it back, repair the cluster" % (serving, where)
        )
    if holders and not topology.static:
        serving += "; if that stays, a leadership move (module meta_leader with state=moved) brings the mapping back"
    elif not view and not holders and cluster.entry:
        serving = "; HoraeMeta assigns the first shards once %d data nodes have registered" % cluster.entry.min_node_count
    return SHARD, "mapped to no data node" + serving


def node_named(topology: Topology, name: str) -> str:
    """Inventory host and node name, for people."""
    node = topology.node_named(name)
    return node_label(node) if node else "%s, which is no data node of the inventory" % name


def _shards(seen: Observation, node: Node) -> Optional[Mapping[int, str]]:
    state: Optional[NodeSeen] = seen.node(node.host)
    return state.shards if state else None


def _opinions(seen: Observation) -> Iterator[str]:
    for member in seen.members:
        if member.reachable or member.etcd_healthy:
            says = (member.host, member.leader or "none", member.etcd_leader or "none")
            yield "%s names %s, its etcd %s" % says


def _are(shards: Collection[int]) -> str:
    return "shard %s is" % _list(shards) if len(shards) == 1 else "shards %s are" % _list(shards)


def _list(shards: Collection[int]) -> str:
    return ", ".join(str(shard) for shard in sorted(shards)) or "none"


def _statuses(own: Mapping[int, str], shards: Collection[int]) -> str:
    return ", ".join("%d: %s" % (shard, own.get(shard, "absent")) for shard in sorted(shards))

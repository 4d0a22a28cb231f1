# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What can only be said by looking: the topology against the living cluster and against the hosts' disks. Pure.

A cluster that exists can't be changed by configuration: HoraeMeta ignores a new node count,
shard total or topology type without a word. So a difference is refused, never "applied".
"""

from __future__ import annotations

from typing import List, Mapping, Optional, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import EtcdMember
from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import ClusterEntry
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Faults, Finding, rule
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.repair.plan import PLAYBOOK
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.host_state import HostState

States = Mapping[str, HostState]


def lives(seen: Observation) -> bool:
    """Whether there is a cluster to compare with: a leader that all healthy members agree on, or one that hangs."""
    return seen.lives


def known_nodes(seen: Observation) -> Tuple[str, ...]:
    """Names of the data nodes that the cluster was made of: those of the record, and those of the view."""
    cluster = seen.cluster
    if cluster is None:
        return ()
    named = {name for names in (cluster.view or {}).values() for name in names}
    if cluster.record is not None:
        named |= set(cluster.record.nodes)
    return tuple(sorted(named))


def _entry(seen: Observation) -> Optional[ClusterEntry]:
    return seen.cluster.entry if seen.cluster else None


@rule("live.node-count")
def node_count(topology: Topology, seen: Observation, _states: States) -> Faults:
    entry = _entry(seen)
    # A dynamic cluster grows, and the derived count with it; it mattered only while the cluster was made.
    if entry and not (entry.topology_type == "dynamic" and topology.node_count == len(topology.nodes)):
        yield from _changed(entry, topology.node_count, entry.min_node_count, "horaemeta_default_cluster_node_count")


@rule("live.shard-total")
def shard_total(topology: Topology, seen: Observation, _states: States) -> Faults:
    entry = _entry(seen)
    if entry:
        yield from _changed(entry, topology.shard_total, entry.shard_total, "horaemeta_default_cluster_shard_total")


@rule("live.topology-type")
def topology_type(topology: Topology, seen: Observation, _states: States) -> Faults:
    entry = _entry(seen)
    if entry and topology.topology_type == "static" != entry.topology_type and _recorded_static(seen):
        yield (
            (),
            "HoraeMeta says dynamic of this static cluster: a repair of forgotten shards was cut off. Until it is put back, a member that "
            "comes to lead would move shards away from their data.",
            "Restart no member, and run %s, which puts it back and goes on." % PLAYBOOK,
        )
    elif entry:
        yield from _changed(entry, topology.topology_type, entry.topology_type, "horaemeta_topology_type")


# Changes that the inventory asks for and no cluster can follow, and what a repair leaves that was cut off. They don't refuse a repair.
PENDING = tuple(pending.id for pending in (node_count, shard_total, topology_type))


def _changed(entry: ClusterEntry, asked: object, real: object, variable: str) -> Faults:
    if asked != real:
        yield (
            (),
            "the living cluster %s has %s where the inventory asks for %s; HoraeMeta ignores such a change." % (entry.name, real, asked),
            "Set %s back to %s. A cluster with another value is a new cluster." % (variable, real),
        )


def _recorded_static(seen: Observation) -> bool:
    return seen.cluster is not None and seen.cluster.record is not None and seen.cluster.record.topology_type == "static"


def _static_nodes(seen: Observation) -> Tuple[str, ...]:
    """Static and initialised: a new node gets no shard for ever, and a node that is gone takes its shards with it. Otherwise none."""
    entry = _entry(seen)
    return known_nodes(seen) if entry and entry.topology_type == "static" else ()


@rule("live.nodes-added")
def nodes_added(topology: Topology, seen: Observation, _states: States) -> Faults:
    entry, known = _entry(seen), _static_nodes(seen)
    # Without a record a node of the cluster may have been forgotten, which looks like a node that was never there.
    complete = seen.cluster is not None and seen.cluster.record is not None
    hint = "" if complete else " No record of the assignment exists, so it may also be a node whose shards HoraeMeta has forgotten."
    added = [node for node in topology.nodes if node.name not in known]
    if entry and known and added and (complete or len(known) >= entry.min_node_count):
        yield (
            tuple(node.host for node in added),
            "%s: not among the nodes of this static cluster (%s), which can't grow; it would stay empty for ever.%s"
            % (", ".join(node.name for node in added), ", ".join(known), hint),
            "Take it out of the group horaedb, or give it the address and port of the node that it is.",
        )


@rule("live.nodes-removed")
def nodes_removed(topology: Topology, seen: Observation, _states: States) -> Faults:
    removed = sorted(set(_static_nodes(seen)) - {node.name for node in topology.nodes})
    if removed:
        yield (
            (),
            "%s: holds shards of this static cluster and is not in the inventory." % ", ".join(removed),
            "Put it back into the group horaedb; check horaedb_server_addr and horaedb_grpc_port, which make the name.",
        )


def _etcd_members(seen: Observation) -> Sequence[EtcdMember]:
    """A member list is changed one at a time, through a learner; a bootstrap configuration can't do it."""
    return seen.etcd_members or () if lives(seen) else ()


@rule("live.member-added")
def member_added(topology: Topology, seen: Observation, _states: States) -> Faults:
    if not lives(seen) or seen.etcd_members is None:
        return
    urls = {url for member in seen.etcd_members for url in member.peer_urls}
    for member in topology.members:
        if member.peer_url not in urls:
            yield (
                (member.host,),
                "%s is not a member of the living cluster (members: %s)." % (member.peer_url, ", ".join(sorted(urls))),
                "Take it out of the group horaemeta, or give it the address of the member that it is. Members can't be added by site.yml.",
            )


@rule("live.member-removed")
def member_removed(topology: Topology, seen: Observation, _states: States) -> Faults:
    asked = {member.peer_url for member in topology.members}
    for listed in _etcd_members(seen):
        if not asked & set(listed.peer_urls):
            yield (
                (),
                "the living cluster has a member %s at %s that the inventory doesn't have."
                % (listed.name or "without a name", ", ".join(listed.peer_urls)),
                "Put it back into the group horaemeta.",
            )


@rule("live.member-empty")
def member_empty(topology: Topology, seen: Observation, states: States) -> Faults:
    started = {url for listed in _etcd_members(seen) if listed.started for url in listed.peer_urls}
    for member in topology.members:
        state = states.get(member.host)
        if state is not None and not state.member_holds and member.peer_url in started:
            yield (
                (member.host,),
                "%s is empty, and the living cluster knows this member; etcd refuses to start it anew." % (member.data_dir + "/etcd"),
                "Bring its disk back. If the data is gone, the member has to be removed, and added as a learner: docs/operations.md.",
            )


@rule("data.members-empty")
def members_lost(topology: Topology, seen: Observation, states: States) -> Faults:
    """An empty HoraeMeta would give out shards and table ids from zero, over the old files of the data nodes."""
    if lives(seen):
        return
    empty = [m for m in topology.members if m.host in states and not states[m.host].member_holds]
    holding = [n for n in topology.nodes if n.host in states and states[n.host].node_holds]
    if empty and holding:
        yield (
            tuple(sorted({m.host for m in empty})),
            "HoraeMeta's data directory is empty, while the data nodes %s hold data. A HoraeMeta that starts from nothing would overwrite it."
            % ", ".join(sorted(n.host for n in holding)),
            "Restore HoraeMeta from a snapshot (etcdctl snapshot restore; docs/operations.md), or bring back the disk. If the data may "
            "go, remove it by hand on the data nodes first.",
        )


@rule("bootstrap.partial")
def hosts_left_out(topology: Topology, seen: Observation, states: States) -> Faults:
    """New members wait for each other and then give up, with exit code 0; and nobody can see a host that is left out."""
    members = [states[member.host] for member in topology.members if member.host in states]
    # No states: nobody looked at any host. Members that hold data are of a cluster that only has to be started again.
    if lives(seen) or not states or (members and all(state.member_holds for state in members)):
        return
    missing = tuple(host for host in topology.hosts if host not in states)
    if missing:
        yield (
            missing,
            "no cluster lives, and this run leaves them out; a new cluster is made on all of its hosts at once.",
            "Run again without --limit.",
        )


@rule("live.downtime")
def downtime(_topology: Topology, seen: Observation, _states: States) -> Faults:
    """Whoever changes something would end a planned downtime, or take a second node out."""
    noted = seen.cluster.downtimes if seen.cluster else {}
    for host, one in sorted(noted.items()):
        yield (
            (host,),
            "%s." % one,
            "End it first: ansible-playbook playbooks/downtime.yml -e horaedb_downtime=end --limit %s." % host,
        )


def down(topology: Topology, seen: Observation) -> List[str]:
    """Hosts that an interrupted run may have left without a daemon: they come first when it is done again."""
    members = [member.host for member in seen.members if not member.voting]
    nodes = [node.host for node in seen.nodes if not node.reachable]
    noted = seen.cluster.downtimes if seen.cluster else {}
    return [host for host in topology.hosts if host in {*members, *nodes, *noted}]


def overtaken(found: Sequence[Finding], seen: Observation) -> List[Finding]:
    """Those that the hosts may have overtaken: each was looked at before the cluster was.

    What a dead run left at work may have started a member meanwhile, and its directory isn't empty any more.
    """
    voting = {member.host for member in seen.members if member.voting}
    return [finding for finding in found if finding.rule == member_empty.id and voting.issuperset(finding.hosts)]

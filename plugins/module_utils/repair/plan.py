# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What a cluster has forgotten, and what has to be done to put it back. Pure; execute.py does it.

The view, the record and each node's own shards are compared. HoraeMeta's diagnosis is never asked: it is empty
while every table is lost. A shard goes back to the node that has its data on disk and to no other, so whatever leaves a
doubt about that is a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import READY, ClusterSeen, Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import transfer
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Node, Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment

PLAYBOOK = "ansible-playbook playbooks/repair.yml"

# shard -> name of the node that HoraeMeta knows
Places = Mapping[int, str]


@dataclass(frozen=True)
class Plan:
    """`wanted`: shard -> node name, for every shard whose place is known. `lost` and `restart` name inventory hosts.

    unplaced: shards that are lost, and nothing says where to. kept: host -> shards that HoraeMeta still maps to it.
    dynamic_left: HoraeMeta takes a static cluster for a dynamic one, as a repair leaves it that was cut off.
    known: everything that a plan stands on could be read.
    """

    topology_type: str
    wanted: Places
    lost: Mapping[int, str]
    unplaced: Tuple[int, ...] = ()
    restart: Tuple[str, ...] = ()
    kept: Optional[Mapping[str, Tuple[int, ...]]] = None
    refusals: Tuple[str, ...] = ()
    dynamic_left: bool = False
    known: bool = True

    @property
    def pending(self) -> bool:
        return bool(self.lost or self.unplaced or self.dynamic_left)

    def lines(self, topology: Topology) -> List[str]:
        """For people, in the order in which it is done."""
        text = []
        if self.dynamic_left:
            text.append("a repair was cut off: HoraeMeta still takes this static cluster for a dynamic one, which is ended first")
        for host in self.restart:
            text.append(
                "HoraeDB on %s is restarted: it still holds shards that HoraeMeta has forgotten, and the view only follows a change" % host
            )
        for host, shards in _by_place(self.lost):
            text.append(_back(self.topology_type, topology.node(host), host, shards))
        if self.unplaced:
            text.append("%s forgotten, and nothing says by which node" % are(self.unplaced))
        if self.known and not self.pending and not self.refusals:
            text.append("nothing is lost")
        return text + ["refused: " + refusal for refusal in self.refusals]


def plan(topology: Topology, seen: Observation, given: Optional[Places] = None) -> Plan:
    """`given`: what the operator says, shard -> node name. It counts where there is no record, and instead of it."""
    cluster = seen.cluster
    unreadable = tuple(_unreadable(topology, seen, given or {}))
    if unreadable or cluster is None or cluster.entry is None or cluster.view is None:
        return Plan(topology.topology_type, {}, {}, refusals=unreadable, known=False)
    unmapped = tuple(shard for shard in range(cluster.entry.shard_total) if not cluster.view.get(shard))
    if not topology.static:
        return _dynamic(topology, seen, unmapped)
    return _Static(topology, seen, cluster, given or {}, unmapped).plan()


def given(topology: Topology, raw: Mapping[str, Any]) -> Dict[int, str]:
    """An assignment as operators write it: shard to inventory host or node name, or the record's own JSON. Raises ValueError."""
    places: Any = raw.get("shards") if "shards" in raw and "version" in raw else raw
    if not isinstance(places, Mapping):
        raise ValueError("the assignment has no shards: it has to be shard to inventory host or node name, e.g. {\"0\": \"db1\"}")
    hosts = ", ".join("%s or %s" % (node.host, node.name) for node in topology.nodes)
    found: Dict[int, str] = {}
    for shard, place in places.items():
        node = topology.node(str(place)) or topology.node_named(str(place))
        if not str(shard).isdigit() or not int(shard) < topology.shard_total:
            raise ValueError("the assignment names shard %s, and the cluster has the shards 0 to %d" % (shard, topology.shard_total - 1))
        if node is None:
            raise ValueError("the assignment puts shard %s on %s, which is no data node of the inventory (%s)" % (shard, place, hosts))
        found[int(shard)] = node.name
    return found


def _unreadable(topology: Topology, seen: Observation, given: Places) -> Iterator[str]:
    """Why no plan can be made at all."""
    if seen.leader is None or seen.cluster is None:
        yield "no leader that all members agree on: %s" % transfer.nobody_leads(topology, seen)
        return
    cluster = seen.cluster
    # The operator's word stands in for a record that can't be read.
    replaced = bool(given) and cluster.record is None and cluster.record_revision > 0
    errors = [*cluster.errors, *(() if replaced else cluster.record_errors)]
    yield from errors
    if errors:
        return
    if cluster.entry is None:
        yield "HoraeMeta has no cluster %s (it has: %s)" % (topology.cluster, ", ".join(cluster.names or ()) or "none")
    elif topology.static and cluster.entry.topology_type != "static" and not _left_dynamic(cluster, given):
        yield (
            "HoraeMeta says that the cluster is dynamic, the inventory says static, and no record tells that it ever was static. If it is, "
            "and a repair was cut off, give the assignment (-e horaedb_assignment_file=FILE). If not, set horaemeta_topology_type to "
            "dynamic"
        )
    elif not topology.static and cluster.entry.topology_type == "static":
        yield "HoraeMeta says that the cluster is static, and the inventory says dynamic: set horaemeta_topology_type to static"


def _left_dynamic(cluster: ClusterSeen, given: Places) -> bool:
    recorded = cluster.record is not None and cluster.record.topology_type == "static"
    return cluster.entry is not None and cluster.entry.topology_type == "dynamic" and (recorded or bool(given))


@dataclass(frozen=True)
class _Static:
    topology: Topology
    seen: Observation
    cluster: ClusterSeen
    given: Places
    unmapped: Tuple[int, ...]

    def plan(self) -> Plan:
        recorded = dict(self.cluster.record.shards) if self.cluster.record else {}
        view = {shard: names[0] for shard, names in (self.cluster.view or {}).items() if len(names) == 1}
        # A given assignment may tell the lost ones alone.
        wanted = {**view, **recorded, **self.given}
        placed = {shard: wanted[shard] for shard in self.unmapped if shard in wanted}
        lost = {shard: self._host(name) for shard, name in placed.items()}
        unplaced = tuple(shard for shard in self.unmapped if shard not in wanted)
        left = _left_dynamic(self.cluster, self.given)
        refusals = list(self._misplaced(wanted))
        if lost or unplaced or left:
            refusals = [*self._members(), *refusals, *self._unplaced(unplaced), *self._targets(placed), *self._strangers(placed)]
        holders = {node.host for node in self.topology.nodes for shard in self._own(node) if placed.get(shard) == node.name}
        return Plan(
            "static",
            wanted,
            lost,
            unplaced,
            tuple(node.host for node in self.topology.nodes if node.host in holders),
            {node.host: tuple(sorted(s for s, name in view.items() if name == node.name)) for node in self.topology.nodes},
            tuple(refusals),
            left,
        )

    def _host(self, name: str) -> str:
        node = self.topology.node_named(name)
        return node.host if node else name

    def _own(self, node: Node) -> Mapping[int, str]:
        state = self.seen.node(node.host)
        return (state.shards if state else None) or {}

    def _members(self) -> Iterator[str]:
        """A leader that changes while HoraeMeta says dynamic would move shards away from their data."""
        for problem in checks.member_problems(self.topology, self.seen):
            yield "not all members are healthy: %s" % problem

    def _misplaced(self, wanted: Places) -> Iterator[str]:
        leader = self.topology.member(self.seen.leader or "")
        for shard, names in sorted((self.cluster.view or {}).items()):
            if len(names) > 1:
                there = ", ".join(checks.node_named(self.topology, name) for name in names)
                yield "shard %d is mapped %d times, to %s: look again in a moment" % (shard, len(names), there)
            elif names and wanted.get(shard, names[0]) != names[0]:
                yield (
                    "shard %d is mapped to %s, and %s on %s. This isn't repaired by itself: what was written since is only where it is "
                    "mapped. If that is right, delete the key %s in etcd and run site.yml. If it is not, unmap it (curl -X DELETE -d "
                    '\'{"clusterName":"%s","shardIDs":[%d]}\' %s/api/v1/nodeShards), restart HoraeDB there, and repair again'
                    % (
                        shard,
                        checks.node_named(self.topology, names[0]),
                        "you say that it belongs" if shard in self.given else "by the record its data is",
                        checks.node_named(self.topology, wanted[shard]),
                        assignment.key(self.topology.cluster),
                        self.topology.cluster,
                        shard,
                        leader.api if leader else "http://LEADER",
                    )
                )

    def _unplaced(self, unplaced: Tuple[int, ...]) -> Iterator[str]:
        if unplaced:
            why = "has no word of %s" % ("it" if len(unplaced) == 1 else "them") if self.cluster.record else "doesn't exist"
            yield (
                "%s mapped to no data node, and the record (%s in etcd) %s. A shard must go back to the node that has its data: say which "
                "with -e horaedb_assignment_file=FILE, a JSON file of shard to inventory host. A cluster that never had its shards needs "
                "no repair, but site.yml" % (are(unplaced), assignment.key(self.topology.cluster), why)
            )

    def _targets(self, placed: Places) -> Iterator[str]:
        """The nodes that get shards: known, serving, and telling what they have."""
        for name, shards in _by_place(placed):
            node = self.topology.node_named(name)
            if node is None:
                yield (
                    "%s forgotten, and the data is on %s, which is no data node of the inventory: put it back into the group horaedb, and "
                    "check horaedb_server_addr and horaedb_grpc_port, which make the name" % (are(shards), name)
                )
                continue
            problem = checks.node_problem(self.topology, self.seen, node.host)
            state = self.seen.node(node.host)
            if problem is None and (state is None or state.shards is None):
                problem = checks.Problem(checks.NODE, "data node %s doesn't tell its shards" % checks.node_label(node))
            if problem is not None:
                yield "%s: start HoraeDB on %s first; its disk has %s" % (problem, node.host, the(shards))

    def _strangers(self, placed: Places) -> Iterator[str]:
        """Nodes that have a lost shard which belongs elsewhere: it may be that they are right."""
        for node in self.topology.nodes:
            foreign = sorted(shard for shard in self._own(node) if placed.get(shard, node.name) != node.name)
            if foreign:
                homes = sorted({checks.node_named(self.topology, placed[shard]) for shard in foreign})
                yield (
                    "data node %s itself has %s, and it would be put on %s. If %s is right, say so with -e horaedb_assignment_file=FILE; "
                    "if it must not have it, restart HoraeDB on %s, which makes it let go"
                    % (checks.node_label(node), the(foreign), ", ".join(homes), node.host, node.host)
                )


def _dynamic(topology: Topology, seen: Observation, unmapped: Tuple[int, ...]) -> Plan:
    """A live node has it, Ready, and HoraeMeta doesn't know: a new leader takes what the nodes report. The rest is its scheduler's work."""
    holders: Dict[int, List[str]] = {}
    for state in seen.nodes:
        for shard, status in (state.shards or {}).items():
            if status == READY and shard in unmapped:
                holders.setdefault(shard, []).append(state.host)
    lost = {shard: hosts[0] for shard, hosts in sorted(holders.items()) if len(hosts) == 1}
    refusals: Tuple[str, ...] = ()
    if lost and len(topology.members) == 1:
        only = topology.members[0].host
        refusals = (
            "%s is the only member, so its leadership can't be moved: restart it (systemctl restart horaemeta there), to the same effect"
            % only,
        )
    elif lost and transfer.successor(topology, seen, transfer.anybody_else, seen.leader or "") is None:
        refusals = (transfer.nobody_else(topology, seen),)
    return Plan("dynamic", {}, lost, refusals=refusals)


def _back(topology_type: str, node: Optional[Node], host: str, shards: Sequence[int]) -> str:
    where = checks.node_label(node) if node else host
    if topology_type == "dynamic":
        text = "%s served by data node %s and missing in HoraeMeta's map: the leadership is moved, and a new leader takes what nodes report"
        return text % (are(shards), where)
    return "%s forgotten, to be put back on data node %s" % (are(shards), where)


def _by_place(places: Mapping[int, str]) -> List[Tuple[str, List[int]]]:
    found: Dict[str, List[int]] = {}
    for shard, place in sorted(places.items()):
        found.setdefault(place, []).append(shard)
    return list(found.items())


def the(shards: Sequence[int]) -> str:
    """Names shards in the middle of a sentence."""
    return "%s %s" % ("shard" if len(shards) == 1 else "shards", ", ".join(str(shard) for shard in shards))


def are(shards: Sequence[int]) -> str:
    """The beginning of a sentence about shards."""
    return "%s %s" % (the(shards), "is" if len(shards) == 1 else "are")

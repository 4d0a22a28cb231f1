# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""From waiting to the record: the order in which a cluster is found whole, proved, and remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Mapping, Optional, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils import assignment, gate, smoke
from ansible_collections.horaedb.cluster.plugins.module_utils.assignment import Assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.client import CallFailed, Client
from ansible_collections.horaedb.cluster.plugins.module_utils.etcd import Etcd
from ansible_collections.horaedb.cluster.plugins.module_utils.gate import Problem
from ansible_collections.horaedb.cluster.plugins.module_utils.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.observe import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.waiting import Waited, wait

MEMBERS = "members"
NODES = "nodes"
CLUSTER = "cluster"

# A first start takes 6 s, all of a node's shards after a restart with upstream's defaults 29 s, and a node that
# failed over in dynamic topology 35 s.
TIMEOUT = 120.0

# For a moment during a change everything may look well: the view still names a node that is gone, or has an entry
# too many. Three looks, 0.5 s apart, were enough to never take such a moment for the end.
STABLE = 3
INTERVAL = 0.5

# Shards that a static cluster has forgotten don't come back by themselves. The longest passing trouble that was
# seen, a leader killed and replaced, was over after 16 s.
HOPELESS_AFTER = 20.0


class Failed(Exception):
    """As text: what to tell the operator. `problems` are its single sentences. `forgotten`: only forgotten shards are in the way."""

    def __init__(self, head: str, problems: Sequence[str], forgotten: bool = False) -> None:
        super().__init__("\n  ".join([head + ":", *problems]))
        self.problems = list(problems)
        self.forgotten = forgotten


@dataclass(frozen=True)
class Gate:
    """What to wait for. `dry`: a host that doesn't answer at all may be one that is still to be deployed."""

    topology: Topology
    scope: str = CLUSTER
    expect: Optional[Mapping[str, Sequence[int]]] = None
    without: Optional[str] = None
    request_timeout: float = 2.0
    dry: bool = False

    def look(self) -> Tuple[Observation, List[Problem]]:
        if self.scope == MEMBERS:
            seen = observe(self.topology, self.request_timeout, nodes=(), cluster=False)
            return seen, gate.member_problems(self.topology, seen)
        if self.scope == NODES:
            seen = observe(self.topology, self.request_timeout, members=(), cluster=False)
            return seen, gate.node_problems(self.topology, seen, self.without)
        seen = observe(self.topology, self.request_timeout)
        return seen, gate.problems(self.topology, seen, self.expect, self.without)


@dataclass(frozen=True)
class Passed:
    """`notes` are the problems that a dry run leaves to the real one."""

    seen: Observation
    notes: Tuple[str, ...]
    elapsed: float


def passed(wish: Gate, timeout: float, stable: int, interval: float) -> Passed:
    """Waits until there is no problem, `stable` times in a row; raises Failed with all that is left at the end."""
    seen = Observation((), ())
    found: List[Problem] = []
    hopeless_since: Optional[float] = None

    def hopeless() -> bool:
        return bool(found) and all(problem.kind == gate.FORGOTTEN for problem in found)

    def failed(elapsed: float, missing: str) -> Failed:
        what = {MEMBERS: "the members aren't", NODES: "the data nodes aren't"}.get(wish.scope, "cluster %s isn't" % wish.topology.cluster)
        return Failed("%s ready after waiting %.0f s" % (what, elapsed), [str(problem) for problem in found] or [missing], hopeless())

    def poll(elapsed: float) -> Optional[str]:
        nonlocal seen, found, hopeless_since
        seen, found = wish.look()
        blocking = [problem for problem in found if not (wish.dry and problem.kind == gate.SILENT)]
        if not blocking:
            return None
        if any(problem.kind != gate.FORGOTTEN for problem in blocking):
            hopeless_since = None
        elif hopeless_since is None:
            hopeless_since = elapsed
        elif elapsed - hopeless_since >= HOPELESS_AFTER:
            raise failed(elapsed, str(blocking[0]))
        return str(blocking[0])

    waited = wait(poll, timeout, interval, stable)
    if waited.missing is not None:
        raise failed(waited.elapsed, waited.missing)
    return Passed(seen, tuple(str(problem) for problem in found), waited.elapsed)


def proved(topology: Topology, timeout: float, interval: float) -> Waited:
    """Writes, flushes and reads through every data node; raises Failed."""
    try:
        waited = wait(smoke.Proof(topology).poll, timeout, interval)
    except smoke.NotProved as error:
        raise Failed("cluster %s looks ready and doesn't work" % topology.cluster, [str(error)]) from error
    if waited.missing is not None:
        raise Failed(
            "cluster %s looks ready and doesn't work, even after waiting %.0f s" % (topology.cluster, waited.elapsed), [waited.missing]
        )
    return waited


def assignment_of(topology: Topology, seen: Observation) -> Assignment:
    """What a cluster that has passed the gate looks like."""
    view = (seen.cluster.view if seen.cluster else None) or {}
    return Assignment(
        cluster=topology.cluster,
        topology_type=topology.topology_type,
        shards={shard: names[0] for shard, names in sorted(view.items())},
        nodes=tuple(node.name for node in topology.nodes),
    )


def write_record(topology: Topology, seen: Observation, wanted: Assignment, timeout: float) -> None:
    """Replaces exactly the record that was seen; raises Failed."""
    leader = topology.member(seen.leader) if seen.leader else None
    if leader is None or seen.cluster is None:
        raise Failed("the assignment of shards wasn't recorded", ["no leader was seen"])
    key = assignment.key(topology.cluster)
    try:
        written = Etcd(leader.etcd, Client(timeout)).replace(key, wanted.to_json(), seen.cluster.record_revision)
    except CallFailed as error:
        raise Failed("the assignment of shards wasn't recorded", [str(error)]) from error
    if not written:
        raise Failed(
            "the assignment of shards wasn't recorded",
            ["somebody else changed %s in etcd since it was read a moment ago: run again once nobody else works on this cluster" % key],
        )

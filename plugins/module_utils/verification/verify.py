# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""From waiting to the record: the order in which a cluster is found whole, proved, and remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed
from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import wait
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks, write_read_test
from ansible_collections.horaedb.cluster.plugins.module_utils.health.checks import Problem
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.hung import Cure, keepers
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.records.assignment import Assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.records.operation_lock import PATIENCE, Patience, through_any

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


class Failed(Failure):
    """As text: what to tell the operator. `problems` are its single sentences. `forgotten`: only forgotten shards are in the way.

    hung: hosts of members that hang, and that nobody has killed so far.
    """

    kind = "cluster.not_ready"

    def __init__(self, head: str, problems: Sequence[str], forgotten: bool = False, hung: Sequence[str] = ()) -> None:
        super().__init__("\n  ".join([head + ":", *problems]))
        self.problems = list(problems)
        self.forgotten = forgotten
        self.hung = list(hung)

    def fields(self) -> Dict[str, Any]:
        return {"problems": self.problems, "forgotten": self.forgotten, "hung": self.hung}


@dataclass(frozen=True)
class Gate:
    """What to wait for. `dry`: a host that doesn't answer at all may be one that is still to be deployed."""

    topology: Topology
    scope: str = CLUSTER
    expect: Optional[Mapping[str, Sequence[int]]] = None
    without: Optional[str] = None
    request_timeout: float = 2.0
    dry: bool = False

    def look(self, cure: Cure) -> Tuple[Observation, List[Problem]]:
        if self.scope == MEMBERS:
            seen = cure.judge(observe(self.topology, self.request_timeout, nodes=(), cluster=False, suspects=cure.suspects))
            return seen, checks.member_problems(self.topology, seen)
        if self.scope == NODES:
            seen = observe(self.topology, self.request_timeout, members=(), cluster=False)
            return seen, checks.node_problems(self.topology, seen, self.without)
        seen = cure.judge(observe(self.topology, self.request_timeout, suspects=cure.suspects))
        return seen, checks.problems(self.topology, seen, self.expect, self.without)


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
    hung_since: Optional[float] = None
    cure = Cure(wish.topology, wish.request_timeout)

    def hopeless() -> bool:
        return bool(found) and all(problem.kind == checks.FORGOTTEN for problem in found)

    def failed(elapsed: float, missing: str) -> Failed:
        what = {MEMBERS: "the members aren't", NODES: "the data nodes aren't"}.get(wish.scope, "cluster %s isn't" % wish.topology.cluster)
        return Failed("%s ready after waiting %.0f s" % (what, elapsed), [str(problem) for problem in found] or [missing], hopeless(), seen.hung)

    def poll(elapsed: float) -> Optional[str]:
        nonlocal seen, found, hopeless_since, hung_since
        seen, found = wish.look(cure)
        met = None if wish.dry else cure.act(seen)
        hung_since = (elapsed if hung_since is None else hung_since) if seen.hung else None
        if hung_since is not None and met is None and not wish.dry and elapsed - hung_since >= keepers(wish.topology, seen.hung):
            raise failed(elapsed, "")
        blocking = [problem for problem in found if not (wish.dry and problem.kind == checks.SILENT)]
        if not blocking:
            return None
        if any(problem.kind != checks.FORGOTTEN for problem in blocking):
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


@dataclass(frozen=True)
class Proved:
    """`notes` are what an operator has to know although the cluster works."""

    notes: Tuple[str, ...]
    elapsed: float


def proved(topology: Topology, timeout: float, interval: float) -> Proved:
    """Writes, flushes and reads through every data node; raises Failed."""
    proof = write_read_test.Proof(topology, lambda: not Gate(topology).look(Cure(topology))[1])
    head = "cluster %s looks ready and doesn't work" % topology.cluster
    try:
        waited = wait(proof.poll, timeout, interval)
    except write_read_test.NotProved as error:
        raise Failed(head, [str(error), *proof.notes]) from error
    if waited.missing is not None:
        raise Failed("%s, even after waiting %.0f s" % (head, waited.elapsed), [waited.missing, *proof.notes])
    return Proved(tuple(proof.notes), waited.elapsed)


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
    if seen.leader is None or seen.cluster is None:
        raise Failed("the assignment of shards wasn't recorded", ["no leader was seen"])
    key = assignment.key(topology.cluster)
    revision = seen.cluster.record_revision

    def once(etcd: Etcd) -> bool:
        if etcd.replace(key, wanted.to_json(), revision):
            return True
        # One that got no answer may have been carried out.
        stored = etcd.get(key)
        return stored is not None and stored.value == wanted.to_json()

    try:
        written = through_any(topology, timeout, once, Patience(PATIENCE))
    except CallFailed as error:
        raise Failed("the assignment of shards wasn't recorded", [str(error)]) from error
    if not written:
        raise Failed(
            "the assignment of shards wasn't recorded",
            ["somebody else changed %s in etcd since it was read a moment ago: run again once nobody else works on this cluster" % key],
        )

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The probes that look at the cluster and not only at one port; readiness.py describes and builds them."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

from ansible_collections.horaedb.cluster.plugins.module_utils import gate, leadership
from ansible_collections.horaedb.cluster.plugins.module_utils.observe import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.readiness import Probe
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.waiting import Clock, wait


def build(kind: str, topology: Mapping[str, Any], host: str, **fields: Any) -> Probe:
    """Raises TypeError and ValueError on a spec that doesn't fit."""
    model = Topology.from_dict(topology)
    if kind == "member":
        if model.member(host) is None:
            raise ValueError("host %s has no HoraeMeta member in the topology" % host)
        return MemberProbe(model, host, **fields)
    if model.node(host) is None:
        raise ValueError("host %s has no data node in the topology" % host)
    if kind == "node":
        return NodeProbe(model, host, **fields)
    if kind == "away":
        return AwayProbe(model, host, **fields)
    return NodeShardsProbe(model, host, **fields)


# A node that answers has registered and opens its shards at the scheduler's next tick, which comes every 5 s; moving the leadership
# then would only make it wait for the new leader's first tick. One that answers and still isn't whole this many seconds after it
# should have been protected may be unheard all the same, and the first 8 s are safe with a heartbeat every 2 s.
REGISTERED = 2.0

# A node that is back is told by HoraeMeta's scheduler to open its shards, and that ticks every 5 s from the moment at which its leader
# began to lead: behind a move of the leadership the shards were back 5.2 s later each time (measured). Stopped at a moment of no choice
# a node is out for its own start and up to 5 s more; stopped so long before a tick, it is out for that long, and has 3 s to start.
TICK = 5.0
BEFORE_TICK = 3.5
# A move is seen within a second; an election that comes in between takes 4 to 6.
IN_STEP = 12.0


class MemberProbe:
    """Ready when the member is healthy, votes, is in sync with the leader, and all healthy members agree who leads."""

    def __init__(self, topology: Topology, host: str) -> None:
        self._topology = topology
        self._host = host

    def poll(self, _elapsed: float) -> Optional[str]:
        seen = leadership.look(self._topology)
        problem = gate.member_problem(self._topology, seen, self._host)
        if problem is not None:
            return problem.text
        return None if seen.leader else gate.disagreement(seen)


class NodeProbe:
    """Ready when the data node answers on its HTTP and its gRPC port. It may still have no shard."""

    def __init__(self, topology: Topology, host: str) -> None:
        self._topology = topology
        self._host = host

    def poll(self, _elapsed: float) -> Optional[str]:
        problem = gate.node_problem(self._topology, observe(self._topology, members=(), nodes=[self._host]), self._host)
        return problem.text if problem else None


class NodeShardsProbe:
    """Ready when the data node has exactly the expected shards, Ready by its own word and mapped to it in HoraeMeta's view.

    protect_after: seconds of silence after which HoraeMeta's leadership is moved once. In a static
    cluster the leader forgets the shards of a node that it hasn't heard for 10 s, for good; a new
    leader only ever forgets nodes that it has heard itself. A restart takes 3 to 5 s, so that 4 s
    tell a slow one while there is still time to look up the leader and ask it.

    in_step: before a restart the leadership is moved, so that it is known when the scheduler ticks, and the
    restart begins BEFORE_TICK seconds before that. It costs one failed read, and bounds the outage.
    """

    def __init__(
        self, topology: Topology, host: str, expect: Sequence[int], protect_after: Optional[float] = None, in_step: bool = False
    ) -> None:
        self._topology = topology
        self._host = host
        self._expect = [int(shard) for shard in expect]
        can_move = topology.static and len(topology.members) > 1
        self._protect_after = float(protect_after) if protect_after is not None and can_move else None
        self._in_step = in_step and can_move
        self._move = leadership.Move(topology, leadership.anybody_else)

    def before_restart(self, clock: Clock) -> None:
        """Returns when it is time to stop the daemon. A leadership that doesn't move is no reason to leave it as it is."""
        if not self._in_step:
            return
        move = leadership.Move(self._topology, leadership.anybody_else)
        if wait(move.poll, IN_STEP, 0.1, clock=clock).missing is None:
            clock.sleep(TICK - BEFORE_TICK)

    def poll(self, elapsed: float) -> Optional[str]:
        seen = observe(self._topology, nodes=[self._host])
        silent = gate.node_problem(self._topology, seen, self._host)
        found = [silent] if silent else gate.expected_problems(self._topology, seen, self._host, self._expect)
        if not found:
            return None
        missing = "; ".join(problem.text for problem in found)
        unprotected = self._protect(elapsed if silent else elapsed - REGISTERED)
        return "%s; its shards aren't protected yet: %s" % (missing, unprotected) if unprotected else missing

    def _protect(self, elapsed: float) -> Optional[str]:
        """One try to move the leadership when it is time to; None when there is nothing (more) to do."""
        if self._protect_after is None or elapsed < self._protect_after:
            return None
        unmoved = self._move.poll(elapsed)
        if unmoved is None:
            self._protect_after = None
        return unmoved


class AwayProbe:
    """For a data node that was stopped for long: ready when a static cluster can't forget its shards.

    A new leader never forgets a node that it hasn't heard, so the leadership is moved once. With a single member
    there is nobody to move it to, and in dynamic topology the shards go to other nodes: nothing is to be done here.
    """

    def __init__(self, topology: Topology, host: str) -> None:
        self._topology = topology
        self._host = host
        self._move = leadership.Move(topology, leadership.anybody_else)

    def poll(self, elapsed: float) -> Optional[str]:
        if not self._topology.static or len(self._topology.members) == 1:
            return None
        unmoved = self._move.poll(elapsed)
        return "the shards of %s aren't protected yet: %s" % (self._host, unmoved) if unmoved else None

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Moves HoraeMeta's leadership so that no leader forgets the shards of a data node that is restarted or stopped.

In a static cluster the leader forgets the shards of a node that it hasn't heard for 10 s, for good; a new leader only ever forgets nodes
that it has heard itself. With a single member there is nobody to move the leadership to, and in dynamic topology the shards go to other
nodes: there nothing is done here.
"""

from __future__ import annotations

from typing import Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import Clock, wait
from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import heartbeats, transfer
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology

# A node that answers has registered and opens its shards at the scheduler's next tick, which comes every 5 s; moving the leadership
# then would only make it wait for the new leader's first tick. One that answers and still isn't whole this many seconds after it
# should have been protected may be unheard all the same, and the first 8 s are safe with a heartbeat every 2 s.
REGISTERED = 2.0

# A node that is back is told by HoraeMeta's scheduler to open its shards, and that ticks every 5 s from the moment at which its leader
# began to lead: behind a move of the leadership the shards were back 5.2 s later each time (measured). Stopped at a moment of no choice
# a node is out for its own start and up to 5 s more; stopped so long before a tick, it is out for that long, and has 3 s to start.
BEFORE_TICK = 3.5
# A move is seen within a second; an election that comes in between takes 4 to 6.
IN_STEP = 16.0
# The keeper beside the next leader has to have found the data node silent before that leads: else it takes it for heard, and moves the
# leadership once more. It asks twice a second.
SILENT = 1.2
# What a daemon may take to stop before its shards are protected without waiting for that.
SLOW_STOP = 4.0


class RestartProtection:
    """Of the shards of a data node that is restarted.

    silent_after: seconds of silence after which the leadership is moved once. A restart takes 3 to 5 s, so that 4 s tell a slow one while
    there is still time to look up the leader and ask it.

    in_step: the restart begins BEFORE_TICK seconds before a tick of the scheduler, which bounds the outage. Where it isn't known when
    it ticks the leadership is moved first, which costs one failed read; the data nodes after it know then.
    """

    def __init__(self, topology: Topology, host: str, silent_after: Optional[float] = None, in_step: bool = False) -> None:
        """Raises ValueError. Without silent_after nothing is moved while it is away."""
        _check(topology, host)
        can_move = _can_move(topology)
        self._topology = topology
        self._silent_after = float(silent_after) if silent_after is not None and can_move else None
        self._in_step = in_step and can_move
        self._move = transfer.Move(topology, transfer.anybody_else)

    def before_restart(self, clock: Clock) -> None:
        """Returns when it is time to stop the daemon. A leadership that doesn't move is no reason to leave it as it is."""
        if not self._in_step:
            return
        known = self._until_tick(clock)
        if known is not None:
            clock.sleep(known)
            return
        move = transfer.Move(self._topology, transfer.anybody_else, planned=True, clock=clock)
        if wait(move.poll, IN_STEP, 0.1, clock=clock).missing is None and move.began is not None:
            clock.sleep((move.began - BEFORE_TICK - clock.monotonic()) % heartbeats.TICK)

    def _until_tick(self, clock: Clock) -> Optional[float]:
        seen = transfer.look(self._topology)
        leader = self._topology.member(seen.leader or "")
        if leader is None or checks.not_leading(seen) is not None:
            return None
        return heartbeats.until_tick(self._topology, leader, BEFORE_TICK, clock=clock)

    def protect(self, elapsed: float, silent: bool) -> Optional[str]:
        """One try to move the leadership when it is time to; what is still missing, None when there is nothing (more) to do.

        elapsed: seconds since its stop; silent: it doesn't answer.
        """
        if self._silent_after is None or (elapsed if silent else elapsed - REGISTERED) < self._silent_after:
            return None
        unmoved = self._move.poll(elapsed)
        if unmoved is None:
            self._silent_after = None
        return unmoved


class StopProtection:
    """Of the shards of a data node that was stopped for long: the leadership is moved once."""

    def __init__(self, topology: Topology, host: str) -> None:
        """Raises ValueError."""
        _check(topology, host)
        self._topology = topology
        self._host = host
        self._move = transfer.Move(topology, transfer.anybody_else)
        self._stopped: Optional[float] = None

    def poll(self, elapsed: float) -> Optional[str]:
        """One try; None once no leader can forget its shards."""
        if not _can_move(self._topology):
            return None
        self._stopped = elapsed if self._stopped is None else self._stopped
        if elapsed - self._stopped < SILENT and elapsed < SLOW_STOP:
            return "%s has only just stopped" % self._host
        unmoved = self._move.poll(elapsed)
        return "the shards of %s aren't protected yet: %s" % (self._host, unmoved) if unmoved else None


def _can_move(topology: Topology) -> bool:
    return topology.static and len(topology.members) > 1


def _check(topology: Topology, host: str) -> None:
    if topology.node(host) is None:
        raise ValueError("host %s has no data node in the topology" % host)

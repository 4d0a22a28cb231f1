# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""HoraeMeta's leadership: who may take it, who may be stopped, and moving it until it is seen moved."""

from __future__ import annotations

from typing import Callable, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils import gate
from ansible_collections.horaedb.cluster.plugins.module_utils.client import REQUEST_TIMEOUT, CallFailed, Client, meta
from ansible_collections.horaedb.cluster.plugins.module_utils.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.observe import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Topology

# A move takes some 0.2 s: a look this often sees it soon, and an election (4 to 6 s) is not hammered.
POLL_INTERVAL = 0.3

# A killed leader is replaced after some 5 s, and a moved one can be elected away once more meanwhile.
MOVE_TIMEOUT = 30.0

Wanted = Callable[[str], bool]


def look(topology: Topology, timeout: float = REQUEST_TIMEOUT) -> Observation:
    """The members alone: all that leadership is about."""
    return observe(topology, timeout, nodes=(), cluster=False)


def stop_refusal(topology: Topology, seen: Observation, host: str) -> Optional[str]:
    """Why the member on `host` must not be stopped now: without it there would be no quorum. None when it may be.

    A single member can't be spared, so it is not refused. Where the quorum is lost already, nothing is left to protect.
    """
    voters = len([m for m in seen.etcd_members or () if not m.learner]) or len(topology.members)
    healthy = [m.host for m in seen.members if m.voting]
    others = [name for name in healthy if name != host]
    needed = voters // 2 + 1
    if voters == 1 or not healthy or len(others) >= needed:
        return None
    lacking = [m.host for m in topology.members if m.host != host and m.host not in others]
    return "stopping the member on %s would leave %d healthy voting members of %d, and the quorum is %d%s" % (
        host,
        len(others),
        voters,
        needed,
        "; get %s healthy first" % ", ".join(lacking) if lacking else "; a cluster of this size can't spare any member",
    )


def successor(topology: Topology, seen: Observation, wanted: Wanted) -> Optional[str]:
    """The first host of the inventory that is `wanted` and has a healthy, voting member in sync with the leader."""
    for member in topology.members:
        if member.host != seen.leader and wanted(member.host) and gate.member_problem(topology, seen, member.host) is None:
            return member.host
    return None


class Move:
    """Moves the leadership to a host that is `wanted`, and nothing once such a host leads.

    poll() is one try. It looks the leader up anew every time, because the one before may be the
    dead host that all this is about.
    """

    def __init__(self, topology: Topology, wanted: Wanted, timeout: float = REQUEST_TIMEOUT) -> None:
        self._topology = topology
        self._wanted = wanted
        self._timeout = timeout
        self.asked: Optional[str] = None
        self.leader: Optional[str] = None

    def poll(self, elapsed: float) -> Optional[str]:
        """None once every healthy member agrees on a wanted leader, else what is missing."""
        seen = look(self._topology, self._timeout)
        self.leader = seen.leader
        if seen.leader is None:
            found = gate.member_problems(self._topology, seen)
            return "; ".join(str(problem) for problem in found) or "no member says who leads"
        if self._wanted(seen.leader):
            return None
        target = successor(self._topology, seen, self._wanted)
        if target is None:
            return no_successor(self._topology, seen)
        self.asked = target
        leader, member = self._topology.member(seen.leader), self._topology.member(target)
        if leader is None or member is None:
            return "the leader is %s, which is no member of the inventory" % seen.leader
        try:
            meta(Client(self._timeout), "POST", leader.api + "/api/v1/etcd/moveLeader", {"memberName": member.name})
        except CallFailed as error:
            return "the leadership of %s couldn't be moved to %s: %s" % (leader.host, member.host, error)
        return "%s was asked to hand its leadership to %s and still has it" % (leader.host, member.host)


class MoveOnce(Move):
    """Away from whoever leads at the first look, to any other member."""

    def __init__(self, topology: Topology, timeout: float = REQUEST_TIMEOUT) -> None:
        self._first: Optional[str] = None
        super().__init__(topology, self._other, timeout)

    def _other(self, host: str) -> bool:
        if self._first is None:
            self._first = host
        return host != self._first


def no_successor(topology: Topology, seen: Observation) -> str:
    """Says who leads and why nobody else can."""
    found = [str(p) for p in gate.member_problems(topology, seen)] or ["there is no other member that may take it"]
    return "%s leads, and no other member can take over: %s" % (seen.leader, "; ".join(found))

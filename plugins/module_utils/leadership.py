# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""HoraeMeta's leadership: who may be stopped, who may take over, and moving it until it is seen moved."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Dict, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils import gate
from ansible_collections.horaedb.cluster.plugins.module_utils.client import REQUEST_TIMEOUT, CallFailed, Client, meta
from ansible_collections.horaedb.cluster.plugins.module_utils.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.observe import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Member, Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.waiting import Clock, wait

# A move takes some 0.2 s: a look this often sees it soon, and doesn't hammer an election of 4 to 6 s.
INTERVAL = 0.3

# After a leader was stopped another one was elected within 6 s. What is still wrong after that doesn't pass by itself.
SETTLED = 8.0

# Room for two elections, a failed request in each, and a move.
TIMEOUT = 30.0

# (a host, the host that led at first) -> whether it may lead
Wanted = Callable[[str, str], bool]


class Refused(Exception):
    """As text: a sentence that says why, and what would help."""


@dataclass(frozen=True)
class Moved:
    """Leader before and after; None where no member could be asked."""

    before: Optional[str]
    after: Optional[str]
    why: str
    elapsed: float = 0.0


def look(topology: Topology, timeout: float = REQUEST_TIMEOUT) -> Observation:
    """The members alone: all that leadership is about."""
    return observe(topology, timeout, nodes=(), cluster=False)


def anybody_else(host: str, before: str) -> bool:
    return host != before


def stop_refusal(topology: Topology, seen: Observation, host: str) -> Optional[str]:
    """Why the member on `host` must not be stopped now: without it there would be no quorum. None when it may be.

    A single member can't be spared and is not refused. Where the quorum is lost already, nothing is left to protect.
    """
    voters = len([m for m in seen.etcd_members or () if not m.learner]) or len(topology.members)
    healthy = [m.host for m in seen.members if m.voting]
    others = [name for name in healthy if name != host]
    quorum = voters // 2 + 1
    if voters == 1 or not healthy or len(others) >= quorum:
        return None
    lacking = [m.host for m in topology.members if m.host != host and m.host not in others]
    help_ = "get %s healthy first" % ", ".join(lacking) if lacking else "a cluster of this size can't spare any member"
    counts = (host, len(others), voters, quorum, help_)
    return "stopping the member on %s would leave %d healthy voting members of %d, and the quorum is %d: %s" % counts


def successor(topology: Topology, seen: Observation, wanted: Wanted, before: str) -> Optional[Member]:
    """The first member of the inventory that is wanted, healthy, voting, and in sync with the leader."""
    for member in topology.members:
        fit = member.host != seen.leader and gate.member_problem(topology, seen, member.host) is None
        if fit and wanted(member.host, before):
            return member
    return None


class Move:
    """Moves the leadership until a wanted host has it. poll() is one try, and nothing once it is so.

    The leader is looked up anew for every try: the one before may be the dead host that all this is about.
    """

    def __init__(self, topology: Topology, wanted: Wanted, timeout: float = REQUEST_TIMEOUT, stopping: Optional[str] = None) -> None:
        """stopping: a host whose member is about to be stopped, which must not cost the quorum."""
        self._topology = topology
        self._wanted = wanted
        self._timeout = timeout
        self._stopping = stopping
        self.before: Optional[str] = None
        self.leader: Optional[str] = None

    def poll(self, elapsed: float) -> Optional[str]:
        """None once every healthy member agrees on a wanted leader, else what is missing; raises Refused.

        With `stopping` also None, and no leader, when there is no quorum any more that a stop could cost.
        """
        seen = look(self._topology, self._timeout)
        self.leader = seen.leader
        settled = elapsed >= SETTLED
        if self._stopping:
            refusal = stop_refusal(self._topology, seen, self._stopping)
            if refusal and settled:
                raise Refused(refusal)
            if refusal:
                return refusal
            if settled and not any(member.voting for member in seen.members):
                return None
        if seen.leader is None:
            return nobody_leads(self._topology, seen)
        self.before = self.before or seen.leader
        if self._wanted(seen.leader, self.before):
            return None
        return self._ask(seen, self.before)

    def _ask(self, seen: Observation, before: str) -> str:
        leader = self._topology.member(seen.leader or "")
        target = successor(self._topology, seen, self._wanted, before)
        if leader is None or target is None:
            return nobody_else(self._topology, seen)
        try:
            meta(Client(self._timeout), "POST", leader.api + "/api/v1/etcd/moveLeader", {"memberName": target.name})
        except CallFailed as error:
            return "%s couldn't hand its leadership to %s: %s" % (leader.host, target.host, error)
        return "%s was asked to hand its leadership to %s and still has it" % (leader.host, target.host)


class Wish:
    """What the module meta_leader is asked for."""

    def __init__(self, topology: Topology, state: str, host: Optional[str], timeout: float = REQUEST_TIMEOUT) -> None:
        """Raises ValueError when there is no such member."""
        if host is not None and topology.member(host) is None:
            members = ", ".join(member.host for member in topology.members)
            raise ValueError("host %s has no HoraeMeta member; the members are on %s" % (host, members))
        rules: Dict[str, Wanted] = {
            "away": lambda name, _before: name != host,
            "at": lambda name, _before: name == host,
            "moved": anybody_else,
        }
        self._topology = topology
        self._wanted = rules[state]
        self._timeout = timeout
        self._stopping = host if state == "away" else None

    def predict(self) -> Moved:
        """One look, and nothing done; raises Refused."""
        if self._alone:
            return self._alone_moved()
        seen = look(self._topology, self._timeout)
        if seen.silent:
            return Moved(None, None, "no member answers, so nothing is predicted")
        refusal = stop_refusal(self._topology, seen, self._stopping) if self._stopping else None
        if refusal or seen.leader is None:
            raise Refused(refusal or nobody_leads(self._topology, seen))
        if self._wanted(seen.leader, seen.leader):
            return Moved(seen.leader, seen.leader, "%s leads already" % seen.leader)
        target = successor(self._topology, seen, self._wanted, seen.leader)
        if target is None:
            raise Refused(nobody_else(self._topology, seen))
        return Moved(seen.leader, target.host, "%s would hand its leadership to %s" % (seen.leader, target.host))

    def fulfil(self, timeout: float, clock: Clock = time) -> Moved:
        """Waits until it is seen to be so; raises Refused."""
        if self._alone:
            return self._alone_moved()
        move = Move(self._topology, self._wanted, self._timeout, self._stopping)
        waited = wait(move.poll, timeout, INTERVAL, clock=clock)
        if waited.missing is not None:
            raise Refused("the leadership isn't where it should be after %.0f s: %s" % (waited.elapsed, waited.missing))
        if move.leader is None:
            why = "there is no healthy member, so no quorum that a stop could cost"
        elif move.before == move.leader:
            why = "%s leads already" % move.leader
        else:
            why = "%s handed its leadership to %s" % (move.before, move.leader)
        return Moved(move.before, move.leader, why, waited.elapsed)

    @property
    def _alone(self) -> bool:
        return len(self._topology.members) == 1

    def _alone_moved(self) -> Moved:
        only = self._topology.members[0].host
        if self._wanted is anybody_else:
            raise Refused(
                "%s is the only member, so nobody else can lead; restarting it has the same effect on data nodes that are away" % only
            )
        return Moved(only, only, "%s is the only member: there is nobody to hand its leadership to" % only)


def nobody_leads(topology: Topology, seen: Observation) -> str:
    """Says why no leader is known."""
    return "; ".join(str(problem) for problem in gate.member_problems(topology, seen)) or gate.disagreement(seen)


def nobody_else(topology: Topology, seen: Observation) -> str:
    """Says who leads and why no other member can take over."""
    found = [str(problem) for problem in gate.member_problems(topology, seen)]
    return "%s leads, and no other member can take over: %s" % (seen.leader, "; ".join(found) or "there is none that may")

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""HoraeMeta's leadership: who may be stopped, who may take over, and moving it until it is seen moved."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import REQUEST_TIMEOUT, CallFailed
from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import Clock, wait
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.health.stalls import etcd_leader
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import heartbeats
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.hung import Cure, hand_on, keepers
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Topology

# A move takes some 0.2 s: a look this often sees it soon, and doesn't hammer an election of 4 to 6 s.
INTERVAL = 0.3

# After a leader was stopped another one was elected within 6 s. What is still wrong after that doesn't pass by itself.
SETTLED = 8.0

# Room for two elections, a failed request in each, and a move.
TIMEOUT = 30.0

# (a host, the host that led at first) -> whether it may lead
Wanted = Callable[[str, str], bool]


class TransferRefused(Failure):
    """As text: a sentence that says why, and what would help. hung: hosts of members that have to be ended first, each on its own host."""

    kind = "leadership.refused"

    def __init__(self, text: str, hung: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.hung = tuple(hung)

    def fields(self) -> Dict[str, Any]:
        return {"hung": list(self.hung)}


@dataclass(frozen=True)
class Moved:
    """Leader before and after; None where no member could be asked."""

    before: Optional[str]
    after: Optional[str]
    why: str
    elapsed: float = 0.0


def look(topology: Topology, timeout: float = REQUEST_TIMEOUT, suspects: Sequence[str] = ()) -> Observation:
    """The members alone: all that leadership is about."""
    return observe(topology, timeout, nodes=(), cluster=False, suspects=suspects)


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
        fit = member.host != seen.leader and checks.member_problem(topology, seen, member.host) is None
        if fit and wanted(member.host, before):
            return member
    return None


class Move:
    """Moves the leadership until a wanted host has it. poll() is one try, and nothing once it is so.

    The leader is looked up anew for every try: the one before may be the dead host that all this is about. A move is an election, at which
    the new leader may hang: the leadership then goes on to the next one, which may be the host that it was to leave.
    """

    def __init__(
        self,
        topology: Topology,
        wanted: Wanted,
        timeout: float = REQUEST_TIMEOUT,
        stopping: Optional[str] = None,
        planned: bool = False,
        clock: Clock = time,
    ) -> None:
        """stopping: a host whose member is about to be stopped, which must not cost the quorum.

        planned: there is time to wait for a gap between heartbeats, and since when the new leader leads is written down.
        """
        self._topology = topology
        self._wanted = wanted
        self._timeout = timeout
        self._stopping = stopping
        self._planned = planned
        self._clock = clock
        self._asked: Optional[float] = None
        self._cure = Cure(topology, timeout)
        self.before: Optional[str] = None
        self.leader: Optional[str] = None
        self.met: List[str] = []
        # Since when the member that is about to be stopped can't be spared.
        self._unspared: Optional[float] = None
        # Hosts of members that hang, where at the last look nobody but them could take over.
        self.blocked: Tuple[str, ...] = ()

    def poll(self, elapsed: float) -> Optional[str]:
        """None once every healthy member agrees on a wanted leader, which leads in deed, else what is missing; raises Refused.

        With `stopping` also None, and no leader, when there is no quorum any more that a stop could cost.
        """
        seen = self._cure.judge(look(self._topology, self._timeout, self._cure.suspects))
        self.leader, self.blocked = seen.leader, ()
        # A leader that hangs led before, too: once it has handed on nobody has to be asked again.
        self.before = self.before or seen.leader
        # Elected again after another one's hang it has heard nobody either, and counts as anybody else.
        before = "" if self.met and self._wanted is anybody_else else self.before or ""
        met = self._cure.act(seen, lambda host: self._wanted(host, before))
        if met:
            self.met.append(met)
            self._unspared = None
            return met
        leading = etcd_leader(seen)
        if leading is not None and leading.hung:
            self.blocked = seen.hung
        if self._stopping:
            refusal = stop_refusal(self._topology, seen, self._stopping)
            spared = refusal is None and any(member.voting for member in seen.members)
            self._unspared = None if spared else elapsed if self._unspared is None else self._unspared
            # Not since the beginning: a member that was killed because it hung is back some seconds later.
            settled = self._unspared is not None and elapsed - self._unspared >= SETTLED
            if refusal and settled:
                raise TransferRefused(refusal)
            if refusal:
                return refusal
            if settled:
                return None
        if seen.leader is None:
            return nobody_leads(self._topology, seen)
        if self._wanted(seen.leader, before):
            missing = checks.not_leading(seen)
            if missing is None:
                self._remember(seen.leader)
            return missing
        return self._ask(seen, before)

    @property
    def began(self) -> Optional[float]:
        """When the new leader began to lead, by the clock; None where nobody was asked to hand over."""
        return self._asked

    def _remember(self, host: str) -> None:
        leader = self._topology.member(host)
        # Where the cure moved it on it isn't known when that was.
        if self._planned and leader is not None and self._asked is not None and not self.met:
            heartbeats.remember(self._topology, leader, self._asked, self._timeout, self._clock)

    def _ask(self, seen: Observation, before: str) -> str:
        leader = self._topology.member(seen.leader or "")
        target = successor(self._topology, seen, self._wanted, before)
        if leader is None or target is None:
            self.blocked = seen.hung
            return nobody_else(self._topology, seen)
        if self._planned:
            heartbeats.wait_for_gap(self._topology, leader, self._timeout, self._clock)
        try:
            self._asked = self._clock.monotonic()
            hand_on(leader, target, self._timeout)
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
            raise TransferRefused(refusal or nobody_leads(self._topology, seen))
        if self._wanted(seen.leader, seen.leader):
            return Moved(seen.leader, seen.leader, "%s leads already" % seen.leader)
        target = successor(self._topology, seen, self._wanted, seen.leader)
        if target is None:
            raise TransferRefused(nobody_else(self._topology, seen))
        return Moved(seen.leader, target.host, "%s would hand its leadership to %s" % (seen.leader, target.host))

    def fulfil(self, timeout: float, clock: Clock = time) -> Moved:
        """Waits until it is seen to be so; raises Refused."""
        if self._alone:
            return self._alone_moved()
        move = Move(self._topology, self._wanted, self._timeout, self._stopping, planned=True, clock=clock)
        blocked_since: Optional[float] = None

        def poll(elapsed: float) -> Optional[str]:
            nonlocal blocked_since
            missing = move.poll(elapsed)
            blocked_since = (elapsed if blocked_since is None else blocked_since) if move.blocked else None
            if missing and blocked_since is not None and elapsed - blocked_since >= keepers(self._topology, move.blocked):
                raise TransferRefused(missing, move.blocked)
            return missing

        waited = wait(poll, timeout, INTERVAL, clock=clock)
        if waited.missing is not None:
            raise TransferRefused("the leadership isn't where it should be after %.0f s: %s" % (waited.elapsed, waited.missing))
        if move.leader is None:
            why = "there is no healthy member, so no quorum that a stop could cost"
        elif move.before == move.leader:
            why = "%s leads already" % move.leader
        else:
            why = "%s handed its leadership to %s" % (move.before, move.leader)
        return Moved(move.before, move.leader, "; ".join([*move.met, why]), waited.elapsed)

    @property
    def _alone(self) -> bool:
        return len(self._topology.members) == 1

    def _alone_moved(self) -> Moved:
        only = self._topology.members[0].host
        if self._wanted is anybody_else:
            raise TransferRefused(
                "%s is the only member, so nobody else can lead; restarting it has the same effect on data nodes that are away" % only
            )
        return Moved(only, only, "%s is the only member: there is nobody to hand its leadership to" % only)


def nobody_leads(topology: Topology, seen: Observation) -> str:
    """Says why no leader is known."""
    return "; ".join(str(problem) for problem in checks.member_problems(topology, seen)) or checks.disagreement(seen)


def nobody_else(topology: Topology, seen: Observation) -> str:
    """Says who leads and why no other member can take over."""
    found = [str(problem) for problem in checks.member_problems(topology, seen)]
    return "%s leads, and no other member can take over: %s" % (seen.leader, "; ".join(found) or "there is none that may")

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Ends a member that hangs, on its own host: the leadership goes first, then the process, and systemd starts the next one.

The shard keeper beside the member does the same, and may have been faster: every look is taken anew, and only the process that was seen
hanging is killed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Protocol, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd, Stored
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import REQUEST_TIMEOUT, CallFailed
from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import Clock, wait
from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.health.stalls import etcd_leader
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import transfer
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.hung import Cure, successor
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.transfer import TransferRefused
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import cures, journal
from ansible_collections.horaedb.cluster.plugins.module_utils.records.cures import Cured
from ansible_collections.horaedb.cluster.plugins.module_utils.records.operation_lock import through_any

# Seconds for all of it: two signs of a hang, a stall of 10 s, a start of 4 s, an election, and half of that once more.
TIMEOUT = 60.0
INTERVAL = 0.3

# What a process may take to be gone after SIGKILL, on a machine with a slow disk.
ENDING = 10.0

# One member is killed so often within so many seconds, by whomever. What hangs more often has another cause than bad luck.
MOST = 5
PERIOD = 600.0


class MemberUnit(Protocol):
    """The member's unit on this host."""

    def invocation(self) -> str:
        """Another one after every start; empty where it doesn't run."""

    def kill(self) -> None:
        """Ends every process of it at once, and has it started again."""


@dataclass
class HungMember:
    """`killed`: how often it was. `steps`: what was done, as sentences."""

    topology: Topology
    host: str
    service: MemberUnit
    timeout: float = REQUEST_TIMEOUT
    clock: Clock = time
    killed: int = 0
    steps: List[str] = field(default_factory=list)
    others: Tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError where there is no such member."""
        if self.topology.member(self.host) is None:
            members = ", ".join(member.host for member in self.topology.members)
            raise ValueError("host %s has no HoraeMeta member; the members are on %s" % (self.host, members))
        self._cure = Cure(self.topology, self.timeout, self.clock)
        self._sign: Optional[float] = None
        self._why = ""
        self._ends: Optional[Tuple[str, float]] = None

    def look(self) -> Observation:
        return self._cure.judge(transfer.look(self.topology, self.timeout, self._cure.suspects))

    def end(self, timeout: float = TIMEOUT) -> float:
        """Until this member doesn't hang and the cluster has a leader that answers; raises Refused. Returns the seconds it took.

        Another member that hangs by then is left in `others`: it has to be ended on its own host.
        """
        waited = wait(self._poll, timeout, INTERVAL, clock=self.clock)
        if waited.missing is not None:
            raise TransferRefused("after %.0f s: %s" % (waited.elapsed, "; ".join([*self.steps, waited.missing])))
        if self.killed:
            self._note(waited.elapsed - (self._sign or 0.0))
        return waited.elapsed

    def _poll(self, elapsed: float) -> Optional[str]:
        before = self.service.invocation()
        seen = self.look()
        self.others = tuple(host for host in seen.hung if host != self.host)
        own = seen.member(self.host)
        leading = etcd_leader(seen)
        if own is not None and own.hung:
            self._sign = elapsed if self._sign is None else self._sign
            self._why = checks.sign_of_hang(own)
        met = self._cure.act(seen)
        if met:
            self.steps.append(met)
            return met
        if own is not None and own.hung:
            leads = leading is not None and leading.host == self.host
            # Where the others hang as well somebody has to be the first, as long as etcd keeps its quorum.
            alone = leads and successor(self.topology, seen, self.host) is None and transfer.stop_refusal(self.topology, seen, self.host)
            if alone:
                return "%s hangs and leads, and no other member can take over: %s" % (self.host, transfer.nobody_else(self.topology, seen))
            return self._kill(before, elapsed)
        problem = checks.member_problem(self.topology, seen, self.host)
        if problem is not None:
            return str(problem)
        if seen.leader is None:
            return checks.disagreement(seen)
        # Its own host has to end a leader that hangs where nobody else can take over from it.
        return None if seen.leader in self.others else checks.not_leading(seen)

    def _kill(self, before: str, elapsed: float) -> str:
        if self.service.invocation() != before:
            return "somebody else has just restarted HoraeMeta on %s" % self.host
        if self._ends is not None and self._ends[0] == before and elapsed - self._ends[1] < ENDING:
            return self.steps[-1]
        self._ends = (before, elapsed)
        recent = self._recent()
        if recent >= MOST:
            raise TransferRefused(
                "HoraeMeta on %s hangs again, after it was cured %d times in the last %.0f minutes, so there is another cause than an unlucky "
                "election. See /var/log/horaemeta/horaemeta.log there, and how many data nodes send heartbeats: docs/operations.md"
                % (self.host, recent, PERIOD / 60)
            )
        self.service.kill()
        self.killed += 1
        self.steps.append("HoraeMeta on %s was killed, because it %s" % (self.host, self._why))
        return self.steps[-1]

    def _recent(self) -> int:
        name = self._name
        try:
            found = self._records()
        except CallFailed:
            return self.killed
        newest = [key.rsplit("/", 1)[-1].split("-")[0] for key, one in found.items() if [name] == [c.member for c in cures.read({key: one.value})]]
        return self.killed + sum(now_ms() - int(moment) < PERIOD * 1000 for moment in newest if moment.isdigit())

    @property
    def _name(self) -> str:
        member = self.topology.member(self.host)
        return member.name if member else self.host

    def _records(self) -> Dict[str, Stored]:
        return through_any(self.topology, self.timeout, lambda etcd: etcd.range(cures.prefix(self.topology.cluster)))

    def _note(self, seconds: float) -> None:
        """History is no reason to fail."""
        cured = Cured(self._name, journal.text_of(journal.now()), "it %s; ended by a playbook" % self._why, round(seconds, 1))
        # One key, however many members are tried.
        key = cures.key(self.topology.cluster, now_ms(), self._name)

        def write(etcd: Etcd) -> None:
            etcd.put(key, cured.to_json())
            for old in cures.too_many([*etcd.range(cures.prefix(self.topology.cluster)), key]):
                etcd.delete(old)

        try:
            through_any(self.topology, self.timeout, write)
        except CallFailed as error:
            self.steps.append("the cure couldn't be noted: %s" % error)


def now_ms() -> int:
    return int(time.time() * 1000)

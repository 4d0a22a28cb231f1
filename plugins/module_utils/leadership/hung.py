# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A member that hangs, and what can be done about it from any host. What tells it over time is in health/stalls.py.

HoraeMeta 2.1.0 takes the lock of its clusters for writing when it is elected, and a heartbeat takes the same lock for reading twice, one
inside the other. A heartbeat that waits while the clusters are loaded deadlocks the new leader, for ever: every table is unreachable, its
etcd and its own health say that all is well, and SIGTERM doesn't end it. Handing the leadership on still works, and ends the outage; the
member itself has to be killed, on its host (module meta_leader with state=cured, or the shard keeper).
"""

from __future__ import annotations

import time
from typing import Callable, Optional, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd
from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import HoraeMeta
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import REQUEST_TIMEOUT, BadAnswer, CallFailed, Client
from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import Clock
from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation, Routed
from ansible_collections.horaedb.cluster.plugins.module_utils.health.stalls import Stalls, etcd_leader
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Topology

# The cure is an election, which may hang as well. So many in a row in one wait are something else.
MOVES = 5

# The shard keeper beside a member that hangs has it killed within 4 s (seen). The leadership is handed on at once, so waiting costs no table.
KEEPERS = 8.0

# What etcd's gateway answers for a lease that is over.
NOT_FOUND = 404


class Cure:
    """What ends the outage of a leader that hangs, without its host: one try at each look.

    It hands the leadership on, and ends the lease of a leader key that names another member than etcd's leader, which members wait for
    until it has run out (up to 10 s, and each change of etcd's leader gives it its whole time again).
    """

    def __init__(self, topology: Topology, timeout: float = REQUEST_TIMEOUT, clock: Clock = time) -> None:
        self._topology = topology
        self._timeout = timeout
        self._stalls = Stalls(clock)
        self._moves = 0
        # Members that hung at the last look, for observe().
        self.suspects: Tuple[str, ...] = ()

    def judge(self, seen: Observation) -> Observation:
        """`seen`, held against the looks before it. Every look of a wait passes through here once."""
        seen = self._stalls.note(seen)
        self.suspects = tuple(member.host for member in seen.members if member.routed is Routed.SILENT)
        return seen

    def act(self, seen: Observation, wanted: Callable[[str], bool] = lambda _host: True) -> Optional[str]:
        """On what judge() returned: what was done, as a sentence; None where there was nothing to do. wanted: who should lead, if it may."""
        leading = etcd_leader(seen)
        member = self._topology.member(leading.host) if leading else None
        if leading is None or member is None:
            return None
        if leading.hung:
            return self._hand_on(seen, member, wanted)
        return self._release(member) if seen.leader is None else None

    def _hand_on(self, seen: Observation, leading: Member, wanted: Callable[[str], bool]) -> Optional[str]:
        target = successor(self._topology, seen, leading.host, wanted)
        if target is None or self._moves >= MOVES:
            return None
        self._moves += 1
        try:
            hand_on(leading, target, self._timeout)
        except CallFailed as error:
            return "%s hangs, and couldn't hand its leadership to %s: %s" % (leading.host, target.host, error)
        return "%s hangs, and was asked to hand its leadership to %s" % (leading.host, target.host)

    def _release(self, leading: Member) -> Optional[str]:
        try:
            named = release_leader_key(self._topology, leading, self._timeout)
        except CallFailed as error:
            return "the leader key couldn't be released: %s" % error
        return "the leader key named %s, which doesn't lead, and was released" % named if named else None


def keepers(topology: Topology, hung: Sequence[str]) -> float:
    """Seconds in which the keepers beside members that hang have killed them, or never will."""
    return KEEPERS if all(member.keeper_port for member in topology.members if member.host in hung) else 0.0


def successor(
    topology: Topology, seen: Observation, leading: str, wanted: Callable[[str], bool] = lambda _host: True
) -> Optional[Member]:
    """The first member of the inventory, of those that are wanted if there is one, that answers, votes, is in sync, and doesn't hang itself."""
    at = seen.member(leading)
    for member in sorted(topology.members, key=lambda member: not wanted(member.host)):
        state = seen.member(member.host)
        fit = state is not None and member.host != leading and state.reachable and state.voting and not state.hung
        if fit and state is not None and (at is None or (at.applied or 0) - (state.applied or 0) <= checks.SYNC_SLACK):
            return member
    return None


def hand_on(leading: Member, target: Member, timeout: float) -> None:
    """Raises CallFailed. What it answers isn't what counts: see who leads then."""
    HoraeMeta(leading.api, Client(timeout)).move_leader(target.name)


def release_leader_key(topology: Topology, leading: Member, timeout: float) -> Optional[str]:
    """Ends the lease of the leader key where it names another member than `leading`, which leads etcd: returns that member's host.

    Safe: HoraeMeta's leader is the leader of its etcd, and the key of anybody else is over. Raises CallFailed.
    """
    etcd = Etcd(leading.etcd, Client(timeout))
    stored = etcd.get(leader_key(topology))
    if stored is None or not stored.lease or _names(stored.raw, leading):
        return None
    try:
        etcd.revoke(stored.lease)
    except BadAnswer as error:
        # It has just run out, or somebody else was faster.
        if error.status != NOT_FOUND:
            raise
    return next((member.host for member in topology.members if _names(stored.raw, member)), "a member that the inventory doesn't have")


def leader_key(topology: Topology) -> str:
    return "%s/members/leader" % topology.root_path


def _names(value: bytes, member: Member) -> bool:
    """The key's value is a protobuf message with the member's name, id and advertised URL: a text has its length before it."""
    url = member.client_url.encode()
    return bytes([len(url)]) + url in value

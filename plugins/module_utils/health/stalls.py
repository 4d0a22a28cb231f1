# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What tells over time that a member hangs. Why one does, and what can be done about it, is in leadership/hung.py."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import Clock
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import MemberSeen, Observation

# An election took 4 to 6 s, and was over within 10.
ELECTION = 10.0


class Stalls:
    """Tells a member that has led etcd for longer than an election takes, while HoraeMeta has no leader, or another one.

    Such a member deadlocked when it stepped down before. It follows and forwards as if it were well, and can't lead.
    """

    def __init__(self, clock: Clock = time) -> None:
        self._clock = clock
        self._leads: Optional[str] = None
        self._since = 0.0

    def note(self, seen: Observation) -> Observation:
        """`seen`, with the member marked that has stalled for long enough over all looks that were noted."""
        now = self._clock.monotonic()
        leading = etcd_leader(seen)
        stalls = leading is not None and leading.reachable and not leading.hung and seen.leader is None
        if leading is None or not stalls:
            self._leads = None
            return seen
        if leading.host != self._leads:
            self._leads, self._since = leading.host, now
        if now - self._since <= ELECTION:
            return seen
        return replace(seen, members=tuple(replace(m, stalled=True) if m.host == leading.host else m for m in seen.members))


def etcd_leader(seen: Observation) -> Optional[MemberSeen]:
    """The member that every voting member's etcd takes for its leader."""
    named = {member.etcd_leader for member in seen.members if member.voting}
    return seen.member(named.pop() or "") if len(named) == 1 else None

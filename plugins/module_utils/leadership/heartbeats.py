# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""When data nodes' heartbeats arrive, and by it the moment for a planned move, and the rhythm of HoraeMeta's scheduler.

A heartbeat that arrives while a new leader loads its clusters can deadlock it (hung.py). The leader writes each one to etcd, with its own
time: so the heartbeats are seen there, and its clock with them. No clock of this host is compared with that of another.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd, Stored
from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import HoraeMeta
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import REQUEST_TIMEOUT, CallFailed, Client
from ansible_collections.horaedb.cluster.plugins.module_utils.common.units import seconds
from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import Clock
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Topology

# From one look to the next, which is how exactly an arrival is known.
LOOK = 0.04
# With more data nodes than this there is no gap to wait for.
NODES = 10
# A move is asked for so long after the heartbeat that a gap begins with. Its new leader was elected 25 to 140 ms after that, and had loaded
# its clusters 10 ms later, 70 ms with 3,000 tables (measured).
AFTER = 0.1
# A gap that is shorter is none.
GAP = 0.3

# HoraeMeta's scheduler sleeps for so long between two ticks, from the moment at which its leader began to lead.
TICK = 5.0
# Its ticks drift by what each of them takes, some milliseconds. A leadership that is older is no clock any more.
OLDEST = 180.0


@dataclass(frozen=True)
class Heard:
    """Data node's key -> when its last heartbeat arrived, by this process's clock; `ahead`: what the leader's clock is ahead of that."""

    arrivals: Mapping[str, float]
    ahead: Optional[float] = None


@dataclass(frozen=True)
class Began:
    """Since when, by its own clock, a leader leads: etcd's term tells one leadership from another."""

    leader: str
    term: int
    since: float

    def to_json(self) -> str:
        return json.dumps({"leader": self.leader, "term": self.term, "since": self.since})

    @classmethod
    def from_json(cls, text: str) -> Optional[Began]:
        try:
            data = json.loads(text)
            return cls(str(data["leader"]), int(data["term"]), float(data["since"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


class Heartbeats:
    """Those of one cluster, through one member's etcd."""

    def __init__(self, topology: Topology, leader: Member, timeout: float = REQUEST_TIMEOUT, clock: Clock = time) -> None:
        self._topology = topology
        self._leader = leader
        self._timeout = timeout
        self._clock = clock
        self._prefix = ""
        # A heartbeat each 2/3 of the lease, and a little for what each takes.
        self.period = max((seconds(node.lease) * 2 / 3 for node in topology.nodes), default=0.0)

    def listen(self, most: float, enough: int = 0) -> Heard:
        """For `most` seconds at most, or until `enough` data nodes were heard. Raises CallFailed.

        Nothing is waited for where HoraeMeta doesn't write heartbeats down.
        """
        began = self._clock.monotonic()
        before = self._read()
        looked = self._clock.monotonic()
        arrivals: Dict[str, float] = {}
        ahead: List[float] = []
        while before and looked - began < most and not 0 < enough <= len(arrivals):
            self._clock.sleep(LOOK)
            now, seen = self._clock.monotonic(), self._read()
            for key, stored in seen.items():
                if key not in before or before[key].revision != stored.revision:
                    arrivals[key] = (looked + now) / 2
                    touched = last_touch(stored.raw)
                    # A touch is seen late and never early: the largest difference is the truest.
                    ahead += [] if touched is None else [touched - arrivals[key]]
            before, looked = seen, now
        return Heard(arrivals, max(ahead, default=None))

    def _read(self) -> Mapping[str, Stored]:
        client = Client(self._timeout)
        if not self._prefix:
            listed = HoraeMeta(self._leader.api, client).clusters()
            number = next((one.id for one in listed if one.name == self._topology.cluster), None)
            if number is None:
                return {}
            self._prefix = "%s/v1/cluster/%020d/node/" % (self._topology.root_path, number)
        return Etcd(self._leader.etcd, client).range(self._prefix)


def wait_for_gap(topology: Topology, leader: Member, timeout: float = REQUEST_TIMEOUT, clock: Clock = time) -> Optional[float]:
    """Returns at the moment to ask for a move, within two periods; the gap's seconds, None where there is none to wait for."""
    if not 0 < len(topology.nodes) <= NODES:
        return None
    heartbeats = Heartbeats(topology, leader, timeout, clock)
    try:
        heard = heartbeats.listen(heartbeats.period + 2 * LOOK)
    except CallFailed:
        return None
    if not heard.arrivals:
        return None
    start, length = largest_gap(list(heard.arrivals.values()), heartbeats.period)
    if length < GAP:
        return None
    clock.sleep((start + AFTER - clock.monotonic()) % heartbeats.period)
    return length


def largest_gap(arrivals: List[float], period: float) -> Tuple[float, float]:
    """When the longest time without an arrival begins, and how long it is, where each comes again after `period`."""
    phases = sorted(arrival % period for arrival in arrivals)
    following = [*phases[1:], phases[0] + period]
    return max(((phase, later - phase) for phase, later in zip(phases, following)), key=lambda gap: gap[1])


def key(cluster: str) -> str:
    return "/ansible/horaedb.cluster/%s/leadership" % cluster


def remember(topology: Topology, leader: Member, began: float, timeout: float = REQUEST_TIMEOUT, clock: Clock = time) -> None:
    """Writes down since when `leader` leads: `began` by this process's clock. What can't be written costs a move later."""
    heartbeats = Heartbeats(topology, leader, timeout, clock)
    try:
        heard = heartbeats.listen(heartbeats.period + 2 * LOOK, enough=1)
        if heard.ahead is not None:
            etcd = Etcd(leader.etcd, Client(timeout))
            etcd.put(key(topology.cluster), Began(leader.host, etcd.status().term, began + heard.ahead).to_json())
    except CallFailed:
        return


def until_tick(topology: Topology, leader: Member, before: float, timeout: float = REQUEST_TIMEOUT, clock: Clock = time) -> Optional[float]:
    """Seconds until the moment that is `before` seconds before a tick of the scheduler; None where it isn't known when that ticks."""
    heartbeats = Heartbeats(topology, leader, timeout, clock)
    try:
        etcd = Etcd(leader.etcd, Client(timeout))
        stored = etcd.get(key(topology.cluster))
        began = Began.from_json(stored.value) if stored else None
        if began is None or (began.leader, began.term) != (leader.host, etcd.status().term):
            return None
        heard = heartbeats.listen(heartbeats.period + 2 * LOOK, enough=1)
    except CallFailed:
        return None
    if heard.ahead is None:
        return None
    age = clock.monotonic() + heard.ahead - began.since
    return (-before - age) % TICK if 0 <= age <= OLDEST else None


def last_touch(value: bytes) -> Optional[float]:
    """Seconds, the third field of HoraeMeta's protobuf message of a node, which has milliseconds; None for anything else."""
    at = 0
    try:
        while at < len(value):
            field, at = _varint(value, at)
            if field & 7 == 0:
                number, at = _varint(value, at)
                if field >> 3 == 3:
                    return number / 1000
            elif field & 7 == 2:
                length, at = _varint(value, at)
                at += length
            else:
                return None
    except IndexError:
        return None
    return None


def _varint(value: bytes, at: int) -> Tuple[int, int]:
    number = shift = 0
    while value[at] & 128:
        number |= (value[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return number | value[at] << shift, at + 1

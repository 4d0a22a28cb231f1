# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Puts back what plan.py planned.

A static cluster takes a shard into its view only while its metadata says dynamic; the scheduler that runs stays the static one
until there is another leader. That other leader would start the dynamic scheduler, which moves shards away from
their data. So the window in which it says dynamic is short, closed whatever happens, and the leader is watched through it.
"""

from __future__ import annotations

import contextlib
import enum
import signal
import threading
import time
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd
from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import HoraeMeta
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import REQUEST_TIMEOUT, CallFailed, Client
from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import Clock, wait
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import OPENING, READY, Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import transfer
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.hung import Cure
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Node, Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.repair import plan as repair_plan
from ansible_collections.horaedb.cluster.plugins.module_utils.repair.plan import Places, Plan

# Seconds that a new leader may take to list its clusters: an election's time.
LOADING = 10.0

INTERVAL = 1.0
# transferLeader says success whatever happens, so it is asked again after as long as an opened shard takes to be reported.
RETRY = 3.0
# For all of it. A shard with a long log is Opening for minutes.
TIMEOUT = 300.0
# Nothing gets better for a lock's whole time and this much: then nothing will.
SLACK = 20.0
# An election took up to 6 s, 16 s where the leader was killed.
CLOSING = 60.0
# What a shard's Ready takes to get into the view, when the node only has to report it: heartbeats come every 2 s.
REPORTED = 12.0

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class NotRestored(Failure):
    """As text: sentences that say what is wrong and what to do."""

    kind = "repair.not_restored"


class Stopped(Failure):
    """Somebody ends the process."""

    kind = "repair.stopped"


@dataclass(frozen=True)
class Restored:
    """`shards`: shard -> inventory host, what was put back. `notes`: what else had to be done."""

    shards: Mapping[int, str]
    notes: Tuple[str, ...]
    elapsed: float


@dataclass(frozen=True)
class _Reign:
    """Which leader, and since which election: a leader that lost and won again has forgotten which scheduler it ran."""

    leader: str
    term: int


class Stops:
    """Turns the signals that end a process into one exception while it is armed, so that `finally` gets its turn."""

    def __init__(self) -> None:
        self.armed = False
        self._before: Dict[int, Any] = {}

    def __enter__(self) -> Stops:
        # Python gives signals to the main thread alone.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._arrived) for number in SIGNALS}
            self.armed = True
        return self

    def __exit__(self, *_exception: object) -> None:
        self.armed = False
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _arrived(self, number: int, _frame: Optional[FrameType]) -> None:
        if self.armed:
            # Only once: what follows is the closing, and nothing may cut that short.
            self.armed = False
            raise Stopped("stopped by %s" % signal.Signals(number).name)


@dataclass
class Repair:
    """One repair of one cluster. `given` as for plan.plan."""

    topology: Topology
    given: Optional[Places] = None
    timeout: float = TIMEOUT
    request_timeout: float = REQUEST_TIMEOUT
    clock: Clock = time
    notes: List[str] = field(default_factory=list)

    def plan(self) -> Tuple[Observation, Plan]:
        """Asks the leader which scheduler runs, too: a repair may have been cut off right after it put the topology type back."""
        seen = self._loaded()
        plan = repair_plan.plan(self.topology, seen, self.given)
        left = self.topology.static and plan.known and _schedules_dynamically(self.topology, seen, self.request_timeout)
        return seen, replace(plan, dynamic_left=True) if left else plan

    def _loaded(self) -> Observation:
        """An empty list of clusters is believed only when it stays: a leader has it until it has loaded them."""
        looks: List[Observation] = []

        def look(_elapsed: float) -> Optional[str]:
            looks.append(observe(self.topology, self.request_timeout))
            cluster = looks[-1].cluster
            return "its clusters" if cluster is not None and cluster.names == () else None

        wait(look, LOADING, INTERVAL, clock=self.clock)
        return looks[-1]

    def restore(self) -> Restored:
        """Everything; raises NotRestored. Does nothing where nothing is lost."""
        try:
            return self._restore()
        except (CallFailed, Stopped) as error:
            broken = "the repair broke off: %s. Run it again: %s" % (error, repair_plan.PLAYBOOK)
            raise NotRestored("\n  ".join([broken, *self.notes])) from error
        except NotRestored as error:
            raise NotRestored("\n  ".join([str(error), *self.notes])) from error

    def _restore(self) -> Restored:
        started = self.clock.monotonic()
        self.end_cut_off()
        seen, plan = self.plan()
        if plan.refusals:
            raise NotRestored("\n  ".join(["nothing can be put back now:", *plan.refusals]))
        if plan.restart:
            raise NotRestored(
                "HoraeDB has to be restarted first on %s: it still holds shards that HoraeMeta has forgotten, and the view only follows a "
                "change (%s does all of it)" % (", ".join(plan.restart), repair_plan.PLAYBOOK)
            )
        if plan.lost:
            if self.topology.static:
                self._put_back(seen, plan)
            else:
                self._move(plan)
        return Restored(plan.lost, tuple(self.notes), self.clock.monotonic() - started)

    def end_cut_off(self) -> bool:
        """Puts the topology type back where a repair that was cut off left it; raises NotRestored. False where it didn't."""
        _seen, plan = self.plan()
        if not plan.dynamic_left:
            return False
        self.notes.append("a repair was cut off; its topology type was put back")
        # Nobody has watched the leader since.
        _Window(self, None).close()
        return True

    def _put_back(self, seen: Observation, plan: Plan) -> None:
        window = _Window(self, _reign(self.topology, seen, self.request_timeout))
        with Stops() as stops:
            try:
                try:
                    window.open(seen)
                    self._reopen(plan, window)
                finally:
                    stops.armed = False
            # Two of them: a signal may still arrive between the end of the work and the line that stops listening.
            finally:
                window.close()
        left = self.plan()[1]
        if left.lost or left.refusals:
            raise NotRestored(
                "the topology type is static again, and not everything is back: %s. Run it again: %s"
                % ("; ".join(left.refusals) or "%s still missing" % repair_plan.are(list(left.lost)), repair_plan.PLAYBOOK)
            )

    def _reopen(self, plan: Plan, window: _Window) -> None:
        reopening = _Reopening(self, plan.wanted, window)
        waited = wait(reopening.poll, self.timeout, INTERVAL, clock=self.clock)
        if waited.missing is not None:
            raise NotRestored("not everything is back after %.0f s: %s" % (waited.elapsed, waited.missing))

    def _move(self, plan: Plan) -> None:
        try:
            moved = transfer.Wish(self.topology, "moved", None, self.request_timeout).fulfil(transfer.TIMEOUT, self.clock)
        except transfer.TransferRefused as error:
            raise NotRestored(str(error)) from error
        self.notes.append(moved.why)

        def poll(_elapsed: float) -> Optional[str]:
            now = self.plan()[1]
            back = now.known and not set(now.lost) & set(plan.lost)
            return None if back else "; ".join(now.refusals) or "%s still missing in HoraeMeta's map" % repair_plan.are(list(plan.lost))

        waited = wait(poll, self.timeout, INTERVAL, clock=self.clock)
        if waited.missing is not None:
            raise NotRestored("the map isn't whole %.0f s after the leadership was moved: %s" % (waited.elapsed, waited.missing))


class _Window:
    """The time in which HoraeMeta says dynamic. `reign`: who led when it was opened; None when nobody has watched."""

    def __init__(self, doing: Repair, reign: Optional[_Reign]) -> None:
        self._doing = doing
        self._topology = doing.topology
        self._reign = reign
        self._asked = False
        self._seen = Observation((), ())
        self._batch: Optional[int] = None
        self._cure = Cure(doing.topology, doing.request_timeout)

    def open(self, seen: Observation) -> None:
        """Raises CallFailed; it may have had its effect all the same."""
        self._put(seen, "dynamic")

    def broken(self, seen: Observation) -> bool:
        """Whether somebody else leads by now, or the same one after another election; raises CallFailed."""
        return _reign(self._topology, seen, self._doing.request_timeout) != self._reign

    def moves_shards(self, seen: Observation) -> Optional[bool]:
        return _schedules_dynamically(self._topology, seen, self._doing.request_timeout)

    def close(self) -> None:
        """Puts the topology type back and sees it back; raises NotRestored with what a human has to do at once."""
        waited = wait(self._closed, CLOSING, INTERVAL / 2, times=2, clock=self._doing.clock)
        if waited.missing is not None:
            raise NotRestored(self._still_dynamic(waited.missing))
        # The look that saw it: whoever came to lead after that has loaded what says static.
        schedules = self.moves_shards(self._seen)
        try:
            changed = self._reign is None or self.broken(self._seen)
        except CallFailed:
            changed = True
        if schedules or (changed and not (self._alone and schedules is False)):
            self._depose(schedules)

    def _closed(self, _elapsed: float) -> Optional[str]:
        seen = self._seen = self._cure.judge(observe(self._topology, self._doing.request_timeout, nodes=()))
        if seen.hung and not self._asked:
            # What is put takes no lock that it waits for, and its successor has to load what says static.
            self._asked = self._told(seen)
        met = self._cure.act(seen)
        if met or seen.leader is None:
            return met or transfer.nobody_leads(self._topology, seen)
        entry = seen.cluster.entry if seen.cluster else None
        if entry is not None and entry.topology_type == "static" and self._asked:
            return None
        # At least once: the request that opened the window may have failed here and arrived there.
        try:
            self._put(seen, "static")
        except CallFailed as error:
            return str(error)
        self._asked = True
        return "it was told static, and hasn't been seen to be yet"

    def _told(self, seen: Observation) -> bool:
        with contextlib.suppress(CallFailed):
            self._put(seen, "static")
            return True
        return False

    def _put(self, seen: Observation, topology_type: str) -> None:
        leader = self._topology.member(seen.leader or "")
        entry = seen.cluster.entry if seen.cluster else None
        self._batch = entry.batch_size if entry else self._batch
        if leader is None or self._batch is None:
            raise CallFailed("HoraeMeta", "has no leader that tells its clusters")
        api = HoraeMeta(leader.api, Client(self._doing.request_timeout))
        api.set_topology_type(self._topology.cluster, topology_type, self._batch)

    def _depose(self, schedules: Optional[bool]) -> None:
        """A leader that was elected in the window runs the dynamic scheduler, until the next one loads what now says static."""
        why = "runs the dynamic scheduler" if schedules else "may run the dynamic scheduler, since nobody has watched who led meanwhile"
        if self._alone:
            only = self._topology.members[0].host
            raise NotRestored(
                "the topology type is static again, but HoraeMeta on %s %s, which moves shards away from their data: restart it now "
                "(systemctl restart horaemeta), then run %s" % (only, why, repair_plan.PLAYBOOK)
            )
        wish = transfer.Wish(self._topology, "moved", None, self._doing.request_timeout)
        try:
            moved = wish.fulfil(transfer.TIMEOUT, self._doing.clock)
        except transfer.TransferRefused as error:
            raise NotRestored(
                "the topology type is static again, but the leader %s, which moves shards away from their data, and its leadership can't "
                "be moved: %s. Restart HoraeMeta on it as soon as another member can lead" % (why, error)
            ) from error
        self._doing.notes.append("%s, so that a static scheduler runs: %s %s" % (moved.why, moved.before, why))

    @property
    def _alone(self) -> bool:
        return len(self._topology.members) == 1

    def _still_dynamic(self, missing: str) -> str:
        return (
            "HORAEMETA STILL SAYS dynamic OF THIS STATIC CLUSTER (%s). Restart no member until it is put back: a new leader would move "
            "shards away from their data. As soon as the members answer run %s, which puts it back first" % (missing, repair_plan.PLAYBOOK)
        )


class _Stage(enum.Enum):
    """How far one missing shard is."""

    NODE_SILENT = "its node doesn't answer"
    UNREPORTED = "Ready, and not in the view"
    OPENING = "Opening"
    OTHERWISE = "in another state"
    ASKED = "asked for"
    LOCKED = "locked"
    REFUSED = "refused"


@dataclass(frozen=True)
class _Shard:
    number: int
    stage: _Stage
    text: str

    def __str__(self) -> str:
        return "shard %d %s" % (self.number, self.text)

    def progress(self) -> Tuple[int, _Stage, str]:
        """What differs when it got further: another reason for a refusal is none."""
        return self.number, self.stage, "" if self.stage is _Stage.REFUSED else self.text


class _Reopening:
    """Has each missing shard opened on the node that has its data, until the view has all of them."""

    def __init__(self, doing: Repair, wanted: Places, window: _Window) -> None:
        self._topology = doing.topology
        self._timeout = doing.request_timeout
        self._wanted = wanted
        self._window = window
        self._asked: Dict[int, float] = {}
        self._ready: Dict[int, float] = {}
        self._state: List[Tuple[int, _Stage, str]] = []
        self._progress = 0.0
        self._patience = SLACK + max((node.lock_ttl for node in doing.topology.nodes), default=0)

    def poll(self, elapsed: float) -> Optional[str]:
        """None once all are in the view; raises NotRestored where waiting doesn't help."""
        seen = observe(self._topology, self._timeout)
        leader = self._topology.member(seen.leader or "")
        if leader is None:
            return transfer.nobody_leads(self._topology, seen)
        try:
            broken = self._window.broken(seen) or self._window.moves_shards(seen)
        except CallFailed as error:
            return str(error)
        if broken:
            raise NotRestored("HoraeMeta's leader changed while the repair was going on. Run it again: %s" % repair_plan.PLAYBOOK)
        view = seen.cluster.view if seen.cluster else None
        if view is None:
            return "HoraeMeta's view can't be read"
        missing = {shard: name for shard, name in self._wanted.items() if name not in view.get(shard, ())}
        for shard in sorted(missing):
            if view.get(shard):
                wrong = (shard, view[shard][0], missing[shard])
                raise NotRestored("shard %d was mapped to %s during the repair, and belongs to %s" % wrong)
        shards = [_Shard(shard, *self._bring(seen, leader, shard, name, elapsed)) for shard, name in sorted(missing.items())]
        self._notice(shards, elapsed)
        return "; ".join(map(str, shards)) or None

    def _notice(self, shards: List[_Shard], elapsed: float) -> None:
        state = [shard.progress() for shard in shards]
        if state != self._state:
            self._state, self._progress = state, elapsed
        opening = any(shard.stage is _Stage.OPENING for shard in shards)
        if shards and not opening and elapsed - self._progress > self._patience:
            raise NotRestored("nothing has got better for %.0f s: %s" % (self._patience, "; ".join(map(str, shards))))

    def _bring(self, seen: Observation, leader: Member, shard: int, name: str, elapsed: float) -> Tuple[_Stage, str]:
        """One step for one shard; how it stands then."""
        node = self._topology.node_named(name)
        state = seen.node(node.host) if node else None
        if node is None or state is None or state.shards is None:
            return _Stage.NODE_SILENT, "has to wait: its node %s doesn't answer" % name
        status = state.shards.get(shard)
        if status == READY:
            since = self._ready.setdefault(shard, elapsed)
            if elapsed - since > REPORTED and shard not in self._asked:
                where = (shard, node.host)
                raise NotRestored("shard %d was on %s before the repair began: restart HoraeDB there, then repair again" % where)
            return _Stage.UNREPORTED, "is Ready on %s and not in the view yet" % node.host
        self._ready.pop(shard, None)
        if status is not None:
            return _Stage.OPENING if status == OPENING else _Stage.OTHERWISE, "is %s on %s" % (status, node.host)
        if elapsed - self._asked.get(shard, -RETRY) < RETRY:
            return _Stage.ASKED, "is asked for on %s" % node.host
        held = self._held(leader, node, shard)
        if held:
            return _Stage.LOCKED, held
        self._asked[shard] = elapsed
        try:
            HoraeMeta(leader.api, Client(self._timeout)).transfer_shard(self._topology.cluster, shard, name)
        except CallFailed as error:
            return _Stage.REFUSED, "is refused: %s" % error
        return _Stage.ASKED, "is asked for on %s" % node.host

    def _held(self, leader: Member, node: Node, shard: int) -> Optional[str]:
        """Why it is too early, by the shard's lock in etcd: a node panics when it takes back its former process's lock near its end."""
        key = "%s/%s/shards/%020d" % (self._topology.root_path, self._topology.cluster, shard)
        try:
            etcd = Etcd(leader.etcd, Client(self._timeout))
            lock = etcd.get(key)
            left, granted = etcd.time_to_live(lock.lease) if lock and lock.lease else (0, 0)
        except CallFailed:
            # Only a precaution: a panic is over after a second, and the shard is asked for again.
            return None
        if lock is None or not granted:
            return None
        # A lease with nothing left, too: its key goes up to a second later, and until then it is what the node would take back.
        holder = lock_holder(lock.raw)
        if holder != node.name:
            return "is locked by %s" % holder
        return "is locked by the former process on %s" % node.host if left < granted / 2 else None


def lock_holder(value: bytes) -> str:
    """The node that a shard's lock names: the one field, a text, of HoraeDB's protobuf message ShardLockValue; empty for anything else."""
    length = shift = 0
    for at, byte in enumerate(value[1:], start=2):
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            name = value[at : at + length]
            return name.decode(errors="replace") if value[:1] == b"\n" and len(name) == length else ""
    return ""


def _reign(topology: Topology, seen: Observation, timeout: float) -> _Reign:
    """Raises CallFailed."""
    leader = topology.member(seen.leader or "")
    if leader is None:
        raise CallFailed("HoraeMeta", "has no leader that all members agree on")
    return _Reign(leader.host, Etcd(leader.etcd, Client(timeout)).status().term)


def _schedules_dynamically(topology: Topology, seen: Observation, timeout: float) -> Optional[bool]:
    """Which scheduler runs, whatever the metadata say by now: only the dynamic one can be frozen. None when it doesn't say."""
    leader = topology.member(seen.leader or "")
    if leader is None:
        return None
    try:
        return HoraeMeta(leader.api, Client(timeout)).schedules_dynamically(topology.cluster)
    except CallFailed:
        return None

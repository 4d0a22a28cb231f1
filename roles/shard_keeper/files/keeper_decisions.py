# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, see LICENSE
# SPDX-License-Identifier: Apache-2.0
"""What the shard keeper decides about shards, fed with what was seen and with the time. Pure: it asks nobody and does nothing.

What it decides about the leadership itself is in leader_watch.py.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, List, Mapping, Optional, Tuple

STANDBY, IDLE, WATCH, MOVE, RESTART = "standby", "idle", "watch", "move", "restart"
STATIC, DYNAMIC = "static", "dynamic"

# Members are not read in one instant: one in sync may be a few log entries behind. One that was away is hundreds behind.
SYNC_SLACK = 100
# Seconds after which what a member said is no news. It may have died with the node that all this is about.
FRESH = 2.0
# Seconds that a member which was asked to hand over gets to be seen doing it. A move takes 0.2 s.
SETTLE = 2.0
# Seconds between two decisions after which this process must have been stopped itself: the silence was its own.
ASLEEP = 3.0


# ---- What is configured and what is seen


@dataclass(frozen=True)
class Member:
    name: str
    api: str
    etcd: str
    client_url: str

    def is_at(self, url: str) -> bool:
        """Whether HoraeMeta means this member by `url`."""
        return bool(url) and url.rstrip("/") in (self.client_url.rstrip("/"), self.etcd.rstrip("/"))


@dataclass(frozen=True)
class Settings:
    """The configuration file. `nodes`: the name that HoraeMeta knows a data node by -> its HTTP address. Times in seconds."""

    cluster: str
    topology_type: str
    member: Member
    others: Tuple[Member, ...]
    nodes: Mapping[str, str]
    lock_key: str
    leader_key: str
    cures_prefix: str
    silence: float
    silence_locked: float
    unmapped: float
    pause: float
    interval: float
    timeout: float
    port: int
    metrics_file: str
    restart_file: str
    kill_file: str

    @classmethod
    def read(cls, text: str) -> Settings:
        """Raises ValueError with a sentence."""
        try:
            data = dict(json.loads(text))
            members = [Member(**member) for member in data.pop("members")]
            name = data.pop("member")
            own = [member for member in members if member.name == name]
            if len(own) != 1:
                raise ValueError("member %r is not one of the members" % name)
            settings = cls(member=own[0], others=tuple(m for m in members if m.name != name), **data)
            if settings.topology_type not in (STATIC, DYNAMIC):
                raise ValueError("topology_type is %r, not static or dynamic" % settings.topology_type)
            for key in ("silence", "silence_locked", "unmapped", "pause", "interval", "timeout"):
                value = float(getattr(settings, key))
                if math.isnan(value) or value <= 0:
                    raise ValueError("%s is not a number of seconds above 0" % key)
            # A question without an answer has to have ended before its node counts as silent: Keeper tells from it since when.
            if settings.interval + settings.timeout > settings.silence or settings.silence > settings.silence_locked:
                raise ValueError("interval + timeout <= silence <= silence_locked does not hold")
            return settings
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("%s: %s" % (type(error).__name__, error)) from None


@dataclass(frozen=True)
class LeaderKey:
    """The key in etcd that says who leads HoraeMeta. It outlives its owner by its lease."""

    member: int
    lease: int


@dataclass(frozen=True)
class Own:
    """What this host's own member says. What has a default is only read where it leads etcd, or names itself leader.

    `hangs`: it named itself leader, and its list of clusters was not answered in time. `took`: seconds of the slowest answer that waits for
    no cluster; on a machine that is starved they take long as well.
    """

    asked: float
    id: int
    etcd_leader: int
    term: int
    applied: int
    leader_url: str
    healthy: bool = False
    topology_type: Optional[str] = None
    view: Mapping[int, Tuple[str, ...]] = field(default_factory=dict)
    locked: bool = False
    hangs: bool = False
    took: float = 0.0
    key: Optional[LeaderKey] = None

    @property
    def leads_etcd(self) -> bool:
        return self.etcd_leader == self.id

    def names(self, member: Member) -> bool:
        """Whether it says that `member` leads HoraeMeta."""
        return member.is_at(self.leader_url)


@dataclass(frozen=True)
class Other:
    """What another member said of itself, and when."""

    at: float
    etcd_leader: int
    applied: int
    voting: bool
    healthy: bool
    # It calls itself HoraeMeta's leader: for a moment after it was one, or because it hung as one and was never restarted.
    names_itself: bool = False

    def fit(self, now: float, own: Own) -> bool:
        """Whether it can take over from the own member, which leads etcd."""
        fresh = now - self.at <= FRESH
        synced = self.etcd_leader == own.id and own.applied - self.applied <= SYNC_SLACK
        return fresh and synced and self.healthy and self.voting and not self.names_itself


@dataclass(frozen=True)
class Decision:
    """`about` tells one decision from another where `why` only counts the seconds on: it is logged when that changes."""

    do: str
    why: str
    about: str = ""
    target: str = ""


# ---- Deciding


@dataclass
class Node:
    """Since when a data node is silent. Between `answered` and `failing` it may have died, and may have been heard until then."""

    answered: Optional[float] = None
    failing: Optional[float] = None
    error: str = ""
    ready: FrozenSet[int] = frozenset()


class Keeper:
    """Feed it with answered(), failed(), own() and other(); step() says what to do now, and done() how that went."""

    def __init__(self, settings: Settings, now: float, settle: float = SETTLE) -> None:
        self._settings = settings
        self._settle = settle
        self.nodes = {name: Node() for name in settings.nodes}
        self._own: Optional[Own] = None
        self._own_trouble = "it was not asked yet"
        self._others: Dict[str, Other] = {}
        # Silence before this moment is not the node's but this process's.
        self._awake = now
        self._stepped = now
        # etcd's term numbers leaderships. `_since` is a moment before which this one can't have begun; None: it began before we looked.
        self._term: Optional[int] = None
        self._since: Optional[float] = None
        self._looked: Optional[float] = None
        # A leader that etcd elected again at once may not have noticed, and still knows whom it heard. With nobody else to move to it counts
        # as another one, which it is after its own restart.
        self._remembers = False
        self._took_over: Optional[float] = None
        self._wait_until = now
        self._failures = 0
        self._targets_failed: Dict[str, int] = {}
        self._seen_mapped: Dict[int, None] = {}
        self._unmapped: Dict[Tuple[str, int], float] = {}
        self.counts = {"move_done": 0, "move_failed": 0, "restart_done": 0, "restart_failed": 0}
        self.decision = Decision(IDLE, "nothing was seen yet")

    # What was seen

    def answered(self, name: str, now: float, ready: FrozenSet[int] = frozenset()) -> None:
        node = self.nodes[name]
        node.answered, node.failing, node.error, node.ready = now, None, "", ready

    def failed(self, name: str, now: float, error: str) -> None:
        """`now` is when the answer was given up, so that the node was certainly dead by then, if it is."""
        node = self.nodes[name]
        node.error, node.ready = error, frozenset()
        if node.failing is None:
            node.failing = now

    def other(self, name: str, seen: Optional[Other]) -> None:
        if seen is None:
            self._others.pop(name, None)
        else:
            self._others[name] = seen

    def own(self, seen: Optional[Own], trouble: str = "") -> None:
        """No answer is not evidence that somebody else leads: what this leader heard before, it still knows."""
        self._own, self._own_trouble = seen, trouble
        if seen is None:
            return
        if seen.etcd_leader and not seen.leads_etcd:
            self._remembers = False
        term = seen.term if seen.leads_etcd else None
        if term != self._term:
            if term is not None and not (self._remembers and self._settings.others):
                self._since = self._looked
            self._term, self._took_over = term, None
            self._targets_failed, self._seen_mapped, self._unmapped = {}, {}, {}
            self._wait_until, self._failures = seen.asked, 0
        self._remembers = self._remembers or seen.leads_etcd
        self._looked = seen.asked

    def leading(self) -> bool:
        """By both words. They differ for a moment around every change."""
        own = self._own
        return own is not None and own.leads_etcd and own.names(self._settings.member)

    def silence(self, name: str, now: float) -> float:
        """Seconds; 0 while no question has failed since the last answer."""
        node = self.nodes[name]
        if node.failing is None:
            return 0.0
        return now - (self._awake if node.answered is None else max(self._awake, node.answered))

    def heard(self, name: str) -> bool:
        """Whether this leader may have heard the silent node: only then will it forget it.

        The node was dead at the latest when the first question failed; if that was before this leadership can have begun, its leader never
        heard it. That ends the moves: the next leader's keeper finds the node silent since before. Nobody can tell for a leadership that is
        older than this process, and one move too many is harmless.
        """
        failing = self.nodes[name].failing
        return failing is not None and (self._since is None or failing >= self._since)

    # What to do

    def step(self, now: float) -> Decision:
        if now - self._stepped > ASLEEP:
            self._awake = now
        self._stepped = now
        self.decision = self._decide(now)
        return self.decision

    def done(self, now: float, failure: str) -> None:
        """How the last decision to act went; a failed one is tried again at once, then less and less often."""
        act = self.decision
        self._stepped = now
        if failure:
            self.counts[act.do + "_failed"] += 1
            self._targets_failed[act.target] = self._targets_failed.get(act.target, 0) + 1
            self._wait_until = now + min(self._settings.interval * 2**self._failures, self._settings.pause)
            self._failures += 1
        else:
            self.counts[act.do + "_done"] += 1
            self._failures = 0
            self._wait_until = now + (self._settle if act.do == MOVE else max(self._settle, self._settings.pause))

    def _decide(self, now: float) -> Decision:
        settings, own = self._settings, self._own
        if own is None:
            return Decision(IDLE, "member %s can't be asked: %s" % (settings.member.name, self._own_trouble), "own")
        if now - own.asked > FRESH + settings.timeout:
            return Decision(IDLE, "member %s has not answered for %.1f s" % (settings.member.name, now - own.asked), "own")
        if not own.etcd_leader:
            return Decision(IDLE, "there is no leader: the quorum is lost, or an election is going on", "quorum")
        if not self.leading():
            if own.leads_etcd:
                says = "HoraeMeta names %s" % own.leader_url if own.leader_url else "HoraeMeta has no leader yet"
                return Decision(IDLE, "member %s leads etcd, and %s" % (settings.member.name, says), "disagree")
            return Decision(STANDBY, "another member leads", "standby")
        if not own.healthy:
            return Decision(IDLE, "etcd on member %s isn't healthy: the quorum is lost" % settings.member.name, "quorum")
        if own.topology_type is None:
            return Decision(IDLE, "HoraeMeta has no cluster %s yet" % settings.cluster, "cluster")
        if own.topology_type != settings.topology_type:
            facts = (settings.cluster, own.topology_type, settings.topology_type)
            return Decision(IDLE, "cluster %s says %s topology and this keeper was set up for %s: a repair may be going on" % facts, "type")
        if self._took_over is None:
            # What began before this process looked counts as old.
            self._took_over = now if self._since is not None else now - settings.pause
        due = self._silent(now, own) if settings.topology_type == STATIC else self._missing(now, own)
        return due if due.do == WATCH else self._act(now, own, due, self._took_over)

    def _silent(self, now: float, own: Own) -> Decision:
        """Static topology: mapped nodes that this leader has heard and that fell silent."""
        settings = self._settings
        limit = settings.silence_locked if own.locked else settings.silence
        mapped = sorted({name for names in own.view.values() for name in names if name in self.nodes})
        silent = [name for name in mapped if self.silence(name, now) >= limit]
        due = [name for name in silent if self.heard(name)]
        if due:
            says = ", ".join("%s has been silent for %.1f s (%s)" % (n, self.silence(n, now), self.nodes[n].error) for n in due)
            return Decision(MOVE, says, "silent " + " ".join(due))
        if silent:
            says = "silent since before this leadership, so never heard by it and safe: %s" % ", ".join(silent)
            return Decision(WATCH, says, "safe " + " ".join(silent))
        strangers = sorted({name for names in own.view.values() for name in names} - set(self.nodes))
        if strangers:
            return Decision(WATCH, "mapped and not in this keeper's configuration: %s" % ", ".join(strangers), "strangers")
        return Decision(WATCH, "%d mapped data nodes answer" % len(mapped), "well")

    def _missing(self, now: float, own: Own) -> Decision:
        """Dynamic topology: shards that a living node serves and that fell out of the map under this leader.

        A new leader maps what nodes report, in 2 s. Shards that it never had in its map are not missing for want of a move.
        """
        self._seen_mapped.update(dict.fromkeys(own.view))
        missing = {
            (name, shard)
            for name, node in self.nodes.items()
            for shard in (node.ready if node.failing is None else ())
            if shard not in own.view and (shard in self._seen_mapped or self._since is None)
        }
        self._unmapped = {key: self._unmapped.get(key, now) for key in missing}
        due = sorted(key for key, since in self._unmapped.items() if now - since >= self._settings.unmapped)
        if not due:
            return Decision(WATCH, "%d shards are mapped" % len(own.view), "well")
        says = ", ".join("shard %d is Ready on %s and missing in the map" % (shard, name) for name, shard in due)
        if own.locked:
            return Decision(WATCH, "%s; a playbook is at work on the cluster and judges that itself" % says, "locked")
        return Decision(MOVE, says, "missing " + str(due))

    def _act(self, now: float, own: Own, due: Decision, took_over: float) -> Decision:
        settings = self._settings
        young = settings.pause - (now - took_over)
        if young > 0:
            return Decision(WATCH, "%s; this leadership is young, %.1f s to wait" % (due.why, young), "young " + due.about)
        if now < self._wait_until:
            return Decision(WATCH, "%s; waiting for what was done about it" % due.why, "wait " + due.about)
        if not settings.others:
            if due.about.startswith("missing") or not settings.restart_file:
                return Decision(IDLE, "%s, and there is no other member that could lead" % due.why, "nobody " + due.about)
            return Decision(RESTART, "%s: the only member is to be restarted" % due.why, due.about)
        fit = self.fit(now, own)
        if not fit:
            return Decision(IDLE, "%s, and no other member is healthy, voting and in sync" % due.why, "nobody " + due.about)
        target = min(fit, key=lambda name: self._targets_failed.get(name, 0))
        return Decision(MOVE, "%s: the leadership is to go to %s" % (due.why, target), due.about, target)

    def fit(self, now: float, own: Own) -> List[str]:
        """The other members that can take over."""
        seen = [(member.name, self._others.get(member.name)) for member in self._settings.others]
        return [name for name, other in seen if other is not None and other.fit(now, own)]

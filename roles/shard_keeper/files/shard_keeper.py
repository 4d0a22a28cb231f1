# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, see LICENSE
# SPDX-License-Identifier: Apache-2.0
"""The shard keeper: moves HoraeMeta's leadership before the leader forgets the shards of a data node that fell silent.

HoraeMeta's leader takes the shards away from a node that it has not heard for 10 s, in static topology for good. It only does so
to nodes that it has heard itself since it began to lead, so that a new leader leaves a node alone that was silent before. Hence:
a mapped node is silent -> somebody else leads -> the node may be away for as long as it likes.

One file, standard library only, Python 3.8 or newer. `Keeper` decides and is pure: it is fed with what was seen and with the time.
The rest asks, acts and tells.
"""

from __future__ import annotations

import argparse
import base64
import errno
import http.client
import http.server
import json
import math
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

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
# Trouble of this host's own, which says nothing about the node that was asked.
OWN_TROUBLE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EPERM)
MAX_BODY = 16 * 1024 * 1024
METRICS_INTERVAL = 5.0


# ---- What is configured and what is seen


@dataclass(frozen=True)
class Member:
    name: str
    api: str
    etcd: str
    client_url: str


@dataclass(frozen=True)
class Settings:
    """The configuration file. `nodes`: the name that HoraeMeta knows a data node by -> its HTTP address. Times in seconds."""

    cluster: str
    topology_type: str
    member: Member
    others: Tuple[Member, ...]
    nodes: Mapping[str, str]
    lock_key: str
    silence: float
    silence_locked: float
    unmapped: float
    pause: float
    interval: float
    timeout: float
    port: int
    metrics_file: str
    restart_file: str

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
class Own:
    """What this host's own member says. The last four are only read where it leads."""

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

    @property
    def leads_etcd(self) -> bool:
        return self.etcd_leader == self.id


@dataclass(frozen=True)
class Other:
    """What another member said of itself, and when."""

    at: float
    etcd_leader: int
    applied: int
    voting: bool
    healthy: bool


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
        own, member = self._own, self._settings.member
        urls = (member.client_url.rstrip("/"), member.etcd.rstrip("/"))
        return own is not None and own.leads_etcd and own.leader_url.rstrip("/") in urls

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
        fit = [member.name for member in settings.others if self._fit(now, own, self._others.get(member.name))]
        if not fit:
            return Decision(IDLE, "%s, and no other member is healthy, voting and in sync" % due.why, "nobody " + due.about)
        target = min(fit, key=lambda name: self._targets_failed.get(name, 0))
        return Decision(MOVE, "%s: the leadership is to go to %s" % (due.why, target), due.about, target)

    def _fit(self, now: float, own: Own, seen: Optional[Other]) -> bool:
        if seen is None or now - seen.at > FRESH:
            return False
        return seen.healthy and seen.voting and seen.etcd_leader == own.id and own.applied - seen.applied <= SYNC_SLACK


# ---- Asking


class Trouble(Exception):
    """No usable answer, as a sentence."""


class CannotTell(Exception):
    """The question could not even be put: it says nothing about who was asked."""


class Questions:
    """HTTP requests that share one budget of time. Proxies of the environment are never used."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._end = time.monotonic() + timeout

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout()
        return left

    def ask(self, method: str, url: str, body: Any = None) -> Tuple[int, bytes]:
        """Raises Trouble where there is no answer in HTTP, CannotTell for this host's own troubles. A body that breaks off is empty."""
        parts = urlsplit(url)
        try:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self._left())
            try:
                data = None if body is None else json.dumps(body).encode()
                connection.request(method, parts.path or "/", data, {"Connection": "close"})
                connection.sock.settimeout(self._left())
                response = connection.getresponse()
                try:
                    return response.status, response.read(MAX_BODY)
                except (OSError, http.client.HTTPException):
                    return response.status, b""
            finally:
                connection.close()
        except socket.gaierror as error:
            raise CannotTell("%s: the name can't be resolved" % url) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in OWN_TROUBLE:
                raise CannotTell("%s: %s" % (url, error)) from error
            late = "nothing within %g s" % self._timeout
            raise Trouble("%s: %s" % (url, late if isinstance(error, socket.timeout) else str(error) or type(error).__name__)) from error

    def json(self, method: str, url: str, body: Any, read: Callable[[Any], Any]) -> Any:
        """`read` of the document of an answer with status 200; Trouble for anything else."""
        status, text = self.ask(method, url, body)
        try:
            if status == 200:
                return read(json.loads(text))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Trouble("%s answered what isn't understood (%s: %s)" % (url, type(error).__name__, error)) from None
        raise Trouble("%s answered HTTP %d: %s" % (url, status, text[:200].decode("utf-8", "replace").strip()))

    def healthy(self, member: Member) -> bool:
        """By etcd's word, which needs a quorum; HoraeMeta says success without."""
        status, text = self.ask("GET", member.etcd + "/health")
        return status == 200 and b'"true"' in text

    def status(self, member: Member) -> Dict[str, Any]:
        return dict(self.json("POST", member.etcd + "/v3/maintenance/status", {}, dict))


def _data(document: Any) -> Any:
    """What is in HoraeMeta's envelope."""
    if document["status"] != "success":
        raise ValueError("status %s" % document["status"])
    return document.get("data")


def _view(document: Any) -> Dict[int, Tuple[str, ...]]:
    view: Dict[int, Tuple[str, ...]] = {}
    for entry in _data(document)["NodeShards"] or []:
        shard, name = int(entry["ShardInfo"]["ID"]), str(entry["ShardNode"]["NodeName"])
        view[shard] = view.get(shard, ()) + ((name,) if name else ())
    return {shard: names for shard, names in view.items() if names}


def ask_own(settings: Settings) -> Own:
    """Raises Trouble or CannotTell. The gateway writes numbers as strings and leaves zeros out."""
    member, asked = settings.member, time.monotonic()
    questions = Questions(2 * settings.timeout)
    said = questions.status(member)
    head = said.get("header", {})
    status, text = questions.ask("GET", member.api + "/debug/leader")
    # HTTP 500 while there is none.
    leader_url = str(json.loads(text).get("data") or "") if status == 200 and text.startswith(b"{") else ""
    own = Own(
        asked=asked,
        id=int(head.get("member_id", 0)),
        etcd_leader=int(said.get("leader", 0)),
        term=int(said.get("raftTerm", 0)),
        applied=int(said.get("raftAppliedIndex", 0)),
        leader_url=leader_url,
    )
    if not own.leads_etcd or not leader_url:
        return own
    if not questions.healthy(member):
        return own
    key = base64.b64encode(settings.lock_key.encode()).decode()
    listed = questions.json("GET", member.api + "/api/v1/clusters", None, lambda said: list(_data(said) or []))
    types = {str(entry["Name"]): str(entry["TopologyType"]) for entry in listed}
    known = settings.cluster in types
    return Own(
        **dict(
            vars(own),
            healthy=True,
            locked=questions.json("POST", member.etcd + "/v3/kv/range", {"key": key}, lambda said: bool(said.get("kvs"))),
            topology_type=types.get(settings.cluster),
            view=questions.json("POST", member.api + "/api/v1/getNodeShards", {"ClusterName": settings.cluster}, _view) if known else {},
        )
    )


def ask_other(settings: Settings, member: Member) -> Other:
    """Raises Trouble or CannotTell."""
    asked, questions = time.monotonic(), Questions(settings.timeout)
    said = questions.status(member)
    leader, applied = int(said.get("leader", 0)), int(said.get("raftAppliedIndex", 0))
    return Other(asked, leader, applied, said.get("isLearner") is not True, questions.healthy(member))


def ask_node(settings: Settings, name: str) -> FrozenSet[int]:
    """The shards that the node calls Ready. Any answer in HTTP is a sign of life; raises Trouble without one."""
    _status, text = Questions(settings.timeout).ask("GET", settings.nodes[name] + "/debug/shards")
    try:
        return frozenset(int(entry["id"]) for entry in json.loads(text) if entry["status"] == "Ready")
    except (KeyError, TypeError, ValueError):
        return frozenset()


# ---- Acting


def act(settings: Settings, decision: Decision) -> str:
    """Returns why it was not done, nothing when it was. The leader is looked up anew: what was seen may be over."""
    try:
        own = ask_own(settings)
        if not own.leads_etcd:
            return "member %s doesn't lead any more" % settings.member.name
        if own.topology_type != settings.topology_type:
            # A leader that begins while the cluster says dynamic would run the dynamic scheduler, which moves shards away from their data.
            return "cluster %s says %s topology by now" % (settings.cluster, own.topology_type)
        if decision.do == MOVE:
            Questions(2 * settings.timeout).json(
                "POST", settings.member.api + "/api/v1/etcd/moveLeader", {"memberName": decision.target}, _data
            )
            return ""
        if os.path.exists(settings.restart_file):
            return "%s is still there from the last time: look at horaedb-shard-keeper-restart.path" % settings.restart_file
        with open(settings.restart_file, "w", encoding="ascii"):
            return ""
    except (CannotTell, OSError, Trouble, ValueError) as error:
        return str(error)


# ---- Telling


def metrics(keeper: Keeper, now: float) -> str:
    """Prometheus' text format."""
    prefix = "horaedb_shard_keeper_"
    states = [('{state="%s"}' % state, float(keeper.decision.do == state)) for state in (STANDBY, IDLE, WATCH, MOVE, RESTART)]
    silences = [('{node="%s"}' % name, round(keeper.silence(name, now), 1)) for name in sorted(keeper.nodes)]
    rows = [
        ("leading", "gauge", "Whether this host's member leads.", [("", float(keeper.leading()))]),
        ("state", "gauge", "What the last decision was.", states),
        ("node_silence_seconds", "gauge", "For how long a data node has not answered.", silences),
        ("last_look_seconds", "gauge", "Unix time of the last decision.", [("", float(int(time.time())))]),
    ]
    for what, text in (("move", "Leadership moves"), ("restart", "Restarts of the only member")):
        results = [('{result="%s"}' % result, float(keeper.counts["%s_%s" % (what, result)])) for result in ("done", "failed")]
        rows.append((what + "s_total", "counter", text + " that were asked for.", results))
    lines = []
    for name, kind, text, samples in rows:
        lines += ["# HELP %s%s %s" % (prefix, name, text), "# TYPE %s%s %s" % (prefix, name, kind)]
        lines += ["%s%s%s %.12g" % (prefix, name, labels, value) for labels, value in samples]
    return "\n".join([*lines, ""])


class Log:
    """One line for each thing said, and none for what was just said."""

    def __init__(self) -> None:
        self._last: Dict[str, str] = {}

    def say(self, text: str) -> None:
        try:
            sys.stdout.write("%s %s\n" % (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), " ".join(text.split())))
            sys.stdout.flush()
        except OSError:
            # A full disk must not end the watch. The page and the metrics still tell.
            return

    def change(self, topic: str, about: str, text: str) -> None:
        if self._last.get(topic) != about:
            self._last[topic] = about
            if text:
                self.say(text)


class Watch:
    """The running service: a loop that decides, and a thread for each host that is asked: one which answers nothing delays nobody."""

    def __init__(self, settings: Settings, dry: bool = False) -> None:
        self.settings = settings
        self.log = Log()
        self.stop = threading.Event()
        self._dry = dry
        self._lock = threading.Lock()
        # In a dry run nothing ever comes of it: say it again only now and then.
        self._keeper = Keeper(settings, time.monotonic(), 60.0 if dry else SETTLE)
        self._asked: Dict[str, None] = {}
        self._written = time.monotonic() - METRICS_INTERVAL

    def start(self) -> None:
        jobs: List[Tuple[str, Callable[[], None]]] = [("own", self._look_own)]
        jobs += [(name, self._look_node(name)) for name in self.settings.nodes]
        jobs += [(member.name, self._look_other(member)) for member in self.settings.others]
        for name, job in jobs:
            threading.Thread(target=self._poll, args=(name, job), daemon=True).start()

    def _poll(self, name: str, job: Callable[[], None]) -> None:
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                job()
                self.log.change("poll " + name, "", "")
            except Exception as error:
                # Whatever it was, the next question may go well; a thread that ended would leave its host unwatched.
                self.log.change("poll " + name, str(error), "%s can't be judged: %s: %s" % (name, type(error).__name__, error))
            self._asked[name] = None
            self.stop.wait(max(0.0, self.settings.interval - (time.monotonic() - began)))

    def _look_own(self) -> None:
        try:
            seen: Optional[Own] = ask_own(self.settings)
            trouble = ""
        except (CannotTell, Trouble, ValueError) as error:
            seen, trouble = None, str(error)
        with self._lock:
            self._keeper.own(seen, trouble)

    def _look_node(self, name: str) -> Callable[[], None]:
        def look() -> None:
            try:
                ready = ask_node(self.settings, name)
            except Trouble as error:
                with self._lock:
                    self._keeper.failed(name, time.monotonic(), str(error))
                return
            with self._lock:
                self._keeper.answered(name, time.monotonic(), ready)

        return look

    def _look_other(self, member: Member) -> Callable[[], None]:
        def look() -> None:
            with self._lock:
                needed = self._keeper.leading()
            try:
                seen = ask_other(self.settings, member) if needed else None
            except (CannotTell, Trouble, ValueError):
                seen = None
            with self._lock:
                self._keeper.other(member.name, seen)

        return look

    def step(self) -> Decision:
        with self._lock:
            decision = self._keeper.step(time.monotonic())
        acts = decision.do in (MOVE, RESTART)
        again = " %d" % sum(self._keeper.counts.values()) if acts else ""
        self.log.change("decision", decision.do + decision.about + again, "%s: %s" % (decision.do, decision.why))
        if acts:
            failure = "" if self._dry else act(self.settings, decision)
            self.log.say("%s: %s" % (decision.do, "failed: " + failure if failure else "dry run, nothing done" if self._dry else "done"))
            with self._lock:
                self._keeper.done(time.monotonic(), failure)
        return decision

    def metrics(self) -> str:
        with self._lock:
            return metrics(self._keeper, time.monotonic())

    def status(self) -> str:
        with self._lock:
            now, keeper = time.monotonic(), self._keeper
            lines = ["%s: %s" % (keeper.decision.do, keeper.decision.why)]
            for name, node in sorted(keeper.nodes.items()):
                if node.failing is not None:
                    lines.append("%s: silent for %.1f s (%s)" % (name, keeper.silence(name, now), node.error))
                else:
                    lines.append("%s: %s" % (name, "answers" if node.answered is not None else "not asked yet"))
        return "\n".join([*lines, ""])

    def write_metrics(self) -> None:
        """Whole or not at all: a collector may read at any moment."""
        path = self.settings.metrics_file
        try:
            with open(path + ".new", "w", encoding="utf-8") as stream:
                stream.write(self.metrics())
            os.replace(path + ".new", path)
            self.log.change("metrics", "", "")
        except OSError as error:
            self.log.change("metrics", str(error), "the metrics can't be written: %s" % error)

    def run(self) -> None:
        """Until it is stopped."""
        self.start()
        serve(self)
        while not self.stop.wait(self.settings.interval):
            try:
                self.step()
            except Exception as error:
                self.log.change("step", str(error), "a decision broke off: %s: %s" % (type(error).__name__, error))
            # The file is the service's, and a dry run may be beside one.
            if not self._dry and time.monotonic() - self._written >= METRICS_INTERVAL:
                self._written = time.monotonic()
                self.write_metrics()

    def once(self) -> Decision:
        """One look, for a person. It can't act: one look is no silence."""
        self.start()
        end = time.monotonic() + 3 * self.settings.timeout
        wanted = 1 + len(self.settings.nodes) + len(self.settings.others)
        while len(self._asked) < wanted and time.monotonic() < end:
            self.stop.wait(0.05)
        with self._lock:
            decision = self._keeper.step(time.monotonic())
        self.stop.set()
        sys.stdout.write(self.status())
        return decision


def serve(watch: Watch) -> None:
    """The page on loopback. One request at a time is enough, and bounds what other users of the host can take."""

    class Page(http.server.BaseHTTPRequestHandler):
        timeout = 2.0

        def do_GET(self) -> None:
            known = {"/": watch.status, "/metrics": watch.metrics}.get(self.path)
            body = (known() if known else "there are / and /metrics\n").encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8" if known else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Requests are not decisions."""

    # Not http.server's own: that looks up its host's name first, and a resolver that hangs would hang the watch.
    class Quiet(socketserver.TCPServer):
        allow_reuse_address = True

        def handle_error(self, *_args: Any) -> None:
            """Somebody hung up."""

    try:
        server = Quiet(("127.0.0.1", watch.settings.port), Page)
    except OSError as error:
        watch.log.say("the page on 127.0.0.1:%d can't be opened: %s. The watch goes on without." % (watch.settings.port, error))
        return
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Moves HoraeMeta's leadership before it forgets the shards of a silent data node.")
    parser.add_argument("--config", required=True, help="the configuration, JSON")
    parser.add_argument("--once", action="store_true", help="one look: show it and end")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--check", action="store_true", help="only read the configuration")
    chosen = parser.parse_args(arguments)
    try:
        with open(chosen.config, encoding="utf-8") as stream:
            settings = Settings.read(stream.read())
    except (OSError, ValueError) as error:
        sys.stderr.write("shard keeper: %s can't be used: %s\n" % (chosen.config, error))
        return 2
    if chosen.check:
        return 0
    watch = Watch(settings, chosen.dry_run)
    if chosen.once:
        watch.once()
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: watch.stop.set())
    watch.log.say("watching %d data nodes of cluster %s beside member %s" % (len(settings.nodes), settings.cluster, settings.member.name))
    watch.run()
    watch.log.say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())

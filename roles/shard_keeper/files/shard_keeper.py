# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, see LICENSE
# SPDX-License-Identifier: Apache-2.0
"""The shard keeper: moves HoraeMeta's leadership before the leader forgets the shards of a data node that fell silent.

HoraeMeta's leader takes the shards away from a node that it has not heard for 10 s, in static topology for good. It only does so
to nodes that it has heard itself since it began to lead, so that a new leader leaves a node alone that was silent before. Hence:
a mapped node is silent -> somebody else leads -> the node may be away for as long as it likes.

Two files, standard library only, Python 3.8 or newer. keeper_decisions.py decides; this one asks, acts and tells.
"""

from __future__ import annotations

import argparse
import base64
import errno
import http.client
import http.server
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Tuple
from urllib.parse import urlsplit

from keeper_decisions import IDLE, MOVE, RESTART, SETTLE, STANDBY, WATCH, Decision, Keeper, Member, Other, Own, Settings

# Trouble of this host's own, which says nothing about the node that was asked.
OWN_TROUBLE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EPERM)
MAX_BODY = 16 * 1024 * 1024
METRICS_INTERVAL = 5.0


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

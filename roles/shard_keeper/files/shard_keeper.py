# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, see LICENSE
# SPDX-License-Identifier: Apache-2.0
"""The shard keeper: keeps the shards of a data node that fell silent, and a leader that answers.

HoraeMeta's leader takes the shards away from a node that it has not heard for 10 s, in static topology for good. It only does so
to nodes that it has heard itself since it began to lead, so that a new leader leaves a node alone that was silent before. Hence:
a mapped node is silent -> somebody else leads -> the node may be away for as long as it likes.

And a new leader may hang for ever, or not be told that it leads. Hence: the own member hangs -> somebody else leads, and the member is
killed; the leader key names somebody who can't lead -> its lease is revoked.

Standard library only, Python 3.8 or newer. keeper_decisions.py and leader_watch.py decide, keeper_questions.py asks, leader_cure.py
cures; this one runs and tells.
"""

from __future__ import annotations

import argparse
import http.server
import os
import signal
import socketserver
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from keeper_decisions import IDLE, MOVE, RESTART, SETTLE, STANDBY, WATCH, Decision, Keeper, Member, Own, Settings
from keeper_questions import CannotTell, Questions, Trouble, ask_node, ask_other, ask_own, enveloped
from leader_cure import Outcome, cure, fence, note, revoke
from leader_watch import CURE, FENCE, HUNG, LEFT, NOTE, NOTHING, REVOKE, LeaderWatch, Order

METRICS_INTERVAL = 5.0
# The thread that asks the own member. No name of a data node or of a member: those have no blank in them.
OWN = "own member"


# ---- Acting


def act(settings: Settings, decision: Decision) -> str:
    """Returns why it was not done, nothing when it was. The leader is looked up anew: what was seen may be over."""
    try:
        own = ask_own(settings)
        if own.hangs:
            return "member %s hangs by now" % settings.member.name
        if not own.leads_etcd:
            return "member %s doesn't lead any more" % settings.member.name
        if own.topology_type != settings.topology_type:
            # A leader that begins while the cluster says dynamic would run the dynamic scheduler, which moves shards away from their data.
            return "cluster %s says %s topology by now" % (settings.cluster, own.topology_type)
        if decision.do == MOVE:
            Questions(2 * settings.timeout).json(
                "POST", settings.member.api + "/api/v1/etcd/moveLeader", {"memberName": decision.target}, enveloped
            )
            return ""
        if os.path.exists(settings.restart_file):
            return "%s is still there from the last time: look at horaedb-shard-keeper-restart.path" % settings.restart_file
        with open(settings.restart_file, "w", encoding="ascii"):
            return ""
    except (CannotTell, OSError, Trouble, ValueError) as error:
        return str(error)


# ---- Telling


def metrics(keeper: Keeper, leadership: LeaderWatch, now: float) -> str:
    """Prometheus' text format."""
    prefix = "horaedb_shard_keeper_"
    states = [('{state="%s"}' % state, float(keeper.decision.do == state)) for state in (STANDBY, IDLE, WATCH, MOVE, RESTART)]
    silences = [('{node="%s"}' % name, round(keeper.silence(name, now), 1)) for name in sorted(keeper.nodes)]
    rows = [
        ("leading", "gauge", "Whether this host's member leads.", [("", float(keeper.leading()))]),
        ("state", "gauge", "What the last decision was.", states),
        ("node_silence_seconds", "gauge", "For how long a data node has not answered.", silences),
        ("last_look_seconds", "gauge", "Unix time of the last decision.", [("", float(int(time.time())))]),
        ("hung", "gauge", "Whether this host's member hangs.", [("", float(leadership.state(now) in (HUNG, LEFT)))]),
        ("left", "gauge", "Whether it hangs, was cured too often and is left to a person.", [("", float(leadership.state(now) == LEFT))]),
    ]
    counts = {**keeper.counts, **leadership.counts}
    for what, name, text in (
        (MOVE, "moves", "Leadership moves"),
        (RESTART, "restarts", "Restarts of the only member"),
        (CURE, "cures", "Kills of this host's member because it hung"),
        (FENCE, "fences", "Kills of this host's member because it led on while it was cut off"),
        (REVOKE, "revokes", "Ends of a leader key that named somebody who couldn't lead"),
    ):
        results = [('{result="%s"}' % result, float(counts["%s_%s" % (what, result)])) for result in ("done", "failed")]
        rows.append((name + "_total", "counter", text + " that were asked for.", results))
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
        self._once = False
        self._lock = threading.Lock()
        # In a dry run nothing ever comes of it: say it again only now and then.
        self._keeper = Keeper(settings, time.monotonic(), 60.0 if dry else SETTLE)
        self._leadership = LeaderWatch(settings, time.monotonic())
        self._asked: Dict[str, None] = {}
        self._written = time.monotonic() - METRICS_INTERVAL

    def start(self) -> None:
        jobs: List[Tuple[str, Callable[[], None]]] = [(OWN, self._look_own)]
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
            interval = self._leadership.interval(began) if name == OWN else self.settings.interval
            self.stop.wait(max(0.0, interval - (time.monotonic() - began)))

    def _look_own(self) -> None:
        """One question at a time, and what follows from it at once: none is put to a hanging member before the last one was given up."""
        seen: Optional[Own] = None
        trouble, gone = "it hangs: it names itself leader and doesn't answer", False
        try:
            seen = ask_own(self.settings)
        except (CannotTell, Trouble, ValueError) as error:
            trouble, gone = str(error), isinstance(error, Trouble) and error.gone
        with self._lock:
            now = time.monotonic()
            fit = self._keeper.fit(now, seen) if seen else []
            self._keeper.own(None if seen and seen.hangs else seen, trouble)
            self._leadership.look(seen, gone)
            order = self._leadership.step(now, fit)
            state, says = self._leadership.state(now), self._leadership.says(now)
        self.log.change("leadership", state, says if state in (HUNG, LEFT) else "")
        if order.do != NOTHING and not self._once:
            self._fulfil(order)

    def _fulfil(self, order: Order) -> None:
        if order.do == NOTE:
            self._note_end(order)
            return
        if self._dry:
            done = Outcome("dry run, nothing done")
        elif order.do == REVOKE:
            done = Outcome(revoke(self.settings, order.lease))
        elif order.do == FENCE:
            done = fence(self.settings)
        else:
            done = cure(self.settings, order.why, order.target)
        with self._lock:
            now = time.monotonic()
            self._leadership.done(order, now, done.failure, done.left, done.noted)
            state, says = self._leadership.state(now), self._leadership.says(now)
        if done.left:
            self.log.change("leadership", state, says)
            return
        what = "%s: %s" % (order.do, order.why)
        if order.do == CURE:
            facts = (what, order.target or "whom etcd elects", self.settings.member.name)
            what = "%s: the leadership is to go to %s, and %s is to be killed" % facts
        result = "failed: " + done.failure if done.failure else "done" + (", but " + done.remark if done.remark else "")
        # A failure is tried again and again, and said once; what was done is said each time.
        self.log.change("order", "%s %s %s" % (order.do, order.target, result), "%s: %s" % (what, result))
        if not done.failure:
            self.log.change("order", "", "")

    def _note_end(self, order: Order) -> None:
        with self._lock:
            now = time.monotonic()
            cured = self._leadership.cured(now)
            self._leadership.done(order, now, "")
        if cured is not None:
            failure = note(self.settings, cured)
            said = ", which couldn't be noted: " + failure if failure else ""
            self.log.say("cure: member %s is well again after %g s%s" % (cured.member, cured.seconds, said))

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
                needed = self._leadership.leads_etcd
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
            return metrics(self._keeper, self._leadership, time.monotonic())

    def status(self) -> str:
        with self._lock:
            now, keeper = time.monotonic(), self._keeper
            lines = ["%s: %s" % (keeper.decision.do, keeper.decision.why)]
            lines.append("leadership: %s: %s" % (self._leadership.state(now), self._leadership.says(now)))
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
        """One look, for a person. It doesn't act: one look is no silence, and no hang."""
        self._once = True
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
    parser = argparse.ArgumentParser(description="Keeps the shards of a silent data node, and a leader that answers.")
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

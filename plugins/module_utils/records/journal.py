# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What was done to a cluster, when, by whom and with what result: one entry for each changing playbook. Pure.

The entries are kept in the cluster's own etcd, so every controller reads the same ones and they
are in every snapshot. They hold versions and digests, never a configuration.
"""

from __future__ import annotations

import dataclasses
import json
import re
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

VERSION = 1
# An entry is a few kilobytes even on a hundred hosts, and etcd takes 2 MiB in one answer without a second thought.
KEPT = 50
RUNNING, OK, FAILED, INTERRUPTED = "running", "ok", "failed", "interrupted"
# An error's first lines say what happened; the log behind it is on the host.
LONGEST_MESSAGE = 2000

_NUMBER = re.compile(r"\d+\.\d+\.\d+[\w.+-]*")

# inventory host -> daemon -> {"version": ..., "generation": ...}
Daemons = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Operation:
    """Who does what, from where, since when. machine, pid and started tell on that machine whether the process still lives."""

    id: str
    what: str
    who: str
    controller: str
    since: str
    machine: str = ""
    pid: int = 0
    started: str = ""

    def __str__(self) -> str:
        return "%s by %s on %s (pid %d) since %s, id %s" % (self.what, self.who, self.controller, self.pid, self.since, self.id)

    def to_dict(self) -> Dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Operation:
        """Raises TypeError when a field is missing. Fields of a newer release are left out."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in names})


@dataclass(frozen=True)
class JournalStep:
    """`seconds` is None while it runs, and for ever when it was interrupted."""

    name: str
    began: str
    seconds: Optional[float] = None


@dataclass(frozen=True)
class JournalEntry:
    operation: Operation
    result: str = RUNNING
    message: str = ""
    ended: Optional[str] = None
    steps: Tuple[JournalStep, ...] = ()
    before: Daemons = dataclasses.field(default_factory=dict)
    after: Daemons = dataclasses.field(default_factory=dict)

    def stepped(self, name: str, now: datetime) -> JournalEntry:
        """With this step begun, and so with the one before it done."""
        return replace(self, steps=(*self._closed(now), JournalStep(name, text_of(now))))

    def closed(self, result: str, message: str, now: datetime, before: Daemons, after: Daemons) -> JournalEntry:
        steps = self._closed(now) if result == OK else self.steps
        return replace(
            self, result=result, message=message[:LONGEST_MESSAGE], ended=text_of(now), steps=steps, before=dict(before), after=dict(after)
        )

    def interrupted(self) -> JournalEntry:
        """Somebody else has the lock, and this one never said how it ended."""
        return replace(self, result=INTERRUPTED) if self.result == RUNNING else self

    def _closed(self, now: datetime) -> Tuple[JournalStep, ...]:
        if not self.steps or self.steps[-1].seconds is not None:
            return self.steps
        last = self.steps[-1]
        return (*self.steps[:-1], replace(last, seconds=round((now - time_of(last.began)).total_seconds(), 1)))

    def to_json(self) -> str:
        return json.dumps(dict(dataclasses.asdict(self), version=VERSION))

    @classmethod
    def from_json(cls, text: str) -> JournalEntry:
        """Raises ValueError with a sentence."""
        try:
            data = json.loads(text)
            return cls(
                operation=Operation.from_dict(data["operation"]),
                result=str(data["result"]),
                message=str(data["message"]),
                ended=data["ended"],
                steps=tuple(JournalStep(**step) for step in data["steps"]),
                before=data["before"],
                after=data["after"],
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError("it isn't an entry of the journal (%s: %s)" % (type(error).__name__, error)) from None

    def lines(self) -> List[str]:
        """For people: one line, and one for each version that changed, and what went wrong."""
        took = ""
        if self.ended:
            took = " after %.0f s" % (time_of(self.ended) - time_of(self.operation.since)).total_seconds()
        doing = self.steps[-1].name if self.steps else "its checks"
        how = {OK: "ok", RUNNING: "running: %s" % doing, INTERRUPTED: "interrupted during: %s" % doing, FAILED: "FAILED during: %s" % doing}
        who = "%s by %s on %s" % (self.operation.what, self.operation.who, self.operation.controller)
        said = ["%s  %s  %s%s" % (self.operation.since, who, how.get(self.result, self.result), took)]
        said += ["    %s" % line for line in changes(self.before, self.after)]
        if self.message and self.result != OK:
            said.append("    %s" % headline(self.message))
        return said


def changes(before: Daemons, after: Daemons) -> List[str]:
    """What runs now instead of what: one line for each daemon and change, with the hosts that share it."""
    hosts: Dict[str, List[str]] = {}
    for host, daemons in after.items():
        for daemon, now in daemons.items():
            old = before.get(host, {}).get(daemon, {})
            if old.get("generation") != now.get("generation"):
                hosts.setdefault(_change(daemon, old, now), []).append(host)
    return ["%s on %s" % (what, ", ".join(names)) for what, names in hosts.items()]


def headline(message: str) -> str:
    """The first line of an error, with what it announces: a heading alone says nothing."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if lines and lines[0].endswith(":"):
        return " ".join(lines[:2])
    return lines[0] if lines else ""


def epilogue(operation: Operation, message: str, before: Daemons, after: Daemons, lock: str = "") -> str:
    """What whoever reads a failed run wants to know next: in what state it left the cluster and its lock, and what to type."""
    runs: Dict[str, List[str]] = {}
    for host, daemons in after.items():
        for daemon, now_ in daemons.items():
            runs.setdefault(("%s %s" % (daemon, _version(now_))).strip(), []).append(host)
    changed = changes(before, after)
    return "\n  ".join(
        [
            "%s stopped: %s" % (operation.what, headline(message) or "see above"),
            "What it had changed: %s." % ("; ".join(changed) if changed else "no version and no configuration of what runs"),
            "What runs now: %s." % ("; ".join("%s on %s" % (what, ", ".join(hosts)) for what, hosts in runs.items()) or "nothing it looked at"),
            "Mend the cause and type the same command again: it goes on from here.%s" % (" " + lock if lock else ""),
        ]
    )


def key(cluster: str, operation: Operation) -> str:
    """The keys' order is the entries' order in time."""
    return "%s%s-%s" % (prefix(cluster), operation.since, operation.id)


def prefix(cluster: str) -> str:
    return "/ansible/horaedb.cluster/%s/journal/" % cluster


def too_many(keys: Sequence[str], kept: int = KEPT) -> List[str]:
    """The oldest ones, beyond what is kept."""
    return sorted(keys)[: max(0, len(keys) - kept)]


def now() -> datetime:
    return datetime.now(timezone.utc)


def clock(asked: Optional[str]) -> Callable[[], datetime]:
    """A clock that goes on from the time that the controller had when it asked; without one, this host's. Raises ValueError."""
    if not asked:
        return now
    try:
        start = time_of(asked)
    except ValueError:
        raise ValueError("option now has to be a time like 2026-11-24T10:00:00Z, and is %s" % asked) from None
    began = time.monotonic()
    return lambda: start + timedelta(seconds=time.monotonic() - began)


def text_of(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def time_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def _change(daemon: str, old: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The digests differ from host to host, and are in the entry itself for whoever needs them."""
    if not old.get("generation"):
        return ("%s %s, new" % (daemon, _version(now))).replace(" ,", ",")
    if _version(old) != _version(now):
        return "%s %s -> %s" % (daemon, _version(old), _version(now))
    return ("%s %s, another configuration" % (daemon, _version(now))).replace(" ,", ",")


def _version(daemon: Mapping[str, Any]) -> str:
    """What a binary says of itself can have several lines; the number is what people call it by."""
    said = str(daemon.get("version") or "")
    number = _NUMBER.search(said)
    return number.group(0) if number else said.replace("\n", " ")

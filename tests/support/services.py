"""What systemd and the kernel say about the daemons on a host. `host` is testinfra's."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Process:
    """`started` is in seconds of the monotonic clock, which all hosts out of containers share with the tests."""

    pid: int
    generation: str
    started: float


@dataclass(frozen=True)
class Event:
    """systemd's own note in the journal: what is `Starting`, `Started`, `Stopping` or `Stopped`."""

    at: float
    what: str


def process(host: Any, unit: str) -> Process:
    """Fails when there is none."""
    properties = "--property=MainPID,ExecMainStartTimestampMonotonic"
    shown = dict(line.split("=", 1) for line in host.check_output("systemctl show %s %s", unit, properties).splitlines())
    environment = host.check_output("tr '\\0' '\\n' < /proc/%s/environ", shown["MainPID"])
    values = dict(line.split("=", 1) for line in environment.splitlines() if "=" in line)
    return Process(int(shown["MainPID"]), values["HORAE_GENERATION"], int(shown["ExecMainStartTimestampMonotonic"]) / 1e6)


def events(host: Any, unit: str, since: float = 0.0) -> list[Event]:
    """What systemd did with the unit after the moment `since` of the monotonic clock."""
    journal = host.check_output("journalctl --unit=%s --output=json --no-pager", unit)
    entries = [json.loads(line) for line in journal.splitlines()]
    # The daemons' own lines never get here, and systemd's other lines don't begin with one of these words.
    found = [Event(int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6, str(entry["MESSAGE"]).split(" ", 1)[0]) for entry in entries]
    return [event for event in found if event.at > since and event.what in ("Starting", "Started", "Stopping", "Stopped")]


# HoraeMeta's last words when a heartbeat comes before it knows itself.
TOO_EARLY = "[signal SIGSEGV"


@dataclass(frozen=True)
class Restart:
    host: str
    stopping: float
    started: float


def restarts(on: Callable[[str], Any], hosts: Iterable[str], unit: str, since: float) -> list[Restart]:
    """In the order in which they happened; fails when one did more than stop and start once.

    A member that starts dies now and then of a heartbeat that comes too early, and systemd starts it again: once more for each death in its log.
    """
    found = []
    for host in hosts:
        what = [event for event in events(on(host), unit, since) if event.what in ("Stopping", "Started")]
        if what:
            names = [event.what for event in what]
            words = ("grep --count --fixed-strings %s /var/log/horaemeta/horaemeta.log", TOO_EARLY)
            deaths = int(on(host).run(*words).stdout) if unit == "horaemeta" and names[2:] else 0
            assert names in (["Stopping"] + ["Started"] * (1 + died) for died in range(deaths + 1)), "%s on %s: %s" % (unit, host, what)
            found.append(Restart(host, what[0].at, what[-1].at))
    return sorted(found, key=lambda restart: restart.stopping)


def assert_in_turn(done: Iterable[Restart]) -> None:
    """By systemd's own notes: none of them stopped before the one before it had started again."""
    for before, after in itertools.pairwise(sorted(done, key=lambda restart: restart.stopping)):
        late = before.started - after.stopping
        assert late <= 0, "%s was stopped %.1f s before %s had started again" % (after.host, late, before.host)


@contextlib.contextmanager
def slow_start(host: Any, unit: str, seconds: float) -> Iterator[None]:
    """The daemon takes so much longer to start, as one that replays a long log."""
    folder = "/etc/systemd/system/%s.service.d" % unit
    host.check_output("mkdir -p %s && printf '[Service]\\nExecStartPre=/bin/sleep %s\\n' > %s/slow.conf", folder, str(seconds), folder)
    host.check_output("systemctl daemon-reload")
    try:
        yield
    finally:
        host.check_output("rm -r %s && systemctl daemon-reload", folder)

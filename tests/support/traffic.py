"""Traffic against a cluster while something is done to it: who could read what, when."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """The node answered with an error, or didn't answer."""


class NoAnswer(Refused):
    """The node could not be reached, or was gone before it had answered."""


def sql(node: str, statement: str, timeout: float = 3.0) -> dict[str, object]:
    """Asks the data node at `node` (host:port of its HTTP port)."""
    request = urllib.request.Request(
        "http://%s/sql" % node, json.dumps({"query": statement}).encode(), {"content-type": "application/json"}, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        raise Refused("%s: %d %s" % (node, error.code, error.read().decode(errors="replace"))) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoAnswer("%s: %s" % (node, error)) from error


def get(url: str, timeout: float = 3.0) -> object:
    """The JSON at `url`."""
    try:
        with _OPENER.open(url, timeout=timeout) as answer:
            return json.load(answer)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Refused("%s: %s" % (url, error)) from error


def post(url: str, body: object, timeout: float = 3.0) -> object:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"}, method="POST")
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            return json.load(answer)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Refused("%s: %s" % (url, error)) from error


@dataclass(frozen=True)
class Attempt:
    """One read: `at` seconds of the monotonic clock, `error` None when it was answered."""

    at: float
    what: str
    error: str | None


@dataclass(frozen=True)
class Outage:
    """In seconds of the monotonic clock."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class Reader:
    """Reads each of its targets at a rate of its own, in threads, until it is left. Targets: name -> a call that raises Refused."""

    def __init__(self, targets: dict[str, Callable[[], object]], per_second: float = 5.0) -> None:
        self._period = 1.0 / per_second
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.attempts: list[Attempt] = []
        self._threads = [threading.Thread(target=self._loop, args=item, daemon=True) for item in targets.items()]

    def __enter__(self) -> Reader:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    def _loop(self, name: str, call: Callable[[], object]) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._period, time.monotonic())
            started = time.monotonic()
            try:
                call()
                error = None
            except Refused as refused:
                error = str(refused)
            with self._lock:
                self.attempts.append(Attempt(started, name, error))

    def outages(self, name: str) -> list[Outage]:
        """From the first failed read to the next answered one, for each outage of this target."""
        return outages([attempt for attempt in self.attempts if attempt.what == name])

    def failures(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.error]


def outages(attempts: Sequence[Attempt]) -> list[Outage]:
    found: list[Outage] = []
    began: float | None = None
    last = 0.0
    for attempt in sorted(attempts, key=lambda one: one.at):
        last = attempt.at
        if attempt.error and began is None:
            began = attempt.at
        elif not attempt.error and began is not None:
            found.append(Outage(began, attempt.at))
            began = None
    return found if began is None else [*found, Outage(began, last)]


class Samples:
    """Asks one thing again and again in a thread, until it is left."""

    def __init__(self, call: Callable[[], object], per_second: float = 10.0) -> None:
        self._call = call
        self._period = 1.0 / per_second
        self._stop = threading.Event()
        self._taken: list[tuple[float, object]] = []
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> Samples:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def at(self, moment: float) -> object:
        """The last answer before `moment` of the monotonic clock, None when that one was refused."""
        return [answer for taken, answer in self._taken if taken < moment][-1]

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                answer = self._call()
            except Refused:
                answer = None
            self._taken.append((time.monotonic(), answer))
            self._stop.wait(self._period)

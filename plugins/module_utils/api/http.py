# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""HTTP and JSON to the daemons of a cluster: small, bounded, and honest about what went wrong.

Proxies of the environment are never used: these are addresses of the cluster,
and a proxy that answers for a dead host would make it look alive.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Hashable, List, Mapping, Optional, Tuple, TypeVar
from urllib.parse import urlsplit

from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure

# A healthy daemon answers within milliseconds, even while a leader is being elected. Two seconds is
# short enough to notice a black hole well inside the 10 s after which HoraeMeta forgets a node.
REQUEST_TIMEOUT = 2.0

# How much longer than the requests themselves their threads may take to hand over the answers.
THREAD_GRACE = 0.25

# The longest answers are lists of shards and tables: some hundred bytes for each.
MAX_BODY = 16 * 1024 * 1024

# Of a failure that is told: HoraeDB repeats statements and options in the middle of its chains of errors.
LONGEST = 480

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class CallFailed(Failure):
    """A request that brought no usable answer. As text: one sentence without a full stop."""

    kind = "call.failed"

    sentence = "%s %s"

    def __init__(self, url: str, why: str) -> None:
        super().__init__(self.sentence % (url, why))
        self.url = url
        self.why = why


class Unreachable(CallFailed):
    """Nothing answered."""

    kind = "call.unreachable"

    sentence = "%s: %s"


class TimedOut(Unreachable):
    """Nothing answered in time, which a daemon that was reached may still do later."""

    kind = "call.timed_out"


class BadAnswer(CallFailed):
    """Something answered, but refused, failed, or said what can't be understood."""

    kind = "call.bad_answer"

    def __init__(self, url: str, why: str, status: int) -> None:
        super().__init__(url, why)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """Any answer that is HTTP, whatever its status."""

    url: str
    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace").strip()

    def json(self) -> Any:
        """The JSON document of an answer with status 200; BadAnswer for everything else."""
        if self.status != 200:
            raise self.bad("answered HTTP %d: %s" % (self.status, said(self)))
        try:
            return json.loads(self.body)
        except ValueError:
            raise self.bad("answered something that isn't JSON: %s" % _shortened(self.text)) from None

    def bad(self, why: str) -> BadAnswer:
        return BadAnswer(self.url, why, self.status)


class Client:
    """Requests that share one budget of time: all of them have ended when it is used up."""

    def __init__(self, timeout: float = REQUEST_TIMEOUT) -> None:
        self._timeout = timeout
        self._end = time.monotonic() + timeout

    def left(self) -> float:
        """Seconds left of the budget, 0 when it is used up."""
        return max(0.0, self._end - time.monotonic())

    def call(self, method: str, url: str, body: Any = None, headers: Optional[Mapping[str, str]] = None) -> Answer:
        """Raises Unreachable, and nothing else, when there is no HTTP answer in time; TimedOut where it wasn't refused either."""
        try:
            host, port, path = split(url)
            connection = http.client.HTTPConnection(host, port, timeout=self._patience())
            try:
                data = None if body is None else json.dumps(body).encode()
                connection.request(method, path, data, dict(headers or {}, Connection="close"))
                return self._answer(url, connection)
            finally:
                connection.close()
        except (OSError, ValueError, http.client.HTTPException) as error:
            kind = TimedOut if isinstance(error, socket.timeout) else Unreachable
            raise kind(url, self._reason(error)) from error

    def get(self, url: str) -> Answer:
        return self.call("GET", url)

    def connect(self, host: str, port: int) -> None:
        """Opens a TCP connection and closes it again; raises Unreachable."""
        try:
            socket.create_connection((host, port), timeout=self._patience()).close()
        except (OSError, ValueError) as error:
            raise Unreachable("%s:%d" % (host, port), self._reason(error)) from error

    def _answer(self, url: str, connection: http.client.HTTPConnection) -> Answer:
        wire = connection.sock
        response = connection.getresponse()
        body: List[bytes] = []
        size = 0
        while size <= MAX_BODY:
            # Since Python 3.13 the read that uses up Content-Length closes the response, and the socket with it.
            piece = b""
            if not response.isclosed():
                wire.settimeout(self._patience())
                piece = response.read1(65536)
            if not piece:
                return Answer(url, response.status, b"".join(body))
            body.append(piece)
            size += len(piece)
        raise ValueError("its answer is longer than %d bytes" % MAX_BODY)

    def _patience(self) -> float:
        left = self.left()
        if left <= 0:
            raise socket.timeout()
        return left

    def _reason(self, error: Exception) -> str:
        if isinstance(error, socket.timeout):
            return "nothing within %g s" % self._timeout
        if isinstance(error, socket.gaierror):
            return "the name can't be resolved"
        if isinstance(error, http.client.HTTPException) and not isinstance(error, ConnectionError):
            return "it isn't speaking HTTP (%s)" % type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            return error.strerror.lower()
        return str(error) or type(error).__name__


def understood(url: str, document: Any, read: Callable[[Any], Result]) -> Result:
    """`read(document)`, where a document of an unexpected shape is the daemon's fault and told as such."""
    try:
        return read(document)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise BadAnswer(url, "answered in a shape that isn't known: %s" % _shortened(json.dumps(document)), 200) from None


def at_once(jobs: Mapping[Key, Callable[[], Result]], timeout: float) -> Dict[Key, Result]:
    """Runs all jobs in parallel. The result lacks the jobs that haven't ended in time; an exception of a job is raised here.

    The threads are daemons, because one that hangs in a name lookup can't be stopped and must not
    keep the process alive.
    """
    results: Dict[Key, Result] = {}
    failures: List[BaseException] = []

    def run(key: Key, job: Callable[[], Result]) -> None:
        try:
            results[key] = job()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in jobs.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout + THREAD_GRACE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    if failures:
        raise failures[0]
    return dict(results)


def split(url: str) -> Tuple[str, int, str]:
    """Host, port and path; raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("not an http:// address")
    path = parts.path or "/"
    return parts.hostname, parts.port or 80, path + "?" + parts.query if parts.query else path


def said(answer: Answer) -> str:
    """What a daemon says about its failure: HoraeMeta's error and msg, HoraeDB's message, etcd's error, or its text."""
    try:
        document = json.loads(answer.body)
    except ValueError:
        return _shortened(answer.text)
    if not isinstance(document, dict):
        return _shortened(answer.text)
    parts = [_without_stack(str(document[key])) for key in ("error", "msg", "message") if document.get(key)]
    # etcd's gateway says the same text under `error` and `message`.
    return _shortened(": ".join(dict.fromkeys(parts)) or answer.text)


def _without_stack(text: str) -> str:
    """HoraeMeta's `msg` is one line with the cause, and then the stack of its Go process."""
    return text.strip().split("\n", 1)[0].strip()


def _shortened(text: str) -> str:
    """Head and end of a long text: HoraeDB names what failed first, and its cause last."""
    line = " ".join(text.split())
    if len(line) <= LONGEST:
        return line
    head = LONGEST // 3
    return line[:head] + " ... " + line[head + len(" ... ") - LONGEST :]

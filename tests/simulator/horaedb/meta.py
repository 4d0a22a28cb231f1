"""The line to HoraeMeta: ONE address."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, Dict, List, Optional
from urllib.parse import urlsplit

from common.http import Unreachable, call

# gRPC stays with the first of a name's addresses for this long before it tries the next.
STICKS_TO_ADDRESS = 10.0


class MetaError(Exception):
    """HoraeMeta was not reached, or refused."""


class BadResponse(MetaError):
    """It refused. Its own cause is rarely in the message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__("Bad response, resp code:%d, msg:%s." % (code, message))
        self.code, self.message = code, message


class AddressChoice:
    """Which of a name's addresses is used: the same one until it has failed for long."""

    def __init__(self) -> None:
        self._current = 0
        self._failing_since: Optional[float] = None

    def of(self, known: List[str]) -> str:
        return known[self._current % len(known)]

    def worked(self) -> None:
        self._failing_since = None

    def failed(self, now: float) -> None:
        if self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since > STICKS_TO_ADDRESS:
            self._current += 1
            self._failing_since = now


class MetaClient:
    def __init__(self, meta_addr: str, cluster: str, timeout: float) -> None:
        parts = urlsplit(meta_addr)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise MetaError("Invalid URL %s, expected http://host:port" % meta_addr)
        self._host, self._port = parts.hostname, parts.port
        self._cluster = cluster
        self._timeout = timeout
        self._choice = AddressChoice()
        self._lock = threading.Lock()

    def connect(self) -> None:
        """Whether anybody listens there. Raises MetaError."""
        try:
            socket.create_connection((self._address(), self._port), timeout=self._timeout).close()
        except OSError as error:
            raise MetaError("tcp connect error: %s (os error %d)" % (error.strerror or error, error.errno or 110)) from error

    def ask(self, what: str, body: Dict[str, Any]) -> Dict[str, Any]:
        """Raises MetaError."""
        url = "http://%s:%d/simulator/%s" % (self._address(), self._port, what)
        try:
            answer = call("POST", url, dict(body, cluster=self._cluster), self._timeout)
        except Unreachable as error:
            with self._lock:
                self._choice.failed(time.monotonic())
            raise MetaError(_status(error)) from error
        with self._lock:
            self._choice.worked()
        try:
            data = dict(answer.json())
        except ValueError as error:
            raise MetaError('status: Unknown, message: "unexpected answer, status %d"' % answer.status) from error
        if "transport" in data:
            raise MetaError('status: Unavailable, message: "connection error: desc = %s"' % data["transport"])
        if answer.status != 200:
            raise BadResponse(int(data.get("code", 500)), str(data.get("error")))
        return data

    def _address(self) -> str:
        try:
            found = socket.getaddrinfo(self._host, self._port, socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            raise MetaError("failed to resolve %s: %s" % (self._host, error)) from error
        return self._choice.of([str(info[4][0]) for info in found])


def _status(error: Unreachable) -> str:
    """As tonic tells it."""
    cause = error.__cause__
    if isinstance(cause, TimeoutError):
        return 'status: Cancelled, message: "Timeout expired", details: [], metadata: MetadataMap { headers: {} }'
    number, words = (cause.errno, cause.strerror) if isinstance(cause, OSError) and cause.errno else (104, "Connection reset by peer")
    return 'status: Unavailable, message: "error trying to connect: tcp connect error: %s (os error %d)"' % (words, number)

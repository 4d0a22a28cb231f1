"""The line to HoraeMeta: ONE address."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, Dict, List
from urllib.parse import urlsplit

from common.http import Unreachable, call

# gRPC stays with the first of a name's addresses for this long before it tries the next.
STICKS_TO_ADDRESS = 10.0


class MetaError(Exception):
    """HoraeMeta was not reached, or refused."""


class MetaClient:
    def __init__(self, meta_addr: str, cluster: str, timeout: float) -> None:
        parts = urlsplit(meta_addr)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise MetaError("failed to connect: invalid URL %s, expected http://host:port" % meta_addr)
        self._host, self._port = parts.hostname, parts.port
        self._cluster = cluster
        self._timeout = timeout
        self._lock = threading.Lock()
        self._current = 0
        self._failing_since = 0.0

    def ask(self, what: str, body: Dict[str, Any]) -> Dict[str, Any]:
        """Raises MetaError."""
        url = "http://%s:%d/simulator/%s" % (self._address(), self._port, what)
        try:
            answer = call("POST", url, dict(body, cluster=self._cluster), self._timeout)
        except Unreachable as error:
            self._failed()
            raise MetaError("rpc to HoraeMeta failed: %s" % error) from error
        self._failing_since = 0.0
        try:
            data = dict(answer.json())
        except ValueError as error:
            raise MetaError("rpc to HoraeMeta failed: unexpected answer, status %d" % answer.status) from error
        if answer.status != 200:
            raise MetaError(str(data.get("error")))
        return data

    def _address(self) -> str:
        try:
            known: List[str] = [str(info[4][0]) for info in socket.getaddrinfo(self._host, self._port, socket.AF_INET, socket.SOCK_STREAM)]
        except OSError as error:
            raise MetaError("failed to resolve %s: %s" % (self._host, error)) from error
        return known[self._current % len(known)]

    def _failed(self) -> None:
        with self._lock:
            now = time.monotonic()
            if not self._failing_since:
                self._failing_since = now
            elif now - self._failing_since > STICKS_TO_ADDRESS:
                self._current += 1
                self._failing_since = now

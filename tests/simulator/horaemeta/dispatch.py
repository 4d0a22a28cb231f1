"""Orders from the leader to data nodes, over what stands for gRPC on the nodes' grpc_port."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Tuple

from common.http import Unreachable, call

# gRPC's reconnection back-off: the first pause, its growth and its end, in seconds.
FIRST, FACTOR, LONGEST = 1.0, 1.6, 120.0
CALL_TIMEOUT = 20.0


class DispatchError(Exception):
    """The node was not reached, or refused."""


class BackOff:
    """When a connection that failed is tried again. The pauses grow with the time since the first failure,
    whether somebody asks or not: a node dialled while dead stays out of reach for a while after its return."""

    def __init__(self) -> None:
        self._schedule: Dict[str, Tuple[float, float]] = {}

    def blocked(self, node: str, now: float) -> bool:
        return node in self._schedule and now < self._schedule[node][0]

    def failed(self, node: str, now: float) -> None:
        upcoming, pause = self._schedule.get(node, (now, FIRST))
        while upcoming <= now:
            upcoming += pause
            pause = min(pause * FACTOR, LONGEST)
        self._schedule[node] = (upcoming, pause)

    def succeeded(self, node: str) -> None:
        self._schedule.pop(node, None)


class Dispatcher:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._backoff = BackOff()
        self._lock = threading.Lock()

    def send(self, node: str, order: str, body: Dict[str, Any]) -> None:
        """Raises DispatchError."""
        with self._lock:
            if self._backoff.blocked(node, self._clock()):
                raise DispatchError("dial %s: connection is in back-off after earlier failures" % node)
        try:
            answer = call("POST", "http://%s/simulator/%s" % (node, order), body, CALL_TIMEOUT)
        except Unreachable as error:
            with self._lock:
                self._backoff.failed(node, self._clock())
            raise DispatchError("dial %s: %s" % (node, error)) from error
        with self._lock:
            self._backoff.succeeded(node)
        if answer.status != 200:
            raise DispatchError("%s on %s: %s" % (order, node, answer.body[:500].decode(errors="replace")))

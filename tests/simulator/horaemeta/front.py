"""The client port. What stands for gRPC between the daemons is served here; all else goes to the real etcd, byte for byte."""

from __future__ import annotations

import json
import selectors
import socket
import socketserver
import time
from typing import Any
from urllib.parse import urlsplit

from common.http import TEXT_TYPE, Handle, Request, Response, Server, Unreachable, call, handler_class

OWN_PATHS = (b"/simulator/", b"/health", b"/v3/maintenance/alarm")
CHUNK = 65536
IDLE = 3600
LONGEST_HEAD = 4096
HEAD_PATIENCE = 5.0


class Front(Server):
    def __init__(self, host: str, port: int, etcd_url: str, rpc: Handle) -> None:
        parts = urlsplit(etcd_url)
        self.etcd = (parts.hostname or "", parts.port or 0)
        self.own = handler_class(_Own(etcd_url, rpc))
        super().__init__((host, port), _Connection)


class _Own:
    """Requests that etcd 3.4 answers in another shape than the embedded 3.5, and the daemons' own."""

    def __init__(self, etcd_url: str, rpc: Handle) -> None:
        self._etcd_url = etcd_url
        self._rpc = rpc

    def __call__(self, request: Request) -> Response:
        if request.path.startswith("/simulator/"):
            answer = self._rpc(request)
            return Response(answer.status, answer.body, answer.content_type, close=True)
        try:
            if request.path == "/health":
                return self._health()
            return self._alarm(request)
        except Unreachable as error:
            return Response(503, json.dumps({"health": "false", "reason": str(error)}).encode(), TEXT_TYPE, close=True)

    def _health(self) -> Response:
        answer = call("GET", self._etcd_url + "/health", timeout=5)
        health = answer.json()
        health.setdefault("reason", "" if answer.status == 200 else "RAFT NO LEADER")
        return Response(answer.status, json.dumps(health, separators=(",", ":")).encode(), TEXT_TYPE, close=True)

    def _alarm(self, request: Request) -> Response:
        answer = call(request.method, self._etcd_url + request.path, request.body)
        alarms = answer.json()
        if answer.status == 200 and "header" not in alarms:
            alarms["header"] = call("POST", self._etcd_url + "/v3/maintenance/status", {}).json()["header"]
        return Response(answer.status, json.dumps(alarms).encode(), answer.content_type, close=True)


class _Connection(socketserver.BaseRequestHandler):
    server: Front
    request: socket.socket

    def handle(self) -> None:
        self.request.settimeout(IDLE)
        head = self._head()
        if not head:
            return
        words = head.split(b" ")
        if len(words) > 1 and words[1].startswith(OWN_PATHS):
            self.server.own(self.request, self.client_address, self.server)
        else:
            self._tunnel()

    def _head(self) -> bytes:
        """Enough of the first request to tell its path, left in the socket for whoever serves it."""
        head = self.request.recv(LONGEST_HEAD, socket.MSG_PEEK)
        deadline = time.monotonic() + HEAD_PATIENCE
        while head and head.count(b" ") < 2 and len(head) < LONGEST_HEAD and time.monotonic() < deadline:
            # Peeking does not wait for more than is there.
            time.sleep(0.005)
            head = self.request.recv(LONGEST_HEAD, socket.MSG_PEEK)
        return head

    def _tunnel(self) -> None:
        try:
            upstream = socket.create_connection(self.server.etcd, timeout=5)
        except OSError:
            return
        with upstream, selectors.DefaultSelector() as ready:
            upstream.settimeout(None)
            ready.register(self.request, selectors.EVENT_READ, upstream)
            ready.register(upstream, selectors.EVENT_READ, self.request)
            while ready.get_map():
                events: Any = ready.select(IDLE)
                if not events:
                    return
                for key, _ in events:
                    source, target = key.fileobj, key.data
                    data = source.recv(CHUNK)
                    if not data:
                        return
                    target.sendall(data)

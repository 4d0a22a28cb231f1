"""What haproxy is to a data node: one address, only healthy members behind it."""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import Any, List, Optional, Tuple
from urllib.parse import urlsplit

from harness.web import status_of

CHECK = 0.5


class _Tunnel(socketserver.BaseRequestHandler):
    server: MetaProxy

    def handle(self) -> None:
        target = self.server.backend
        if target is None:
            return
        try:
            upstream = socket.create_connection(target, timeout=1)
        except OSError:
            return
        upstream.settimeout(60)
        other = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
        other.start()
        _pump(self.request, upstream)
        other.join()
        upstream.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


class MetaProxy(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, members: List[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self._members = members
        self._done = threading.Event()
        self.away = False
        self.backend: Optional[Tuple[str, int]] = None
        threading.Thread(target=self.serve_forever, daemon=True).start()
        threading.Thread(target=self._check, daemon=True).start()

    @property
    def url(self) -> str:
        return "http://127.0.0.1:%d" % self.server_address[1]

    def _check(self) -> None:
        while not self._done.wait(CHECK):
            healthy = next((m for m in self._members if status_of(m + "/health", timeout=1) == 200), None)
            parts = urlsplit(healthy) if healthy and not self.away else None
            self.backend = (parts.hostname or "", parts.port or 0) if parts else None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A daemon that is stopped cuts its connections."""

    def close(self) -> None:
        self._done.set()
        self.shutdown()
        self.server_close()

"""What haproxy is to a data node: one address, only healthy members behind it, and no connection to one that is no longer healthy."""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import Any, Dict, List, Optional, Tuple

from harness.web import status_of

CHECK = 0.5
Address = Tuple[str, int]


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
        with self.server.living(target, upstream, self.request):
            other = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
            other.start()
            _pump(self.request, upstream)
            other.join()


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


class _Living:
    """Known to the proxy while it lives."""

    def __init__(self, living: Dict[_Living, Address], target: Address, upstream: socket.socket, client: socket.socket) -> None:
        self._living = living
        self._target = target
        self._upstream, self._client = upstream, client

    def __enter__(self) -> None:
        self._living[self] = self._target

    def __exit__(self, *_: object) -> None:
        del self._living[self]
        self._upstream.close()

    def cut(self) -> None:
        for end in (self._upstream, self._client):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The other side was quicker.
                continue


class MetaProxy(socketserver.ThreadingTCPServer):
    """`checks`: for each member, where it takes data nodes' calls, and the addresses at which it says that it is well."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, checks: Dict[Address, List[str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self._checks = checks
        self._living: Dict[_Living, Address] = {}
        self._done = threading.Event()
        # No member can be reached through it.
        self.away = False
        self.backend: Optional[Address] = None
        threading.Thread(target=self.serve_forever, daemon=True).start()
        threading.Thread(target=self._check, daemon=True).start()

    @property
    def url(self) -> str:
        return "http://127.0.0.1:%d" % self.server_address[1]

    def living(self, target: Address, upstream: socket.socket, client: socket.socket) -> _Living:
        return _Living(self._living, target, upstream, client)

    def _check(self) -> None:
        while not self._done.wait(CHECK):
            well = (
                [] if self.away else [member for member, urls in self._checks.items() if all(status_of(u, timeout=1) == 200 for u in urls)]
            )
            self.backend = next(iter(well), None)
            for connection, target in list(self._living.items()):
                if target not in well:
                    connection.cut()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A daemon that is stopped cuts its connections."""

    def close(self) -> None:
        self._done.set()
        self.shutdown()
        self.server_close()

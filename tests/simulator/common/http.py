"""HTTP for the doubles: a threaded server with routes, and a client that never follows a proxy."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import socketserver
import sys
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"
# A host that does not even refuse must not hold up a caller for the time an answer may take.
CONNECT_TIMEOUT = 3.0


class Unreachable(Exception):
    """No answer: refused, timed out or cut off."""


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def call(
    method: str,
    url: str,
    body: Any = None,
    timeout: float = 5.0,
    content_type: str = JSON_TYPE,
    headers: Optional[Mapping[str, str]] = None,
) -> Answer:
    """One request on a connection of its own. `body` is bytes, or anything that JSON can say."""
    parts = urllib.parse.urlsplit(url)
    payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=min(timeout, CONNECT_TIMEOUT))
    except ValueError as error:
        raise Unreachable("%s: %s" % (url, error)) from error
    try:
        connection.connect()
        connection.sock.settimeout(timeout)
        connection.request(method, parts.path or "/", payload, {"Content-Type": content_type, "Connection": "close", **(headers or {})})
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("Content-Type") or "", answer.read())
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable("%s: %s" % (url, error or type(error).__name__)) from error
    finally:
        connection.close()


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Tuple[str, ...] = ()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    close: bool = False


def json_response(data: Any, status: int = 200, content_type: str = JSON_TYPE) -> Response:
    return Response(status, json.dumps(data, separators=(",", ":")).encode(), content_type)


def text_response(text: str, status: int = 200) -> Response:
    return Response(status, text.encode(), TEXT_TYPE)


Handle = Callable[[Request], Response]


class Routes:
    """Paths like `/a/:name/b`. `missing(path_known)` makes the answer when nothing fits."""

    def __init__(self, missing: Callable[[bool], Response]) -> None:
        self._missing = missing
        self._routes: List[Tuple[str, List[str], Handle]] = []

    def add(self, method: str, pattern: str, handle: Handle) -> None:
        self._routes.append((method, pattern.split("/"), handle))

    def __call__(self, request: Request) -> Response:
        parts = request.path.split("/")
        known = False
        for method, pattern, handle in self._routes:
            params = _match(pattern, parts)
            if params is None:
                continue
            known = True
            if method == request.method:
                return handle(Request(request.method, request.path, request.body, request.headers, params))
        return self._missing(known)


def _match(pattern: List[str], parts: List[str]) -> Optional[Tuple[str, ...]]:
    if len(pattern) != len(parts):
        return None
    params: List[str] = []
    for expected, found in zip(pattern, parts):
        if expected.startswith(":"):
            params.append(urllib.parse.unquote(found))
        elif expected != found:
            return None
    return tuple(params)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    handle_request: Handle

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = self.path.split("?", 1)[0]
        response = self.handle_request(Request(self.command, path, self.rfile.read(length), headers))
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        if response.close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(response.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Neither daemon has an access log."""


def handler_class(handle: Handle) -> type:
    return type("Handler", (_Handler,), {"handle_request": staticmethod(handle)})


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is not worth a traceback; anything else is a bug and is shown."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError, socket.timeout)):
            super().handle_error(request, client_address)


def listen(host: str, port: int, handle: Handle) -> Server:
    """Binds now (raises OSError); the caller runs serve_forever."""
    return Server((host, port), handler_class(handle))


def decode_object(body: bytes) -> Dict[str, Any]:
    """The JSON object in `body`; an empty body is an empty object."""
    return dict(json.loads(body or b"{}"))

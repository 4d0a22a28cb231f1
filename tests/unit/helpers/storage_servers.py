"""Servers that are wrong in one way each, and an OSS that checks signatures by itself. All on loopback."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.server
import pathlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional

LISTING = b"<ListBucketResult></ListBucketResult>"
Reply = tuple[int, bytes, Mapping[str, str]]


class Web(http.server.ThreadingHTTPServer):
    """`reply` makes an answer of a method, a path, headers and a body."""

    daemon_threads = True

    def __init__(self, reply: Callable[[str, str, Mapping[str, str], bytes], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __exit__(self, *_exception: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Web

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append("%s %s" % (self.command, self.path))
        status, said, headers = self.server.reply(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.send_response_only(status)
        for name, value in {"Date": self.date_time_string(), "Content-Length": str(len(said)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def error(status: int, code: str, more: str = "", **headers: str) -> Callable[..., Reply]:
    body = "<?xml version='1.0'?><Error><Code>%s</Code><Message>said so</Message>%s</Error>" % (code, more)
    return lambda *_request: (status, body.encode(), headers)


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield int(server.getsockname()[1])


@contextlib.contextmanager
def drip() -> Iterator[int]:
    """Begins an answer, and goes on with a byte of it every tenth of a second, for 10 s."""

    def serve(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            wire, _peer = server.accept()
            wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            for _ in range(100):
                wire.sendall(b"x")
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield int(server.getsockname()[1])


@contextlib.contextmanager
def refused() -> Iterator[int]:
    """A port on which nobody listens, for as long as this lasts."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


def certificate(folder: pathlib.Path, name: str = "localhost") -> pathlib.Path:
    """Signed by itself, with its key in the same file."""
    path = folder / ("%s.pem" % name)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=%s" % name]
    command += ["-addext", "subjectAltName=DNS:%s,IP:127.0.0.1" % name, "-keyout", str(folder / "key"), "-out", str(folder / "crt")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    path.write_bytes((folder / "crt").read_bytes() + (folder / "key").read_bytes())
    return path


@contextlib.contextmanager
def secure(pem: pathlib.Path, reply: Callable[..., Reply]) -> Iterator[Web]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with Web(reply) as web:
        # The handshake in the connection's own thread, not in the one that accepts.
        web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
        yield web


class Oss:
    """Verifies the signature of version 1 from what arrived, as the documentation of OSS says it."""

    def __init__(self, bucket: str, key_id: str, key_secret: str) -> None:
        self.bucket, self.key_id, self.key_secret = bucket, key_id, key_secret
        self.objects: dict[str, bytes] = {}
        self.hosts: set[str] = set()

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.hosts.add(headers["host"])
        bare = path.split("?")[0]
        assert bare.startswith("/%s/" % self.bucket), path
        key = bare[len(self.bucket) + 2 :]
        text = "%s\n%s\n%s\n%s\n/%s/%s" % (
            method,
            headers.get("content-md5", ""),
            headers.get("content-type", ""),
            headers["date"],
            self.bucket,
            key,
        )
        signature = base64.b64encode(hmac.new(self.key_secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
        name, _, given = headers["authorization"].partition(" ")[2].partition(":")
        if name != self.key_id:
            return error(403, "InvalidAccessKeyId")()
        if given != signature:
            return error(403, "SignatureDoesNotMatch")()
        return self._do(method, key, body)

    def _do(self, method: str, key: str, body: bytes) -> Reply:
        if method == "PUT":
            self.objects[key] = body
        if method == "DELETE":
            self.objects.pop(key, None)
            return 204, b"", {}
        if method == "GET" and not key:
            return 200, b"<ListBucketResult>%s</ListBucketResult>" % b"".join(b"<Key>%s</Key>" % k.encode() for k in self.objects), {}
        found: Optional[bytes] = self.objects.get(key)
        return (200, found, {}) if found is not None else error(404, "NoSuchKey")()

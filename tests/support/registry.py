"""A real OCI registry on loopback (Debian's docker-registry), images of the simulators in it, and what can go wrong on the way."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support import oci
from tests.support.cluster import until

START_LIMIT = 20
USER, PASSWORD = "puller", "registry-canary"
# What `htpasswd -B` would make of them; docker-registry knows no other kind.
HTPASSWD = USER + ":$2b$05$abcdefghijklmnopqrstuuBhh9CmDErShyspNW.nrRsBL/5r0Z5LC\n"
_CONFIG = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: %s
http:
  addr: 127.0.0.1:%d
"""
_AUTH = """\
auth:
  htpasswd:
    realm: tests
    path: %s
"""


class Registry:
    """`login`: whether it wants one. Stopped and started again it has the same port and the same images."""

    def __init__(self, folder: Path, login: bool = False) -> None:
        folder.mkdir()
        self._folder = folder
        self._login = login
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        (folder / "htpasswd").write_text(HTPASSWD)
        config = _CONFIG % (folder / "storage", self.port)
        (folder / "config.yml").write_text(config + (_AUTH % (folder / "htpasswd") if login else ""))

    @property
    def host(self) -> str:
        return "127.0.0.1:%d" % self.port

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            command = ["docker-registry", "serve", str(self._folder / "config.yml")]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._problem, START_LIMIT)

    def _problem(self) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/v2/")
                status = connection.getresponse().status
            except OSError as error:
                return "the registry doesn't listen: %s" % error
        return None if status == (401 if self._login else 200) else "the registry answers %d" % status

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def push(self, layout: oci.Layout, name: str, tag: str) -> str:
        """The reference of the image, with the tag and the digest."""
        login = ["--dest-creds=%s:%s" % (USER, PASSWORD)] if self._login else []
        # As it is, or the digest would be another one.
        options = ["--all", "--preserve-digests", "--dest-tls-verify=false", *login]
        target = "docker://%s/%s:%s" % (self.host, name, tag)
        done = subprocess.run(
            ["skopeo", "copy", "--quiet", *options, "oci:%s" % layout.path, target], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return "%s@%s" % (target, layout.top[0]["digest"])

    def blob(self, digest: str) -> Path:
        """The file in which it keeps a blob."""
        text = digest.removeprefix("sha256:")
        return self._folder / "storage" / "docker" / "registry" / "v2" / "blobs" / "sha256" / text[:2] / text / "data"


@contextlib.contextmanager
def running(registry: Registry) -> Iterator[Registry]:
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


def image(folder: Path, name: str, program: Path) -> oci.Layout:
    """A program as upstream's images have it: below a layer that changes nothing, above one that is larger than it."""
    layout = oci.Layout(folder)
    base = oci.layer(oci.folder("usr"), oci.folder("usr/bin"), oci.member("usr/lib/large", os.urandom(2_000_000), mode=0o644))
    own = oci.layer(oci.member("usr/bin/" + name, program.read_bytes()))
    layout.image([base, own, oci.layer(oci.member("etc/entrypoint", b"nobody runs this"))])
    return layout


class Cut(socketserver.ThreadingTCPServer):
    """In front of a registry: every connection breaks after so many bytes of answers, as when the registry is killed."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, registry: Registry, limit: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target = ("127.0.0.1", registry.port)
        self.left = limit
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def host(self) -> str:
        return "127.0.0.1:%d" % self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that break are its purpose."""


class _Connection(socketserver.BaseRequestHandler):
    server: Cut

    def handle(self) -> None:
        if self.server.left <= 0:
            return
        with socket.create_connection(self.server.target, timeout=30) as upstream:
            threading.Thread(target=self._ask, args=(upstream,), daemon=True).start()
            while self.server.left > 0 and (data := upstream.recv(16384)):
                self.server.left -= len(data)
                self.request.sendall(data)

    def _ask(self, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := self.request.recv(16384):
                upstream.sendall(data)
            upstream.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def cut(registry: Registry, limit: int) -> Iterator[Cut]:
    with Cut(registry, limit) as proxy:
        try:
            yield proxy
        finally:
            proxy.shutdown()


def variables(references: Mapping[str, str]) -> dict[str, object]:
    """`references`: name of the program -> its image."""
    named = {"horaemeta-server": "horaemeta_binary", "horaedb-server": "horaedb_binary"}
    return {"horaedb_cluster_registry_tls_verify": False, **{named[name]: reference for name, reference in references.items()}}

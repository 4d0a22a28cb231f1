"""Tiny members and data nodes on loopback, and the real program beside them."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from keeper_world import PROGRAM

LOCK_KEY = "/ansible/horaedb.cluster/defaultCluster/lock"


class _Quiet(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_args: Any) -> None:
        """A keeper that is stopped hangs up."""


class Server:
    """Answers what `answer(method, path, body)` returns: (status, document). It can fall silent and come back on its port."""

    def __init__(self, answer: Callable[[str, str, Any], tuple[int, Any]]) -> None:
        self.answer = answer
        self.port = 0
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.open()

    def open(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, document = outer.answer(self.command, self.path, body)
                text = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = _serve

            def log_message(self, *_args: Any) -> None:
                """Nobody reads it."""

        self._server = _Quiet(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def hang(self) -> None:
        """Connections are taken, and nothing is ever answered."""

        def swallow(*_args: Any) -> tuple[int, Any]:
            self._released.wait(60)
            return 503, {}

        self.answer = swallow

    def close(self) -> None:
        self._released.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        return "http://127.0.0.1:%d" % self.port


class FakeMember:
    """HoraeMeta's API and its etcd behind one port. All of them share the cluster's word on who leads."""

    def __init__(self, cluster: FakeCluster, name: str, number: int) -> None:
        self.cluster, self.name, self.id = cluster, name, number
        self.server = Server(self.answer)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        cluster = self.cluster
        leader = cluster.members[cluster.leader]
        if method == "POST" and path == "/api/v1/etcd/moveLeader":
            cluster.moved.append((self.name, body["memberName"]))
            if cluster.refuses:
                return 500, {"status": "error", "error": "(#500)move leader"}
            cluster.leader, cluster.term = body["memberName"], cluster.term + 1
            return 200, {"status": "success", "data": "ok"}
        if path == "/v3/kv/range":
            key = base64.b64decode(body["key"]).decode()
            return 200, {"kvs": [{"key": body["key"], "value": ""}]} if cluster.locked and key == LOCK_KEY else {}
        return {
            "/v3/maintenance/status": (
                200,
                {
                    "header": {"member_id": str(self.id)},
                    "leader": str(leader.id),
                    "raftTerm": str(cluster.term),
                    "raftAppliedIndex": "1000",
                },
            ),
            "/health": (200, {"health": "true"}),
            "/debug/leader": (200, {"status": "success", "data": leader.server.url}),
            "/api/v1/clusters": (200, {"status": "success", "data": [{"Name": "defaultCluster", "TopologyType": cluster.kind}]}),
            "/api/v1/getNodeShards": (200, {"status": "success", "data": {"NodeShards": cluster.view}}),
        }.get(path, (404, {}))


class FakeCluster:
    def __init__(self, members: int = 2, nodes: int = 2) -> None:
        self.leader, self.term, self.kind = "m1", 2, "static"
        self.locked = self.refuses = False
        self.moved: list[tuple[str, str]] = []
        self.members = {"m%d" % n: FakeMember(self, "m%d" % n, n) for n in range(1, members + 1)}
        self.nodes = {"192.0.2.2%d:8831" % n: Server(self._shards(n)) for n in range(1, nodes + 1)}
        self.view = [{"ShardInfo": {"ID": number}, "ShardNode": {"NodeName": name}} for number, name in enumerate(self.nodes)]

    def _shards(self, number: int) -> Callable[[str, str, Any], tuple[int, Any]]:
        return lambda _method, _path, _body: (200, [{"id": number - 1, "status": "Ready"}])

    def node(self, number: int) -> Server:
        return self.nodes["192.0.2.2%d:8831" % number]

    def config(self, folder: pathlib.Path, member: str = "m1", **changes: Any) -> dict[str, Any]:
        values = {
            "cluster": "defaultCluster",
            "topology_type": "static",
            "member": member,
            "members": [
                {"name": m.name, "api": m.server.url, "etcd": m.server.url, "client_url": m.server.url} for m in self.members.values()
            ],
            "nodes": {name: server.url for name, server in self.nodes.items()},
            "lock_key": LOCK_KEY,
            # As little as it may be, so that the tests wait for little.
            "silence": 0.5,
            "silence_locked": 60,
            "unmapped": 1,
            "pause": 0.5,
            "interval": 0.1,
            "timeout": 0.4,
            "port": free_port(),
            "metrics_file": str(folder / "shard_keeper.prom"),
            "restart_file": "" if len(self.members) > 1 else str(folder / "restart-horaemeta"),
        }
        return {**values, **changes}

    def close(self) -> None:
        for server in [*(m.server for m in self.members.values()), *self.nodes.values()]:
            server.close()


class Program:
    """The keeper as systemd runs it."""

    def __init__(self, folder: pathlib.Path, config: dict[str, Any], *options: str, python: str = sys.executable) -> None:
        self.config, self._folder = config, folder
        path = folder / "keeper.json"
        path.write_text(json.dumps(config))
        self._log = folder / "log"
        environment = {**os.environ, "http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        with open(self._log, "ab") as output:
            self.process = subprocess.Popen(
                [python, str(PROGRAM), "--config", str(path), *options], stdout=output, stderr=output, env=environment
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def page(self, path: str = "/") -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open("http://127.0.0.1:%d%s" % (self.config["port"], path), timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.URLError:
            return ""

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(5)


@contextmanager
def running(folder: pathlib.Path, config: dict[str, Any], *options: str) -> Iterator[Program]:
    program = Program(folder, config, *options)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.process.kill()
        program.process.wait(5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, check: Callable[[], Any], timeout: float = 15) -> Any:
    end = time.monotonic() + timeout
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, what
        time.sleep(0.02)

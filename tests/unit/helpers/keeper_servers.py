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

from tests.unit.helpers.keeper_world import PROGRAM

LOCK_KEY = "/ansible/horaedb.cluster/defaultCluster/lock"
LEADER_KEY = "/horaedb/members/leader"
CURES_PREFIX = "/ansible/horaedb.cluster/defaultCluster/cures/"


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


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode("latin-1")


class FakeMember:
    """HoraeMeta's API and its etcd behind one port. All of them share the cluster's word on who leads etcd."""

    def __init__(self, cluster: FakeCluster, name: str, number: int) -> None:
        self.cluster, self.name, self.id = cluster, name, number
        # Whom it takes for HoraeMeta's leader: one that hangs goes on naming itself.
        self.names = "m1"
        self.hangs = False
        # Its etcd has lost the others: no leader, and nothing that needs a quorum.
        self.alone = False
        self.asked: list[str] = []
        self.server = Server(self.answer)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        cluster = self.cluster
        self.asked.append(path)
        leader = cluster.members[cluster.leader]
        if method == "POST" and path == "/api/v1/etcd/moveLeader":
            cluster.moved.append((self.name, body["memberName"]))
            if cluster.refuses:
                return 500, {"status": "error", "error": "(#500)move leader"}
            cluster.lead(body["memberName"])
            return 200, {"status": "success", "data": "ok"}
        if path.startswith("/v3/kv/") or path == "/v3/lease/revoke":
            return 200, cluster.etcd(path, body)
        if path.startswith("/api/") and cluster.members[self.names].hangs:
            # Its own clusters are locked for ever, and whoever follows it forwards to it.
            cluster.released.wait(60)
            return 503, {}
        if path == "/health" and self.alone:
            # It reads a key for that, which nobody confirms.
            cluster.released.wait(60)
            return 503, {"health": "false"}
        named = cluster.members[self.names].server.url
        return {
            "/v3/maintenance/status": (
                200,
                {
                    "header": {"member_id": str(self.id)},
                    **({} if self.alone else {"leader": str(leader.id)}),
                    "raftTerm": str(cluster.term),
                    "raftAppliedIndex": "1000",
                },
            ),
            "/health": (200, {"health": "true"} if cluster.healthy else {"health": "false"}),
            "/debug/leader": (200, {"status": "success", "data": named}),
            "/api/v1/clusters": (200, {"status": "success", "data": [{"Name": "defaultCluster", "TopologyType": cluster.kind}]}),
            "/api/v1/getNodeShards": (200, {"status": "success", "data": {"NodeShards": cluster.view}}),
        }.get(path, (404, {}))


class FakeCluster:
    """`stale`: a new leader of etcd isn't HoraeMeta's before the old one's leader key is gone."""

    def __init__(self, members: int = 2, nodes: int = 2) -> None:
        self.leader, self.term, self.kind = "m1", 2, "static"
        self.refuses = self.stale = False
        self.healthy = True
        self.released = threading.Event()
        self.moved: list[tuple[str, str]] = []
        self.revoked: list[int] = []
        # Key -> value and lease; in etcd's own order, which is that of their making.
        self.keys: dict[str, tuple[str, int]] = {}
        self.members = {"m%d" % n: FakeMember(self, "m%d" % n, n) for n in range(1, members + 1)}
        self.name_leader("m1")
        self.nodes = {"192.0.2.2%d:8831" % n: Server(self._shards(n)) for n in range(1, nodes + 1)}
        self.view = [{"ShardInfo": {"ID": number}, "ShardNode": {"NodeName": name}} for number, name in enumerate(self.nodes)]

    @property
    def locked(self) -> bool:
        return LOCK_KEY in self.keys

    @locked.setter
    def locked(self, held: bool) -> None:
        if held:
            self.keys[LOCK_KEY] = ("{}", 9)
        else:
            self.keys.pop(LOCK_KEY, None)

    def lead(self, name: str) -> None:
        """etcd has another leader."""
        self.leader, self.term = name, self.term + 1
        if not self.stale:
            self.name_leader(name)

    def name_leader(self, name: str) -> None:
        """HoraeMeta has."""
        member = self.members[name]
        record = b"\x0a%c%s\x10%c" % (len(name), name.encode(), member.id)
        self.keys[LEADER_KEY] = (record.decode("latin-1"), 1000 + self.term)
        for one in self.members.values():
            if not one.hangs:
                one.names = name

    def start_again(self, name: str) -> None:
        """What is left of a member that was killed: nothing."""
        self.members[name].hangs = self.members[name].alone = False
        self.members[name].names = self.leader

    @property
    def cures(self) -> dict[str, Any]:
        """By the rest of their key."""
        return {key[len(CURES_PREFIX) :]: json.loads(value) for key, (value, _l) in sorted(self.keys.items()) if key.startswith(CURES_PREFIX)}

    def etcd(self, path: str, body: Any) -> Any:
        if path == "/v3/kv/txn":
            return {"responses": [self._one(step) for step in body["success"]]}
        if path == "/v3/kv/range":
            return self._range(body)
        assert path == "/v3/lease/revoke", path
        self.revoked.append(int(body["ID"]))
        named = self.keys.get(LEADER_KEY)
        self.keys = {key: stored for key, stored in self.keys.items() if stored[1] != int(body["ID"])}
        if named and LEADER_KEY not in self.keys and not self.members[self.leader].hangs:
            self.name_leader(self.leader)
        return {"header": {}}

    def _one(self, step: Any) -> Any:
        if "request_range" in step:
            return {"response_range": self._range(step["request_range"])}
        if "request_put" in step:
            put = step["request_put"]
            self.keys[_decoded(put["key"])] = (_decoded(put["value"]), 0)
        else:
            self.keys.pop(_decoded(step["request_delete_range"]["key"]), None)
        return {}

    def _range(self, body: Any) -> Any:
        first = _decoded(body["key"])
        end = _decoded(body["range_end"]) if "range_end" in body else first + "\0"

        def entry(key: str) -> dict[str, str]:
            value, lease = self.keys[key]
            made = {"key": base64.b64encode(key.encode()).decode(), "value": base64.b64encode(value.encode("latin-1")).decode()}
            return {**made, **({"lease": str(lease)} if lease else {})}

        found = [entry(key) for key in self.keys if first <= key < end]
        return {"kvs": found} if found else {}

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
            "leader_key": LEADER_KEY,
            "cures_prefix": CURES_PREFIX,
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
            "kill_file": str(folder / "kill-horaemeta"),
        }
        return {**values, **changes}

    def close(self) -> None:
        self.released.set()
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

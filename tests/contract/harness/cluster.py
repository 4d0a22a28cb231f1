"""Three members and three data nodes, from the doubles or from real binaries, with the ports and addresses that hosts have."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Set, Tuple

from harness.network import MEMBERS, NODES, Host
from harness.process import Daemon, wait_for
from harness.proxy import MetaProxy
from harness.web import Reply, ask, status_of

SIMULATOR = pathlib.Path(__file__).resolve().parents[2] / "simulator"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
NAME = "defaultCluster"
JSON = {"content-type": "application/json"}
CLIENT, PEER, META_HTTP = 2379, 2380, 8080
HTTP, GRPC, MYSQL, POSTGRESQL = 5440, 8831, 3307, 5433
# An address of the tests' network at which nothing ever was.
NOBODY = NODES + ".0.99:1"
# Seconds for which a member may be away that has just started: it dies now and then, and is started again.
PATIENCE = 10.0


def find_etcd() -> str:
    for candidate in (os.environ.get("HORAE_SIM_ETCD"), shutil.which("etcd"), str(CACHE / "horaedb.cluster/tools/usr/bin/etcd")):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise AssertionError(
        "the contract tests need an etcd: install etcd-server, or set HORAE_SIM_ETCD to its binary, "
        "or unpack Debian's etcd-server into %s" % (CACHE / "horaedb.cluster/tools")
    )


@dataclass(frozen=True)
class Binaries:
    meta: str
    db: str
    real: bool


@dataclass(frozen=True)
class Settings:
    """What a test may want otherwise. The defaults are what the collection configures."""

    members: int = 3
    nodes: int = 3
    node_count: int = 3
    shard_total: int = 8
    topology: str = "static"
    lease: str = "3s"
    timeout: str = "2s"
    lock_ttl: int = 30
    fast_reacquire: bool = True
    start_timeout_ms: int = 30000
    proxy: bool = True
    store: Dict[str, Any] = field(default_factory=dict)
    wal: Dict[str, Any] = field(default_factory=dict)


class Cluster:
    """Each has a network of its own number, and each of its members is a host."""

    _numbers = itertools.count(1)

    def __init__(self, root: pathlib.Path, binaries: Binaries, settings: Settings = Settings()) -> None:
        self.root = root
        self.settings = settings
        self._binaries = binaries
        self._number = next(self._numbers)
        self.hosts: List[Host] = []
        self.members: List[Daemon] = []
        self.nodes: List[Daemon] = []
        self.proxy: Optional[MetaProxy] = None
        root.mkdir(parents=True, exist_ok=True)
        for index in range(settings.members):
            self.hosts.append(Host(self.member_addr(index)))
            self.members.append(self.member(index))
        for _ in range(settings.nodes):
            self.add_node()

    def member_addr(self, index: int) -> str:
        return "%s.%d.%d" % (MEMBERS, self._number, index + 1)

    def node_addr(self, index: int) -> str:
        return "%s.%d.%d" % (NODES, self._number, index + 1)

    def node_name(self, index: int) -> str:
        return "%s:%d" % (self.node_addr(index), GRPC)

    def etcd(self, index: int) -> str:
        return "http://%s:%d" % (self.member_addr(index), CLIENT)

    def api(self, index: int) -> str:
        return "http://%s:%d" % (self.member_addr(index), META_HTTP)

    def db(self, index: int) -> str:
        return "http://%s:%d" % (self.node_addr(index), HTTP)

    def peer(self, index: int) -> str:
        return "http://%s:%d" % (self.member_addr(index), PEER)

    def data(self, index: int) -> pathlib.Path:
        return self.root / ("db%d" % (index + 1)) / "data"

    def meta_data(self, index: int) -> pathlib.Path:
        return self.root / ("m%d" % (index + 1)) / "data"

    def initial_cluster(self) -> str:
        return ",".join("m%d=%s" % (i + 1, self.peer(i)) for i in range(self.settings.members))

    def member(
        self, index: int, state: str = "new", supervised: bool = True, environment: Optional[Dict[str, str]] = None, **changes: Any
    ) -> Daemon:
        home = self.root / ("m%d" % (index + 1))
        home.mkdir(exist_ok=True)
        values: Dict[str, Any] = {
            "node-name": "m%d" % (index + 1),
            "addr": self.member_addr(index),
            "data-dir": str(self.meta_data(index)),
            "client-urls": self.etcd(index),
            "advertise-client-urls": self.etcd(index),
            "peer-urls": self.peer(index),
            "advertise-peer-urls": self.peer(index),
            "initial-cluster": self.initial_cluster(),
            "initial-cluster-state": state,
            "http-port": META_HTTP,
            "default-cluster-node-count": self.settings.node_count,
            "default-cluster-shard-total": self.settings.shard_total,
            "topology-type": self.settings.topology,
            "etcd-start-timeout-ms": self.settings.start_timeout_ms,
            **changes,
        }
        config = home / "horaemeta.toml"
        config.write_text("".join("%s = %s\n" % (key, json.dumps(value)) for key, value in values.items()))
        surroundings = {"HORAE_SIM_ETCD": find_etcd(), **(environment or {})}
        command = self.hosts[index].command(self._binaries.meta, "--config", str(config))
        return Daemon("m%d" % (index + 1), command, home / "log", surroundings, supervised)

    def add_node(self) -> int:
        index = len(self.nodes)
        self.nodes.append(self.node(index))
        return index

    def node_config(self, index: int) -> Dict[str, Dict[str, Any]]:
        settings, data = self.settings, str(self.data(index))
        meta = self.proxy.url if self.proxy else self.etcd(0)
        return {
            "node": {"addr": self.node_addr(index)},
            "server": {
                "bind_addr": self.node_addr(index),
                "http_port": HTTP,
                "grpc_port": GRPC,
                "mysql_port": MYSQL,
                "postgresql_port": POSTGRESQL,
            },
            "tracing": {"dir": data + "/tracing"},
            "analytic.wal": dict(settings.wal) or {"type": "Local", "data_dir": data},
            "analytic.storage": {"disk_cache_dir": data},
            "analytic.storage.object_store": dict(settings.store) or {"type": "Local", "data_dir": data},
            "cluster_deployment": {"mode": "WithMeta"},
            "cluster_deployment.meta_client": {
                "cluster_name": NAME,
                "meta_addr": meta,
                "lease": settings.lease,
                "timeout": settings.timeout,
            },
            "cluster_deployment.etcd_client": {
                "server_addrs": ["%s:%d" % (self.member_addr(i), CLIENT) for i in range(settings.members)],
                "shard_lock_lease_ttl_sec": settings.lock_ttl,
                "enable_shard_lock_fast_reacquire": settings.fast_reacquire,
            },
        }

    def node(self, index: int, supervised: bool = True, **changes: Dict[str, Any]) -> Daemon:
        """`changes` is merged into the configuration, table by table (`__` for a dot)."""
        home = self.root / ("db%d" % (index + 1))
        home.mkdir(exist_ok=True)
        tables = self.node_config(index)
        for name, values in changes.items():
            tables.setdefault(name.replace("__", "."), {}).update(values)
        config = home / "horaedb.toml"
        config.write_text(toml(tables))
        return Daemon("db%d" % (index + 1), [self._binaries.db, "--config", str(config)], home / "log", {}, supervised)

    def start(self) -> Cluster:
        """Members and nodes, and waits until every shard is Ready where the view says."""
        self.start_members()
        self.start_nodes()
        self.wait_ready()
        return self

    def start_members(self) -> None:
        for member in self.members:
            member.start()
        wait_for("members healthy", lambda: all(self.healthy(i) for i in range(self.settings.members)), 30)
        if self.settings.proxy and self.proxy is None:
            self.proxy = MetaProxy({self.backend(i): self.health(i) for i in range(self.settings.members)})
            wait_for("proxy", lambda: self.proxy and self.proxy.backend, 10)
        self.wait_leader()

    def start_nodes(self) -> None:
        for index in range(len(self.nodes)):
            # Written again: the proxy's port is known only now.
            self.nodes[index] = self.node(index)
            self.nodes[index].start()

    def wait_leader(self, timeout: float = 30) -> str:
        """Its name, once it knows its clusters."""
        return wait_for("a leader that knows its cluster", lambda: self.leader() if self.clusters() else None, timeout)

    def wait_ready(self, timeout: float = 40) -> None:
        wait_for("every shard Ready where the view says", self.ready, timeout, 0.2)

    def stop(self) -> None:
        if self.proxy:
            self.proxy.close()
        for daemon in [*self.nodes, *self.members]:
            daemon.kill()
        for host in self.hosts:
            host.close()

    def backend(self, index: int) -> Tuple[str, int]:
        """Where the member takes the calls of data nodes."""
        return self.member_addr(index), CLIENT

    def health(self, index: int) -> List[str]:
        """etcd's own word says whether there is a quorum; HoraeMeta's, whether it has come up: before, a heartbeat kills it."""
        return [self.etcd(index) + "/health", self.api(index) + "/api/v1/health"]

    def healthy(self, index: int) -> bool:
        return all(status_of(url) == 200 for url in self.health(index))

    def leader(self) -> Optional[str]:
        """The leader's name, when all running members agree."""
        seen = set()
        for index, member in enumerate(self.members):
            if member.running():
                seen.add(self.named_by(index))
        if len(seen) != 1:
            return None
        endpoint = seen.pop()
        return next((m.name for i, m in enumerate(self.members) if self.etcd(i) == endpoint and m.running()), None)

    def named_by(self, index: int) -> Optional[str]:
        """Whom a member calls leader, by the URL; None when it doesn't answer."""
        try:
            reply = ask("GET", self.api(index) + "/debug/leader", timeout=2)
        except OSError:
            return None
        return str(reply.body["data"]) if reply.status == 200 else None

    def hung(self) -> List[str]:
        """Members that name themselves leader at once and leave unanswered, twice, what only a leader answers: an election has deadlocked them."""
        running = [(index, member.name) for index, member in enumerate(self.members) if member.running()]
        return [
            name
            for index, name in running
            if self.named_by(index) == self.etcd(index) and not any(self._answers(index) for _ in "12")
        ]

    def _answers(self, index: int) -> bool:
        """A refusal is an answer, too."""
        try:
            ask("GET", self.api(index) + "/api/v1/clusters", timeout=2)
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def said(self) -> str:
        """Who is running, whom each member calls leader, and which shards are where: for whoever reads why a story broke off."""
        members = [
            "%s calls %s" % (m.name, self.named_by(i)) if m.running() else m.name + " is away" for i, m in enumerate(self.members)
        ]
        nodes = ["%s has %s" % (n.name, self.shards(i)) if n.running() else n.name + " is away" for i, n in enumerate(self.nodes)]
        return "; ".join([*members, *nodes, "the view is %s" % self.view()])

    def leader_index(self) -> int:
        name = wait_for("one leader", self.leader, 30)
        return [member.name for member in self.members].index(name)

    def meta(self, method: str, path: str, body: Any = None, patience: float = PATIENCE, **options: Any) -> Reply:
        """Asks a running member, which forwards; another one, or again, while none can be reached."""
        deadline = time.monotonic() + patience
        for attempt in itertools.count():
            running = [i for i, member in enumerate(self.members) if member.running()] or [0]
            try:
                return ask(method, self.api(running[attempt % len(running)]) + path, body, **options)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        raise AssertionError("unreachable: the attempts never end")

    def clusters(self) -> List[Dict[str, Any]]:
        try:
            reply = self.meta("GET", "/api/v1/clusters", patience=0, timeout=3)
        except OSError:
            return []
        return list(reply.body["data"]) if reply.status == 200 else []

    def view(self) -> Dict[int, str]:
        """{shard: node name}; empty also while nobody can say."""
        try:
            reply = self.meta("POST", "/api/v1/getNodeShards", {"ClusterName": NAME}, patience=0, timeout=3)
        except OSError:
            return {}
        if reply.status != 200:
            return {}
        return {entry["ShardInfo"]["ID"]: entry["ShardNode"]["NodeName"] for entry in reply.body["data"]["NodeShards"]}

    def shards(self, index: int) -> Dict[int, str]:
        """{shard: status} as the node itself says."""
        try:
            reply = ask("GET", self.db(index) + "/debug/shards", timeout=2)
        except OSError:
            return {}
        return {entry["id"]: entry["status"] for entry in reply.body} if reply.status == 200 else {}

    def ready(self) -> bool:
        view = self.view()
        if set(view) != set(range(self.settings.shard_total)):
            return False
        held = {shard: (self.node_name(i), status) for i in range(len(self.nodes)) for shard, status in self.shards(i).items()}
        return all(held.get(shard) == (node, "Ready") for shard, node in view.items())

    def mapped_to(self, index: int) -> Set[int]:
        return {shard for shard, node in self.view().items() if node == self.node_name(index)}

    def sql(self, index: int, query: str, timeout: float = 10) -> Reply:
        return ask("POST", self.db(index) + "/sql", {"query": query}, headers=JSON, timeout=timeout)

    def move_leader(self) -> str:
        """To another member; returns when all see it."""
        old = self.leader_index()
        target = next(m.name for i, m in enumerate(self.members) if i != old and m.running())
        reply = ask("POST", self.api(old) + "/api/v1/etcd/moveLeader", {"memberName": target})
        assert reply.body == {"status": "success", "data": "ok"}, reply
        wait_for("leader moved to " + target, lambda: self.leader() == target, 15)
        return target

    def tables_on(self, index: int) -> List[str]:
        return [row["Tables"] for row in self.sql(index, "SHOW TABLES").body["rows"]]


def toml(tables: Dict[str, Dict[str, Any]]) -> str:
    return "\n".join(
        "[%s]\n%s" % (name, "".join("%s = %s\n" % (k, literal(v)) for k, v in values.items())) for name, values in tables.items()
    )


def literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{ %s }" % ", ".join("%s = %s" % (key, literal(item)) for key, item in value.items())
    return json.dumps(value)


def build_simulator(outdir: pathlib.Path, *options: str) -> Binaries:
    """`options` are build.py's own."""
    subprocess.run([sys.executable, str(SIMULATOR / "build.py"), str(outdir), *options], check=True, stdout=subprocess.DEVNULL)
    return Binaries(str(outdir / "horaemeta-server"), str(outdir / "horaedb-server"), real=False)

"""Starts that fail, and what they leave in the log; and ends."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from harness.cluster import NOBODY, Cluster, toml
from harness.web import ask

from stories.acts import Seen
from stories.telling import takes

SECRET = "s3cret-that-must-not-leak"


@dataclass(frozen=True)
class Outcome:
    """`code` is None for a process that was still alive after `seconds`."""

    code: Optional[int]
    out: str
    err: str
    seconds: float


def run(command: List[str], environment: Optional[Dict[str, str]] = None, patience: float = 15) -> Outcome:
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ, **environment or {}),
    )
    try:
        out, err = process.communicate(timeout=patience)
        code: Optional[int] = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        code = None
    return Outcome(code, out, err, time.monotonic() - started)


class Desk:
    """Writes configurations of a data node that differ from a good one in one thing."""

    def __init__(self, stage: Any, cluster: Cluster) -> None:
        self._root: pathlib.Path = stage.root
        self._binary: str = stage.binaries.db
        self._cluster = cluster

    def db(self, text: str, environment: Optional[Dict[str, str]] = None, patience: float = 15) -> Outcome:
        path = self._root / "try.toml"
        path.write_text(text)
        return run([self._binary, "-c", str(path)], environment, patience)

    def good(self, **changes: Dict[str, Any]) -> str:
        tables = self._cluster.node_config(0)
        for name, values in changes.items():
            tables.setdefault(name.replace("__", "."), {}).update(values)
        return toml(tables)

    def with_wal(self, table: Dict[str, Any]) -> str:
        return toml(dict(self._cluster.node_config(0), **{"analytic.wal": table}))


@takes(40)
def data_nodes(stage: Any) -> Seen:
    cluster = stage.cluster(members=1, nodes=1, node_count=1, proxy=False).start()
    desk = Desk(stage, cluster)
    free = {"http_port": 0, "grpc_port": 0, "mysql_port": 0, "postgresql_port": 0}
    seen: Seen = {
        "missing file": run([stage.binaries.db, "-c", "/nonexistent.toml"]),
        "malformed": desk.db('[node]\naddr = "x\nsecret = "%s"\n' % SECRET),
        "unknown root table": desk.db(desk.good() + "\n[cluster_delpoyment]\nx = 1\n"),
        "bad duration": desk.db(desk.good(cluster_deployment__meta_client={"lease": "3"})),
        "bad enum": desk.db(desk.good(analytic__wal={"type": "local"})),
        "no type": desk.db(desk.good().replace('type = "Local"\n', "", 1)),
        "unknown flag": run([stage.binaries.db, "--frobnicate"]),
        "version": run([stage.binaries.db, "-V"]),
        "no wal": desk.db(desk.good().replace("[analytic.wal]", "[analytic.nothing]").replace('type = "Local"\n', 'kind = "Local"\n', 1)),
        "RocksDB": desk.db(desk.with_wal({"type": "RocksDB"})),
        "RocksDB with a key": desk.db(desk.with_wal({"type": "RocksDB", "data_dir": "/nowhere"})),
        "no cluster name": desk.db(desk.good(cluster_deployment__meta_client={"cluster_name": ""})),
        "unknown cluster": desk.db(desk.good(cluster_deployment__meta_client={"cluster_name": "nope"}, server=free)),
        "cluster name by environment": desk.db(desk.good(), {"CLUSTER_NAME": "nope"}),
        "no scheme in meta_addr": desk.db(desk.good(cluster_deployment__meta_client={"meta_addr": NOBODY})),
        "meta away": desk.db(desk.good(cluster_deployment__meta_client={"meta_addr": "http://" + NOBODY})),
        "port in use": desk.db(desk.good()),
        "bind address by name": desk.db(desk.good(server={"bind_addr": "localhost"})),
        "data dir not writable": desk.db(desk.good(analytic__wal={"data_dir": "/proc/nothing"})),
        "log of a good start": cluster.nodes[0].log(),
        "effective config": ask("GET", cluster.db(0) + "/debug/config").text,
    }
    typo = cluster.node(0, supervised=False, analytic__wal={"data_dirr": "/x"}, server={"deploy_mode": "x"})
    cluster.nodes[0].stop()
    typo.start()
    cluster.nodes[0] = typo
    cluster.wait_ready()
    seen["typo below the root"] = typo.running()
    started = time.monotonic()
    seen["SIGTERM"] = typo.stop(signal.SIGTERM), time.monotonic() - started
    return seen


@takes(15)
def members(stage: Any) -> Seen:
    cluster = stage.cluster(members=1, nodes=0)
    binary, good = stage.binaries.meta, cluster.root / "m1" / "horaemeta.toml"
    bad = cluster.root / "bad.toml"
    bad.write_text("[log\n")
    seen: Seen = {
        "missing file": run([binary, "--config", "/nonexistent.toml"]),
        "malformed": run([binary, "--config", str(bad)]),
        "version": run([binary, "--version"]),
        "topology type": run([binary, "--config", str(good)], {"TOPOLOGY_TYPE": "statik"}),
    }
    unwanted = {"default-http-port": 1, "node-name": "from-the-file"}
    cluster.members[0] = cluster.member(0, environment={"NODE_NAME": "m1"}, **unwanted)
    cluster.start_members()
    seen["log"] = cluster.members[0].log()
    seen["name"] = ask("GET", cluster.api(0) + "/api/v1/etcd/member").body["data"]["members"][0]["name"]
    seen["announcement"] = ask("GET", cluster.api(0) + "/debug/simulator")
    return seen

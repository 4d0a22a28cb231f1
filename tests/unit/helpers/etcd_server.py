"""A real etcd on loopback, alone, for what the collection keeps in the cluster's own."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Topology


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def etcd(folder: pathlib.Path) -> Iterator[int]:
    """Its client port."""
    program = shutil.which("etcd")
    assert program, "the unit tests need etcd on PATH: run them with `make unit` or `python3 -m lab tool`"
    client, peer = free_port(), free_port()
    urls = ["http://127.0.0.1:%d" % port for port in (client, peer)]
    command = [program, "--data-dir", str(folder / "etcd"), "--listen-client-urls", urls[0], "--advertise-client-urls", urls[0]]
    command += ["--listen-peer-urls", urls[1], "--initial-advertise-peer-urls", urls[1], "--initial-cluster", "default=" + urls[1]]
    with (folder / "etcd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(urls[0] + "/health", process)
            yield client
        finally:
            process.kill()
            process.wait()


def topology(*client_ports: int) -> Topology:
    """Members that are only the client ports of their etcds."""
    members = tuple(
        Member(
            host="meta%d" % number,
            name="meta%d" % number,
            address="127.0.0.1",
            http_port=1,
            client_port=port,
            peer_port=1,
            data_dir="/var/lib/horaemeta",
            node_count=1,
            shard_total=8,
            topology_type="static",
            cluster_name="defaultCluster",
            root_path="/horaedb",
            client_url="http://127.0.0.1:%d" % port,
            peer_url="http://127.0.0.1:1",
            keeper_port=0,
        )
        for number, port in enumerate(client_ports, 1)
    )
    return Topology("defaultCluster", "static", 8, 1, "/horaedb", "proxy", 12379, members, ())


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, "etcd has ended"
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if b'"true"' in answer.read():
                    return
        except (urllib.error.URLError, OSError):
            pass
        assert time.monotonic() < deadline, "etcd isn't healthy after 30 s"
        time.sleep(0.05)

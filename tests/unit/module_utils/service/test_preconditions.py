"""Ports, space and data that must be there."""

from __future__ import annotations

import pathlib
import socket
from typing import Any, Dict, Optional

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service import preconditions
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import TargetHost
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = HEADER + "   0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4711 1 0 100 0 0 10 0\n   1: 0B0200C0:1F91 0:0 01 0:0 0:0 0 0 0 4712 1\n"
TCP6 = HEADER + (
    "   0: 00000000000000000000000000000000:0947 0:0 0A 0:0 0:0 0 0 0 4713 1\n"
    "   1: 0000000000000000FFFF00000B0200C0:0948 0:0 0A 0:0 0:0 0 0 0 4714 1\n"
)


class Proc:
    """A /proc with one process per socket."""

    def __init__(self, files: Dict[str, str], links: Dict[str, str]) -> None:
        self._files, self._links = files, links

    def read(self, path: str) -> Optional[bytes]:
        return self._files[path].encode() if path in self._files else None

    def names(self, path: str) -> list[str]:
        below = [p[len(path) + 1 :].split("/")[0] for p in [*self._files, *self._links] if p.startswith(path + "/")]
        return sorted(set(below))

    def target(self, path: str) -> Optional[str]:
        return self._links.get(path)


PROC: Any = Proc(
    {"/proc/net/tcp": TCP, "/proc/net/tcp6": TCP6, "/proc/9/comm": "python3\n", "/proc/sys/x": ""},
    {"/proc/9/fd/3": "socket:[4711]", "/proc/9/fd/4": "socket:[4713]", "/proc/9/fd/5": "/dev/null"},
)


def test_listeners_are_read_from_both_tables() -> None:
    found = [(one.address, one.port) for table in (TCP, TCP6) for one in preconditions.listeners(table)]
    assert found == [("127.0.0.1", 8080), ("::", 2375), ("192.0.2.11", 2376)]


@pytest.mark.parametrize(
    ("port", "bind", "holder"),
    [
        (8080, "0.0.0.0", "port 8080 is held by pid 9 \\(python3\\)"),
        (8080, "127.0.0.1", "pid 9"),
        (2375, "192.0.2.11", "pid 9"),
        (2376, "192.0.2.11", "a process that can't be seen from here"),
    ],
)
def test_a_taken_port_is_refused_with_its_holder(port: int, bind: str, holder: str) -> None:
    with pytest.raises(Refused, match=holder):
        preconditions.ports(PROC, [1, port], bind)


@pytest.mark.parametrize(("port", "bind"), [(8080, "192.0.2.11"), (8081, "0.0.0.0"), (2376, "127.0.0.1")])
def test_a_free_port_is_not(port: int, bind: str) -> None:
    preconditions.ports(PROC, [port], bind)


def test_a_real_listener_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Refused, match=r"held by pid \d+"):
        preconditions.ports(TargetHost(None), [server.getsockname()[1]], "0.0.0.0")


def test_space_names_every_full_filesystem(tmp_path: pathlib.Path) -> None:
    host = TargetHost(None)
    preconditions.space(host, {str(tmp_path / "not" / "there"): 1})
    with pytest.raises(Refused, match="(?s)/not/there has .* MiB free and .* MiB are wanted"):
        preconditions.space(host, {str(tmp_path / "not" / "there"): 1 << 60})

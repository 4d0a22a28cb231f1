"""The first deployment with one thing after the other in its way: what could be done is done, and the next run goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import Hosts
from refusal import assert_said

from tests.support.playbook import Run
from tests.support.services import process
from tests.support.site import Site

# Long enough for what gets ready at all, on a busy machine too.
SHORT = {"horaemeta_ready_timeout": 30, "horaedb_ready_timeout": 30}


@contextmanager
def port_in_use(host: object, port: int) -> Iterator[int]:
    """A process that listens there; yields its pid."""
    command = "nohup python3 -m http.server %s >/dev/null 2>&1 & echo $!"
    pid = int(host.check_output(command, str(port)))  # type: ignore[attr-defined]
    host.check_output("for try in $(seq 100); do ss -Hltn sport = :%s | grep -q . && exit; sleep 0.05; done; exit 1", str(port))  # type: ignore[attr-defined]
    yield pid
    host.check_output("kill %s", str(pid))  # type: ignore[attr-defined]


@contextmanager
def small_disk(host: object, folder: str) -> Iterator[None]:
    """1 MiB for all that is below this folder. Afterwards it is large enough."""
    host.check_output("mkdir -p %s && mount -t tmpfs -o size=1m tmpfs %s", folder, folder)  # type: ignore[attr-defined]
    yield
    host.check_output("mount -o remount,size=600m %s", folder)  # type: ignore[attr-defined]


def test_a_member_on_a_half_written_directory_leaves_the_others_running(site: Site, hosts: Hosts) -> None:
    """Breaks when a member that can't start hangs the run, says nothing of why, or takes the healthy members along."""
    garbage = "/var/lib/horaemeta/etcd/member/snap"
    hosts["meta3"].check_output("mkdir -p %s && head -c 65536 /dev/urandom > %s/db", garbage, garbage)
    ended = site.run(everywhere=SHORT)
    hosts["meta3"].check_output("rm -r /var/lib/horaemeta/etcd")
    assert ended.rc != 0
    assert_said(ended, ["zzz"])

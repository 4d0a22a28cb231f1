"""The first deployment with one thing after the other in its way: what can be done is done, and the next run goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from conftest import Hosts
from refusal import assert_said

from tests.support.cluster import Cluster
from tests.support.rows import Rows
from tests.support.services import process
from tests.support.site import Site
from tests.support.traffic import get

MEMBERS = ("meta1", "meta2", "meta3")
NODES = ("db1", "db2", "db3")


@contextmanager
def port_in_use(host: Any, port: int) -> Iterator[int]:
    """A process of nobody's that listens there; yields its pid."""
    host.check_output("systemd-run --quiet --unit=squatter python3 -m http.server %s", str(port))
    host.check_output("for try in $(seq 100); do ss -Hltn sport = :%s | grep -q . && exit; sleep 0.05; done; exit 1", str(port))
    try:
        yield int(host.check_output("systemctl show --value --property=MainPID squatter"))
    finally:
        host.check_output("systemctl stop squatter")


@contextmanager
def small_disk(host: Any, folder: str) -> Iterator[None]:
    """1 MiB for all that is below this folder; afterwards there is room, and nothing of what was written meanwhile."""
    host.check_output("mkdir -p %s && mount -t tmpfs -o size=1m tmpfs %s", folder, folder)
    try:
        yield
    finally:
        host.check_output("umount %s && rmdir %s", folder, folder)


def test_a_member_on_a_half_written_directory_leaves_the_others_running(site: Site, hosts: Hosts) -> None:
    """Breaks when a member that can't start hangs the run, says nothing of why, is left half on, or takes healthy members along."""
    garbage = "/var/lib/horaemeta/etcd/member/snap"
    hosts["meta3"].check_output("mkdir -p %s && head -c 65536 /dev/urandom > %s/db && chmod -R 777 /var/lib/horaemeta/etcd", garbage, garbage)
    try:
        ended = site.run()
    finally:
        hosts["meta3"].check_output("rm -r /var/lib/horaemeta/etcd")
    assert ended.rc != 0
    assert_said(ended, ["horaemeta", "the process died 3 times"])
    assert_said(ended, ["failed to open database"])
    assert_said(ended, ["no earlier generation", "stopped and disabled"])
    assert {host: counts["failed"] for host, counts in ended.recap.items()} == {**dict.fromkeys((*MEMBERS, *NODES), 0), "meta3": 1}
    assert not hosts["meta3"].service("horaemeta").is_running
    assert not hosts["meta3"].service("horaemeta").is_enabled
    for member in ("meta1", "meta2"):
        assert get("http://%s:2379/health" % site.addresses[member])["health"] == "true"  # type: ignore[index]
    for node in NODES:
        assert not hosts[node].file("/opt/horaedb").exists


def test_a_port_in_use_is_named_with_its_holder(site: Site, hosts: Hosts) -> None:
    """Breaks when a daemon is started against a taken port, or the members that run already are restarted."""
    before = {member: process(hosts[member], "horaemeta") for member in ("meta1", "meta2")}
    with port_in_use(hosts["meta3"], 2379) as pid:
        ended = site.run()
    assert ended.rc != 0
    assert ended.recap["meta3"]["failed"] == 1
    assert_said(ended, ["port 2379", "pid %d" % pid, "python3", "stop that process"])
    assert not hosts["meta3"].service("horaemeta").is_running
    assert {member: process(hosts[member], "horaemeta") for member in before} == before


def test_three_nodes_with_three_troubles_are_told_apart(site: Site, hosts: Hosts) -> None:
    """Breaks when a full disk is found halfway through writing, when only the first host's trouble is told, or the members suffer."""
    with small_disk(hosts["db1"], "/opt/horaedb"), small_disk(hosts["db2"], "/var/lib/horaedb"), port_in_use(hosts["db3"], 5440) as pid:
        ended = site.run()
    assert ended.rc != 0
    assert_said(ended, ["/opt/horaedb", "MiB free", "are wanted", "make room"])
    assert_said(ended, ["/var/lib/horaedb", "MiB free", "are wanted", "make room"])
    assert_said(ended, ["port 5440", "pid %d" % pid, "python3"])
    for node in NODES:
        assert ended.recap[node]["failed"] == 1
        assert not hosts[node].service("horaedb").is_running
        assert hosts[node].service("horaedb-meta-proxy").is_running
    for member in MEMBERS:
        assert hosts[member].service("horaemeta").is_running


def test_with_all_of_it_mended_the_same_run_makes_the_cluster(site: Site, cluster: Cluster) -> None:
    """Breaks when a failed first deployment leaves something behind that has to be removed by hand."""
    site.deploy()
    cluster.assert_whole()
    rows = Rows(cluster, "first")
    rows.write()
    rows.assert_kept()
    assert site.deploy().changed == 0

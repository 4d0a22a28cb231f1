"""Disks fill up or lose what is on them under a living cluster; what runs goes on, and the way back is the documented one."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from cases import EMPTIED_MEMBER, WIPED_MEMBERS
from conftest import ROOT, Hosts
from refusal import assert_refused, assert_said

from tests.support.cluster import Cluster, until
from tests.support.machines import Machines
from tests.support.rows import Rows
from tests.support.services import Process, process
from tests.support.site import Site

PIECE = 60000


def processes(hosts: Hosts, unit: str, names: object) -> dict[str, Process]:
    return {name: process(hosts[name], unit) for name in names}  # type: ignore[attr-defined]


def test_a_disk_without_room_for_an_update_keeps_what_runs(site: Site, hosts: Hosts, cluster: Cluster, machines: Machines) -> None:
    """Breaks when one full disk lets other hosts be restarted, or when the update can't simply be taken back."""
    before = processes(hosts, "horaedb", cluster.nodes)
    with machines.full_disk("db1", "/opt/horaedb"):
        ended = site.run(everywhere={"horaedb_settings": {"logger": {"level": "warn"}}})
    assert ended.rc != 0
    assert_said(ended, ["/opt/horaedb", "MiB free", "are wanted", "make room"])
    assert {host: counts["failed"] for host, counts in ended.recap.items() if host in before} == {"db1": 1, "db2": 0, "db3": 0}
    site.deploy()
    assert processes(hosts, "horaedb", cluster.nodes) == before
    assert site.deploy().changed == 0
    cluster.assert_whole()


def test_an_emptied_member_is_not_started_again(site: Site, hosts: Hosts, cluster: Cluster) -> None:
    """Breaks when etcd is started on an empty directory under the name of a member that the others still know."""
    before = processes(hosts, "horaemeta", ("meta1", "meta2"))
    hosts["meta3"].check_output("systemctl stop horaemeta && mv /var/lib/horaemeta/etcd /var/lib/horaemeta/aside")
    try:
        ended = site.run()
        started = hosts["meta3"].service("horaemeta").is_running
    finally:
        hosts["meta3"].check_output("mv /var/lib/horaemeta/aside /var/lib/horaemeta/etcd")
    assert_refused(ended, EMPTIED_MEMBER, site)
    assert not started
    assert processes(hosts, "horaemeta", ("meta1", "meta2")) == before
    site.deploy()
    cluster.assert_whole()


def test_a_member_that_has_lost_its_disk_is_replaced_as_documented(site: Site, hosts: Hosts, cluster: Cluster) -> None:
    """Breaks when the documented way doesn't lead to three voting members, or when it costs a data node's shards."""
    view = cluster.assert_whole()
    before = {**processes(hosts, "horaemeta", ("meta1", "meta2")), **processes(hosts, "horaedb", cluster.nodes)}
    # The lost one is the last of the inventory and of the examples.
    out, join, promote, end = (
        block.replace("192.0.2.11", cluster.members["meta1"]).replace("192.0.2.13", cluster.members["meta3"])
        for block in blocks("Replacing a member that has lost its disk")
    )
    hosts["meta3"].check_output("systemctl stop horaemeta && rm -rf /var/lib/horaemeta/etcd /var/lib/horaemeta/wal")
    until(lambda: None if '"success"' in hosts["meta1"].check_output(out.splitlines()[0].strip()) else "it isn't removed", 30)
    hosts["meta1"].check_output("set -e; " + "\n".join(out.splitlines()[1:]))
    hosts["meta3"].check_output("set -e; " + join)
    until(lambda: None if '"success"' in hosts["meta1"].check_output(promote) else "it isn't promoted", 60)
    hosts["meta3"].check_output("set -e; " + end)
    site.deploy()
    assert cluster.assert_whole() == view
    assert before == {**processes(hosts, "horaemeta", ("meta1", "meta2")), **processes(hosts, "horaedb", cluster.nodes)}
    assert site.deploy().changed == 0


def blocks(section: str) -> list[str]:
    """The commands of a section of docs/operations.md, block by block."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split("## %s\n" % section)[1].split("\n## ")[0]
    return re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)


@pytest.fixture
def typed(cluster: Cluster) -> dict[str, str]:
    """What an operator types by the section on restoring: `save` once, then on each member what stands under its name."""
    examples = dict(zip(("192.0.2.11", "192.0.2.12", "192.0.2.13"), cluster.members.values(), strict=True))
    save, restore = (
        re.sub("|".join(examples), lambda match: examples[match[0]], block) for block in blocks("Restoring HoraeMeta from a snapshot")
    )
    first = next(iter(cluster.members.values()))
    return {"save": save} | {
        member: restore.replace("--name meta1", "--name %s" % member).replace(
            "-peer-urls http://%s" % first, "-peer-urls http://%s" % address
        )
        for member, address in cluster.members.items()
    }


def test_wiped_members_are_refused_and_restored_as_documented(site: Site, hosts: Hosts, cluster: Cluster, typed: dict[str, str]) -> None:
    """Breaks when an empty HoraeMeta is put over data, when the documented way back doesn't lead back, or when it costs a row."""
    view = cluster.assert_whole()
    rows = Rows(cluster, "kept")
    rows.write()
    hosts["meta1"].check_output("set -e; " + typed["save"])
    snapshot = hosts["meta1"].check_output("base64 --wrap=0 horaemeta.snapshot")
    before = processes(hosts, "horaedb", cluster.nodes)

    def wipe(member: str) -> None:
        hosts[member].check_output("systemctl stop horaemeta && rm -rf /var/lib/horaemeta/etcd /var/lib/horaemeta/wal")

    def restore(member: str) -> None:
        # In pieces that fit into a command.
        hosts[member].check_output("rm -f horaemeta.snapshot.base64")
        for start in range(0, len(snapshot), PIECE):
            hosts[member].check_output("cat >> horaemeta.snapshot.base64 <<END\n" + snapshot[start : start + PIECE] + "\nEND")
        hosts[member].check_output("base64 --decode horaemeta.snapshot.base64 > horaemeta.snapshot")
        hosts[member].check_output("set -e; " + typed[member])

    with ThreadPoolExecutor(len(cluster.members)) as pool:
        list(pool.map(wipe, cluster.members))
        ended = site.run()
        started = [member for member in cluster.members if hosts[member].service("horaemeta").is_running]
        list(pool.map(restore, cluster.members))
    assert_refused(ended, WIPED_MEMBERS, site)
    assert started == []
    site.deploy()
    assert cluster.assert_whole() == view
    rows.write()
    rows.assert_kept()
    assert processes(hosts, "horaedb", cluster.nodes) == before

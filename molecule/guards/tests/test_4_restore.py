"""The members are wiped: site.yml refuses, and what docs/operations.md says brings everything back."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from cases import Case
from conftest import ROOT, Hosts
from refusal import assert_refused

from tests.support.cluster import Cluster
from tests.support.rows import Rows
from tests.support.services import process
from tests.support.site import Site


def documented(cluster: Cluster, member: str) -> tuple[str, str]:
    """What the operator types according to the section on restoring: to take a snapshot, and on this member to restore it."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.split("## Restoring HoraeMeta from a snapshot")[1]
    blocks = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    for name, example in zip(cluster.members, ("192.0.2.11", "192.0.2.12", "192.0.2.13"), strict=True):
        blocks = [block.replace(example, cluster.members[name]) for block in blocks]
    save, restore = blocks
    own = restore.replace("--name meta1", "--name %s" % member)
    own = own.replace("--initial-advertise-peer-urls http://%s" % cluster.members["meta1"], "--initial-advertise-peer-urls http://%s" % cluster.members[member])
    return save, own


def test_wiped_members_are_refused_and_restored_as_documented(site: Site, hosts: Hosts, cluster: Cluster) -> None:
    """Breaks when an empty HoraeMeta is put over data, when the documented restore doesn't work, or when one row is lost by it."""
    site.deploy()
    view = cluster.assert_whole()
    rows = Rows(cluster, "kept")
    rows.write()
    save, _restore = documented(cluster, "meta1")
    hosts["meta1"].check_output("cd /root && set -e\n" + save)
    snapshot = hosts["meta1"].check_output("base64 -w0 /root/horaemeta.snapshot")
    nodes = {node: process(hosts[node], "horaedb") for node in cluster.nodes}

    def wipe(member: str) -> None:
        hosts[member].check_output("systemctl stop horaemeta && rm -rf /var/lib/horaemeta/etcd /var/lib/horaemeta/wal")

    def restore(member: str) -> None:
        hosts[member].check_output("cd /root && echo %s | base64 -d > horaemeta.snapshot", snapshot)
        hosts[member].check_output("cd /root && set -e\n" + documented(cluster, member)[1])

    with ThreadPoolExecutor(len(cluster.members)) as pool:
        list(pool.map(wipe, cluster.members))
        ended = site.run()
        running = [member for member in cluster.members if hosts[member].service("horaemeta").is_running]
        list(pool.map(restore, cluster.members))
    assert_refused(ended, Case("data.members-empty", ["meta1, meta2, meta3", "db1, db2, db3 hold data", "snapshot", "docs/operations.md"]), site)
    assert running == []
    site.deploy()
    assert cluster.assert_whole() == view
    rows.assert_kept()
    rows.write()
    rows.assert_kept()
    assert {node: process(hosts[node], "horaedb") for node in cluster.nodes} == nodes, "a data node was restarted"

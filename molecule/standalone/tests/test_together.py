"""One member and one data node on one host, as converge.yml left them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.reports import ONLY_SIMULATORS
from tests.support import fingerprint, playbook
from tests.support.cluster import Cluster, until
from tests.support.hangs import Hangs
from tests.support.keys import Keys
from tests.support.load import daemons_of
from tests.support.machines import Machines
from tests.support.rows import Rows
from tests.support.services import process
from tests.support.traffic import Reader

DAEMONS = ("horaemeta", "horaedb")
CHANGE = {"horaemeta_settings": {"log": {"level": "debug"}}, "horaedb_settings": {"logger": {"level": "debug"}}}


def test_no_proxy_stands_between_one_node_and_one_member(on: Callable[[str], Any]) -> None:
    """Breaks when the proxy's role ignores that there is nothing to choose between."""
    assert not on("one").service("horaedb-meta-proxy").is_running
    assert not on("one").file("/opt/horaedb-meta-proxy").exists


def test_what_runs_there_can_be_read_as_if_it_had_been_installed_by_hand(inventory: Path, on: Callable[[str], Any]) -> None:
    """Breaks when adopt.yml doesn't find a running daemon's file, says something wrong of it, or changes a host."""
    hosts = {"one": on("one")}
    before = fingerprint.take(hosts, fingerprint.LIVING)
    run = playbook.run("playbooks/adopt.yml", inventory, "--limit", "one")
    assert (run.rc, run.changed) == (0, 0), run.output
    for words in ("horaemeta_default_cluster_node_count: 1", "horaedb_settings", "This collection installed it"):
        assert words in run.output, words
    assert "HORAE_TEST_PASSWORD" in run.output and "canary-in-the-environment" not in run.output
    assert fingerprint.differences(before, fingerprint.take(hosts, fingerprint.LIVING)) == []


def test_both_daemons_are_rolled_on_one_host(inventory: Path, cluster: Cluster, on: Callable[[str], Any]) -> None:
    """Breaks when a changed configuration reaches only one of the two processes, costs shards or rows, or when the node starts without its member."""
    rows = Rows(cluster)
    rows.write()
    before = cluster.assert_whole()
    old = {daemon: process(on("one"), daemon) for daemon in DAEMONS}
    with Reader(rows.readers()) as reader:
        run = playbook.run("site.yml", inventory, variables=CHANGE)
    assert run.rc == 0, run.output
    new = {daemon: process(on("one"), daemon) for daemon in DAEMONS}
    for daemon in DAEMONS:
        unit = on("one").file("/etc/systemd/system/%s.service" % daemon).content_string
        assert "Environment=HORAE_GENERATION=%s\n" % new[daemon].generation in unit
        assert new[daemon].generation != old[daemon].generation
        assert on("one").file("/opt/%s/staged" % daemon).exists is False
    # HoraeDB dies when it is started before the member is back, and with three deaths the roll is taken for failed.
    assert on("one").check_output("systemctl show --value --property=NRestarts horaedb") == "0"
    assert reader.attempts
    print("outages: %s" % reader.outages("one"))
    assert cluster.assert_whole() == before
    rows.assert_kept()
    again = playbook.run("site.yml", inventory, variables=CHANGE)
    assert (again.rc, again.changed) == (0, 0), again.output
    assert {daemon: process(on("one"), daemon) for daemon in DAEMONS} == new


def test_the_only_host_is_rebooted(inventory: Path, cluster: Cluster) -> None:
    """Breaks when the one member is stopped that everything is asked of, so that a reboot ends halfway and can't be typed again."""
    machines, rows = Machines(inventory), Rows(cluster, "booted")
    rows.write()
    view, boot = cluster.assert_whole(), machines.boot_id("one")
    run = playbook.run("playbooks/downtime.yml", inventory, variables={**CHANGE, "horaedb_downtime_reboot": True})
    assert run.rc == 0, run.output
    assert machines.boot_id("one") != boot
    assert cluster.assert_whole() == view
    rows.assert_kept()


def test_the_only_member_hangs_and_its_keeper_has_it_restarted(inventory: Path, cluster: Cluster, on: Callable[[str], Any]) -> None:
    """Breaks when a member that has nobody to hand its leadership to hangs on, or when its data node is forgotten meanwhile."""
    if daemons_of(cluster) == "real":
        pytest.skip(ONLY_SIMULATORS + ": a leader that hangs when it is asked to")
    machines, rows, hangs = Machines(inventory), Rows(cluster, "hung"), Hangs(cluster, Keys(cluster), on)
    rows.write()
    view = cluster.assert_whole()
    with Reader(rows.readers()) as reader, hangs.met("one"):
        machines.crash("one", "horaemeta")
        # Started again, and elected once the key of its former life is over: it hangs then, is cured, and has to do it once more.
        until(hangs.uncured, 60)
        until(cluster.problem, 45)
    print("outages: %s" % reader.outages("one"))
    assert cluster.assert_whole() == view
    rows.assert_kept()

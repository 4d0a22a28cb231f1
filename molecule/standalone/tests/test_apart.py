"""One member and one data node on two hosts, deployed by a user who needs sudo and a password for it.

The tests run in the order of this file and hand the two hosts on: fresh, deployed, rolled, and at last broken on purpose.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import canary, fingerprint, playbook
from tests.support.cluster import Cluster, until
from tests.support.rows import Rows
from tests.support.services import events, process, slow_start
from tests.support.traffic import Refused

# Longer than the 10 s after which HoraeMeta forgets a node, shorter than the 30 s of its shard locks.
AWAY = 14

OPERATOR = {
    "ansible_user": "ops-asked",
    "ansible_become": True,
    "ansible_become_password": "lab-password",
}


@pytest.fixture(scope="module")
def apart(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inventory of its own for the two hosts that the scenario leaves bare."""
    listed = subprocess.run(["ansible-inventory", "-i", str(inventory), "--list"], check=True, capture_output=True, text=True, timeout=60)
    hostvars = json.loads(listed.stdout)["_meta"]["hostvars"]
    groups = {"horaemeta": "meta", "horaedb": "data"}
    path = tmp_path_factory.mktemp("apart") / "hosts.json"
    path.write_text(json.dumps({group: {"hosts": {host: dict(hostvars[host], **OPERATOR)}} for group, host in groups.items()}))
    return path


@pytest.fixture(scope="module")
def pair(apart: Path) -> Cluster:
    return Cluster.of(apart)


@pytest.fixture(scope="module")
def rows(pair: Cluster) -> Rows:
    return Rows(pair)


def test_check_mode_on_fresh_hosts_changes_nothing(apart: Path, on: Callable[[str], Any]) -> None:
    """Breaks when a task can't run, or acts, in check mode while nothing of what it builds on is there yet."""
    hosts = {name: on(name) for name in ("meta", "data")}
    before = fingerprint.take(hosts)
    run = playbook.run("site.yml", apart, "--check", "--diff")
    assert run.rc == 0, run.output
    assert run.changed, "check mode foresees no change on fresh hosts:\n" + run.output
    assert fingerprint.differences(before, fingerprint.take(hosts)) == []


def test_a_user_with_sudo_deploys_within_the_budget(apart: Path, pair: Cluster) -> None:
    """Breaks when a task needs root's login, loses the password, shows a secret, or when a host is asked more often than needed."""
    run = playbook.run("site.yml", apart, "-vvv", "--diff")
    assert run.rc == 0, run.output
    assert "HORAE_TEST_PASSWORD" in run.output and "key_secret" in run.output, "no diff of the files with secrets"
    assert canary.leaks("the output", run.output) == []
    # Once to learn that the binary is missing, once to do everything; the guard and the gate read the cluster from one host.
    assert run.executions == Counter(
        {
            ("meta", "horaedb.cluster.operation"): 1,
            # The keeper is text alone: nothing has to be sent.
            ("meta", "horaedb.cluster.daemon"): 2 + 1,
            ("data", "horaedb.cluster.daemon"): 2,
            ("meta", "horaedb.cluster.cluster_ready"): 1,
        }
    )
    pair.assert_whole()


def test_the_same_again_changes_nothing(apart: Path) -> None:
    """Breaks when a second run finds something to do, or runs a module where a shell line sees that all is as it should be."""
    run = playbook.run("site.yml", apart)
    assert (run.rc, run.changed) == (0, 0), run.output
    assert run.on("data") == 0, run.executions
    assert run.on("meta") == 2, run.executions


def test_a_rolled_data_node_keeps_its_shards_however_long_its_start_takes(
    apart: Path, pair: Cluster, rows: Rows, on: Callable[[str], Any]
) -> None:
    """Breaks when the only member isn't restarted after the data node's stop, and so forgets its shards; when the node is stopped too young."""
    rows.write()
    before = pair.assert_whole()
    old = {"data": process(on("data"), "horaedb"), "meta": process(on("meta"), "horaemeta")}
    with slow_start(on("data"), "horaedb", AWAY):
        run = playbook.run("site.yml", apart, variables={"horaedb_settings": {"logger": {"level": "debug"}}})
    assert run.rc == 0, run.output
    new = {"data": process(on("data"), "horaedb"), "meta": process(on("meta"), "horaemeta")}
    assert new["data"].generation != old["data"].generation
    assert old["meta"].generation == new["meta"].generation
    assert old["meta"].pid != new["meta"].pid, "the member that knew the node was not restarted"
    [stopped] = [event.at for event in events(on("data"), "horaedb", old["data"].started) if event.what == "Stopping"]
    assert new["data"].started - stopped > AWAY, "the start was not slow, so this proves nothing"
    assert stopped - old["data"].started >= 30, "a process that takes back its shard locks twice within 30 s may panic"
    assert pair.assert_whole() == before
    rows.assert_kept()


def test_without_the_procedure_the_shards_would_have_been_lost(pair: Cluster, on: Callable[[str], Any]) -> None:
    """The control of the test above, and the end of this pair: with a HoraeMeta that forgets nobody, that test would prove nothing."""
    pair.assert_whole()
    on("meta").check_output("systemctl stop horaedb-shard-keeper")
    on("data").check_output("systemctl stop horaedb")
    until(lambda: None if _read(pair.view) == {} else "HoraeMeta still knows the node's shards", 20)
    on("data").check_output("systemctl start horaedb")
    until(lambda: None if _read(lambda: pair.ready("data")) == set() else "the data node doesn't answer", 20)
    # Four heartbeats and a tick of the scheduler, in any of which something could have brought them back.
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        assert pair.view() == {}
        assert pair.ready("data") == set()
        time.sleep(1)


def _read(what: Callable[[], object]) -> object:
    try:
        return what()
    except Refused:
        return None

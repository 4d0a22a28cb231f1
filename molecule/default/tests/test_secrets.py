"""Secrets stay in the files that are made for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from conftest import Operator, secret_settings

from tests.support.cluster import Cluster

# Set in molecule.yml. Neither is named secret by its value, so that nothing but its key tells what it is.
CANARIES = ("canary-in-the-file", "canary-in-the-environment")
CHANGED = "canary-that-is-new"
FOLDERS = "/etc /opt /root /home /run /tmp /var"


@pytest.fixture
def hosts(cluster: Cluster, on: Callable[[str], Any]) -> Iterable[Any]:
    return [on(name) for name in (*cluster.members, *cluster.nodes)]


def test_the_canaries_are_where_they_belong(on: Callable[[str], Any]) -> None:
    """The control of the other tests: without it they would look for something that isn't there."""
    assert CANARIES[0] in on("db1").file("/etc/horaedb/horaedb.toml").content_string
    for name, unit in (("db1", "horaedb"), ("meta1", "horaemeta")):
        pid = on(name).check_output("systemctl show --property=MainPID --value %s", unit)
        assert CANARIES[1] in on(name).check_output("tr '\\0' '\\n' < /proc/%s/environ", pid)


def test_nobody_else_on_a_host_can_read_a_secret(hosts: Iterable[Any]) -> None:
    """Breaks when a file with a secret is readable by all, a secret is an argument of a process, or systemd or the journal tells it."""
    for host in hosts:
        readable = host.check_output("find %s -xdev -type f -perm -004 -exec grep -l canary- {} + || true" % FOLDERS)
        assert readable == ""
        assert "canary-" not in host.check_output("ps axww -o args= | grep -v 'ps axww'")
        assert "canary-" not in host.check_output("systemctl show horaemeta horaedb horaedb-meta-proxy")
        journal = host.check_output("journalctl --output=verbose --no-pager")
        assert "horae" in journal
        assert "canary-" not in journal


def test_ansible_shows_no_secret(operator: Operator, hosts: Iterable[Any]) -> None:
    """Breaks when a diff, a result or the arguments of a task carry a secret, old or new, however much an operator wants to see."""
    run = operator.run(
        "--check",
        "--diff",
        "-vvv",
        horaedb_settings=secret_settings(CHANGED),
        horaedb_environment={"HORAE_TEST_PASSWORD": CHANGED},
        horaemeta_environment={"HORAE_TEST_PASSWORD": CHANGED},
    )
    assert run.rc == 0, run.output
    assert "HORAE_TEST_PASSWORD" in run.output and "key_secret" in run.output, "no diff of the files with secrets"
    for canary in (*CANARIES, CHANGED):
        assert canary not in run.output
    for host in hosts:
        assert CHANGED not in host.check_output("journalctl --output=verbose --no-pager")

"""Secrets stay in the files that are made for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from conftest import Operator

from tests.support import canary
from tests.support.cluster import Cluster

# Set in molecule.yml.
CANARIES = ("canary-in-the-file", "canary-in-the-environment")


@pytest.fixture
def hosts(cluster: Cluster, on: Callable[[str], Any]) -> Iterable[Any]:
    return [on(name) for name in (*cluster.members, *cluster.nodes)]


def test_the_canaries_are_where_they_belong(on: Callable[[str], Any]) -> None:
    """The control of the other tests: without it they would look for something that isn't there."""
    assert CANARIES[0] in on("db1").file("/etc/horaedb/horaedb.toml").content_string
    for name, unit in (("db1", "horaedb"), ("meta1", "horaemeta")):
        pid = on(name).check_output("systemctl show --property=MainPID --value %s", unit)
        assert CANARIES[1] in on(name).check_output("tr '\\0' '\\n' < /proc/%s/environ", pid)
        assert canary.holders(on(name))


def test_nobody_else_on_a_host_can_read_a_secret(hosts: Iterable[Any]) -> None:
    """Breaks when a file with a secret is readable by all, a secret is an argument of a process, or systemd or the journal tells it."""
    assert [leak for host in hosts for leak in canary.leaks_on(host)] == []


def test_the_cluster_itself_holds_no_secret(cluster: Cluster) -> None:
    """Breaks when the record, the journal or the lock of an operation keeps one: a snapshot would carry it out of the cluster."""
    assert canary.leaks_in_etcd(cluster.members["meta1"]) == []


def test_ansible_shows_no_secret(operator: Operator, hosts: Iterable[Any]) -> None:
    """Breaks when a diff, a result or the arguments of a task carry a secret, old or new, however much an operator wants to see."""
    run = operator.run("--check", "--diff", "-vvv", **canary.CHANGED)
    assert run.rc == 0, run.output
    assert "HORAE_TEST_PASSWORD" in run.output and "key_secret" in run.output, "no diff of the files with secrets"
    assert canary.leaks("the output", run.output) == []
    assert [leak for host in hosts for leak in canary.leaks_on(host)] == []

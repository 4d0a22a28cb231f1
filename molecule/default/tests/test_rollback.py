"""What doesn't work is put back on its host, and goes no further."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from conftest import Operator, Processes

from tests.support.cluster import Cluster
from tests.support.playbook import Run
from tests.support.rows import Rows

# As long as a good start takes three times over, so that a bad one doesn't take the whole 60 or 90 s.
PATIENCE = {"horaemeta_ready_timeout": 20, "horaedb_ready_timeout": 15}


def fail(operator: Operator, hosts: Mapping[str, Mapping[str, object]]) -> Run:
    run = operator.run(hosts=hosts)
    assert run.rc != 0, "what can't work was taken for good:\n" + run.output
    assert "Traceback" not in run.output
    return run


def failed_on(run: Run) -> list[str]:
    return [host for host, counts in run.recap.items() if counts["failed"]]


def assert_put_back(host: str, unit: str, before: Processes, after: Processes) -> None:
    """That one process was replaced and is of the generation before; no other process was touched."""
    assert {place for place in before if before[place].pid != after[place].pid} == {(host, unit)}
    assert after[host, unit].generation == before[host, unit].generation


def assert_the_good_configuration_is_green(operator: Operator, before: Processes, processes: Callable[[], Processes]) -> None:
    """Without touching a process, as all of them still are, or are again, what it wants."""
    operator.deploy()
    assert processes() == before


@pytest.mark.parametrize(
    ("unit", "variables", "last_words"),
    [
        # One millisecond for etcd's start: it parses, and HoraeMeta gives up each time.
        ("horaemeta", {"horaemeta_settings": {"etcd-start-timeout-ms": 1}}, "start etcd server timeout"),
        # No etcd at that address: HoraeDB starts and answers, and never gets a shard's lock.
        ("horaedb", {"horaedb_settings": {"cluster_deployment": {"etcd_client": {"server_addrs": ["127.0.0.1:9"]}}}}, "Failed to grant lease"),
    ],
)
def test_a_configuration_that_never_gets_ready(
    operator: Operator,
    cluster: Cluster,
    rows: Rows,
    processes: Callable[[], Processes],
    unit: str,
    variables: Mapping[str, object],
    last_words: str,
) -> None:
    """Breaks when the roll goes on to the next host, the old generation isn't started again, or shards are lost on the way."""
    rows.write()
    view, before, leader = cluster.assert_whole(), processes(), cluster.leader()
    hosts = cluster.members if unit == "horaemeta" else cluster.nodes
    run = fail(operator, {host: {**PATIENCE, **variables} for host in hosts})
    first = next(host for host in hosts if unit == "horaedb" or host != leader)
    assert failed_on(run) == [first]
    assert last_words in run.output
    after = processes()
    assert_put_back(first, unit, before, after)
    assert cluster.assert_whole() == view
    rows.assert_kept()
    assert_the_good_configuration_is_green(operator, after, processes)


@pytest.mark.parametrize(
    ("flavour", "unit", "host", "last_words"),
    [
        ("crash", "horaedb", "db2", "simulated crash of this build"),
        ("mute", "horaedb", "db3", "Server is starting"),
        ("crash", "horaemeta", None, "simulated crash of this build"),
    ],
)
def test_a_binary_that_never_gets_ready(
    operator: Operator,
    cluster: Cluster,
    rows: Rows,
    processes: Callable[[], Processes],
    broken: Callable[[str, str], str],
    flavour: str,
    unit: str,
    host: str | None,
    last_words: str,
) -> None:
    """Breaks when a daemon that dies, or that lives and does nothing, is left on a host, or reaches a second one."""
    rows.write()
    view, before, leader = cluster.assert_whole(), processes(), cluster.leader()
    # A data node isn't restarted twice within 30 s: another one each time keeps the test from waiting for that.
    hosts = [name for name in cluster.nodes if name >= host] if host else list(cluster.members)
    run = fail(operator, {name: {**PATIENCE, unit + "_binary": broken(flavour, unit + "-server")} for name in hosts})
    first = host or next(name for name in hosts if name != leader)
    assert failed_on(run) == [first]
    assert last_words in run.output
    after = processes()
    assert_put_back(first, unit, before, after)
    assert cluster.assert_whole() == view
    rows.assert_kept()
    assert_the_good_configuration_is_green(operator, after, processes)


def test_a_binary_that_the_hosts_cannot_run(
    operator: Operator, cluster: Cluster, processes: Callable[[], Processes], broken: Callable[[str, str], str]
) -> None:
    """Breaks when a binary is used without having been run on its host once: nothing at all may be restarted for it."""
    before = processes()
    run = fail(operator, {host: {"horaedb_binary": broken("badglibc", "horaedb-server")} for host in cluster.nodes})
    assert failed_on(run) == list(cluster.nodes)
    assert "version `GLIBC_2.35' not found" in run.output
    assert processes() == before
    assert operator.deploy().changed == 0

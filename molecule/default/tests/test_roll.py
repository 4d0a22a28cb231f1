"""site.yml applies a new configuration to a living cluster, under the eyes of readers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any

from conftest import Operator, Processes, secret_settings

from tests.support.cluster import Cluster
from tests.support.rows import Rows
from tests.support.services import restarts
from tests.support.traffic import Reader, Samples, get

# A data node is stopped 3.5 s before a tick of HoraeMeta's scheduler; opening its shards and what a reader notices late come on top.
LONGEST_OUTAGE = 5.0
# What a move of the leadership costs everybody: two reads at 5 a second.
BLIP = 0.7


def changed(before: Processes, after: Processes) -> set[tuple[str, str]]:
    assert {place for place in before if before[place].generation != after[place].generation} == {
        place for place in before if before[place].pid != after[place].pid
    }, "a process was restarted without need, or not restarted although its generation changed"
    return {place for place in before if before[place].pid != after[place].pid}


def assert_one_at_a_time(reader: Reader, names: Iterable[str]) -> None:
    """No two of them were away at the same moment, and none for too long. A move of the leadership is a blip for all."""
    found = [(outage, name) for name in names for outage in reader.outages(name)]
    away = sorted((outage.began, outage.ended, name) for outage, name in found if outage.seconds > BLIP)
    print("away: %s" % ["%s %.1f s" % (name, ended - began) for began, ended, name in away])
    for began, ended, name in away:
        assert ended - began <= LONGEST_OUTAGE, "%s was away for %.1f s" % (name, ended - began)
    for (_, ended, name), (began, _, other) in pairwise(away):
        assert name == other or ended <= began, "%s went away while %s was" % (other, name)


def test_members_are_rolled_one_by_one_and_the_leader_last(
    operator: Operator, cluster: Cluster, rows: Rows, on: Callable[[str], Any], processes: Callable[[], Processes]
) -> None:
    """Breaks when the leader is stopped while it leads or isn't the last, two members are away at once, or a data node is touched."""
    rows.write()
    leader = next(iter(cluster.members))
    cluster.move_leader(leader)  # the first of the inventory, so that the order is no accident
    before, began = processes(), time.monotonic()
    health = {host: partial(get, "http://%s:2379/health" % address, timeout=1) for host, address in cluster.members.items()}
    with Reader({**rows.readers(), **health}) as reader, Samples(cluster.leader) as leaders:
        operator.deploy(horaemeta_settings={"log": {"level": "warn"}})
    rolled = restarts(on, cluster.members, "horaemeta", began)
    assert {restart.host for restart in rolled} == set(cluster.members)
    assert rolled[-1].host == leader
    assert leaders.at(rolled[-1].stopping) not in (leader, None), "the leader was stopped before its leadership was seen elsewhere"
    assert_one_at_a_time(reader, cluster.members)
    for host in cluster.nodes:
        assert all(outage.seconds <= LONGEST_OUTAGE for outage in reader.outages(host)), reader.outages(host)
    assert changed(before, processes()) == {(host, "horaemeta") for host in cluster.members}
    rows.write()
    rows.assert_kept()


def test_data_nodes_are_rolled_one_by_one_without_losing_a_table(
    operator: Operator, cluster: Cluster, rows: Rows, on: Callable[[str], Any], processes: Callable[[], Processes]
) -> None:
    """Breaks when two data nodes are away at once, one for longer than a tick, a shard or a row is lost, or a member is touched."""
    rows.write()
    view, before, began = cluster.assert_whole(), processes(), time.monotonic()
    with Reader(rows.readers()) as reader:
        operator.deploy(horaedb_settings={**secret_settings(), "logger": {"level": "debug"}})
    rolled = restarts(on, cluster.nodes, "horaedb", began)
    assert {restart.host for restart in rolled} == set(cluster.nodes)
    assert_one_at_a_time(reader, cluster.nodes)
    assert changed(before, processes()) == {(host, "horaedb") for host in cluster.nodes}
    assert cluster.assert_whole() == view
    rows.write()
    rows.assert_kept()


def test_the_same_again_changes_nothing(operator: Operator, processes: Callable[[], Processes]) -> None:
    """Breaks when what was rolled is still taken for stale, or staged again."""
    before = processes()
    assert operator.deploy().changed == 0
    assert processes() == before

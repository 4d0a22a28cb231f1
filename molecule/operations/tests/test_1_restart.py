"""restart.yml: the whole cluster, one host, and when it must not be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import hangs
from tests.support.cluster import Cluster, until
from tests.support.keys import Keys
from tests.support.load import FAILED_READS_AT_A_MOVE, Load, Phase
from tests.support.machines import Machines
from tests.support.operator import Operator, Processes
from tests.support.services import assert_in_turn, restarts

# A data node is stopped 3.5 s before a tick of HoraeMeta's scheduler; opening its shards and what a reader notices late come on top.
LONGEST_OUTAGE = 5.0
CHANGE = {"horaedb_settings": {"query_engine": {"read_parallelism": 7}}}


def replaced(before: Processes, after: Processes) -> set[tuple[str, str]]:
    """Without the members where elections hang: those are killed for it."""
    return {place for place in before if before[place].pid != after[place].pid and not (hangs.CHANCE and place[1] == "horaemeta")}


def test_all_six_hosts_are_restarted_one_at_a_time(
    operator: Operator, cluster: Cluster, load: Load, keys: Keys, on: Callable[[str], Any], running: Callable[[], Processes]
) -> None:
    """Breaks when a member stops while it leads, the leader isn't the last, two are away at once, a node is away too long, or a shard is lost."""
    leader = next(iter(cluster.members))
    cluster.move_leader(leader)  # the first of the inventory, so that the order is no accident
    view, before, began = cluster.assert_whole(), running(), time.monotonic()
    with load.phase("`restart.yml`, all six hosts") as phase:
        operator.done("restart")
    assert_order(cluster, on, phase, leader, began)
    phase.assert_one_at_a_time(LONGEST_OUTAGE)
    # When the leader is to stop. That sets the ticks too, so that every data node knows when to stop.
    phase.assert_moved(1, FAILED_READS_AT_A_MOVE)
    assert {place for place in replaced(before, running()) if place[1] in ("horaemeta", "horaedb")} == {
        *((host, "horaemeta") for host in cluster.members if not hangs.CHANCE),
        *((host, "horaedb") for host in cluster.nodes),
    }
    assert cluster.assert_whole() == view
    entry = keys.journal()[-1]
    assert entry["operation"]["what"].startswith("restart") and entry["result"] == "ok", entry
    assert len(entry["steps"]) >= len(cluster.members) + len(cluster.nodes) and all(step["seconds"] is not None for step in entry["steps"])


def assert_order(cluster: Cluster, on: Callable[[str], Any], phase: Phase, leader: str, began: float) -> None:
    """One at a time, and the leader last of the members; one that hangs leads no longer, and is killed beside the others."""
    if hangs.CHANCE:
        return
    members, nodes = restarts(on, cluster.members, "horaemeta", began), restarts(on, cluster.nodes, "horaedb", began)
    assert {one.host for one in members} == set(cluster.members) and {one.host for one in nodes} == set(cluster.nodes)
    assert members[-1].host == leader
    assert max(one.started for one in members) < min(one.stopping for one in nodes), "members come first"
    assert_in_turn([*members, *nodes])
    led = [at for at, who in phase.leaders if who == leader and at < members[-1].stopping]
    assert led and any(led[-1] < at < members[-1].stopping and who for at, who in phase.leaders), (
        "the leader was stopped before its leadership was seen elsewhere"
    )


def test_two_hosts_are_restarted_and_no_other(operator: Operator, cluster: Cluster, load: Load, running: Callable[[], Processes]) -> None:
    """Breaks when --limit is not kept to, or when a single node needs the rest of the inventory to be restarted safely."""
    view, before = cluster.assert_whole(), running()
    with load.phase("`restart.yml --limit meta2,db2`") as phase:
        operator.done("restart", "--limit", "meta2,db2")
    assert replaced(before, running()) == {("db2", "horaedb"), *([] if hangs.CHANCE else [("meta2", "horaemeta")])}
    phase.assert_one_at_a_time(LONGEST_OUTAGE)
    assert cluster.assert_whole() == view


def test_neither_a_restart_nor_a_downtime_applies_anything(
    operator: Operator, cluster: Cluster, keys: Keys, running: Callable[[], Processes]
) -> None:
    """Breaks when what was changed and not deployed is put to use by the way, by whatever starts a process anew."""
    view, before = cluster.assert_whole(), running()
    operator.refused("restart", says=("isn't as the inventory asks for", "stage generation", "site.yml"), **CHANGE)
    begin = {"horaedb_downtime": "begin"}
    operator.refused("downtime", "--limit", "db1", extra=begin, says=("db1", "isn't as the inventory asks for", "generation", "site.yml"), **CHANGE)
    assert replaced(before, running()) == set() and keys.downtimes() == {}
    assert cluster.assert_whole() == view
    # Taken back, nothing is left of it.
    assert operator.done("site").changed == 0


@pytest.mark.parametrize(("host", "unit"), [("meta3", "horaemeta"), ("db3", "horaedb")])
def test_nothing_is_restarted_while_something_is_missing(
    operator: Operator, cluster: Cluster, keys: Keys, machines: Machines, running: Callable[[], Processes], host: str, unit: str
) -> None:
    """Breaks when a roll begins without the gate, and so costs the quorum or takes a second node away."""
    view, before = cluster.assert_whole(), running()
    with machines.stopped(unit, host):
        operator.refused("restart", says=(host,))
        until(lambda: keys.differs(view), 15)
    assert replaced(before, running()) == {(host, unit)} - ({(host, "horaemeta")} if hangs.CHANCE else set())
    assert cluster.assert_whole(30) == view

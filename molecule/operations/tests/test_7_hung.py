"""Every operation while the leader hangs that it has elected, beside the shard keepers and without them.

A hang is asked for, so only simulators play this. HORAE_HANGS=0.33 has every third election of all tests hang.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.reports import ONLY_SIMULATORS
from tests.support import programs
from tests.support.cluster import Cluster, pass_time, until
from tests.support.hangs import Hangs, set_chance
from tests.support.keys import Keys
from tests.support.load import Load, Phase, daemons_of
from tests.support.machines import KEEPER, Machines
from tests.support.operator import Operator
from tests.support.traffic import Refused, sql

FIRST, SECOND, THIRD = "meta1", "meta2", "meta3"


def with_keepers(*cases: bool, long: tuple[bool, ...] = ()) -> pytest.MarkDecorator:
    """long: the cases that are left out unless HORAE_HANGS is given, so that all scenarios together end within an hour."""
    names = {True: "keepers", False: "no keepers"}
    return pytest.mark.parametrize(
        "keepers", [pytest.param(case, id=names[case], marks=[pytest.mark.long] if case in long else []) for case in cases], indirect=True
    )


# What all tables together may be unreachable for, in seconds: two questions of 1 s each, the move, and what a busy machine adds.
LONGEST = 15.0
# A leader that hangs does so for ever. This is longer than any election, lease or lock of HoraeMeta, but for those of a data node.
FOR_EVER = 12.0


@pytest.fixture(scope="module", autouse=True)
def simulators(cluster: Cluster, operator: Operator) -> None:  # noqa: ARG001
    if daemons_of(cluster) == "real":
        pytest.skip(ONLY_SIMULATORS + ": a leader that hangs when it is asked to")


@pytest.fixture(scope="module")
def keepers(request: pytest.FixtureRequest, operator: Operator, cluster: Cluster, on: Callable[[str], Any]) -> Iterator[bool]:
    """Whether there are any. Turned off in the inventory: a playbook would start again what was merely stopped."""
    if request.param:
        yield True
        return
    operator.done("site", shard_keeper_enabled=False)
    # What hangs by chance between two playbooks would do so for ever.
    set_chance(on, cluster, "0")
    yield False
    operator.done("site", shard_keeper_enabled=True)
    set_chance(on, cluster)


@pytest.fixture
def hangs(cluster: Cluster, keys: Keys, on: Callable[[str], Any]) -> Iterator[Hangs]:
    hangs = Hangs(cluster, keys, on)
    until(lambda: next(("%s hangs" % host for host in cluster.members if hangs.hung(host)), None), 5)
    cluster.move_leader(FIRST)
    yield hangs
    assert not any(hangs.hung(host) for host in cluster.members)
    assert_read(cluster)


def assert_read(cluster: Cluster) -> None:
    """Every table is read through every node."""
    for host in cluster.nodes:
        tables = [row["Tables"] for row in sql(cluster.sql(host), "SHOW TABLES")["rows"]]  # type: ignore[attr-defined]
        assert tables
        for table in tables:
            until(lambda host=host, table=table: unread(cluster, host, table), 10)  # type: ignore[misc]


def unread(cluster: Cluster, host: str, table: str) -> str | None:
    try:
        sql(cluster.sql(host), "SELECT count(*) FROM %s" % table)
    except Refused as refused:
        return "through %s, %s: %s" % (host, table, refused)
    return None


def assert_bounded(phase: Phase, longest: float = LONGEST, stopped: str = "") -> None:
    """stopped: a data node that is away for another reason, and its tables with it."""
    print("%s: failed for %s, %d of %d reads" % (phase.name, phase.outages, phase.failed_reads, phase.reads))
    others = [outage for host, found in phase.outages.items() if host != stopped for outage in found]
    assert all(outage <= longest for outage in others), phase.outages


def name(what: str, keepers: bool) -> str:
    return "%s, and the new leader hangs%s" % (what, "" if keepers else ", without keepers")


@with_keepers(True, False, long=(True, False))
def test_a_restart(operator: Operator, cluster: Cluster, load: Load, hangs: Hangs, keepers: bool) -> None:
    """Breaks when a member is stopped beside a leader that hangs, or when the hang of its successor ends the run."""
    view = cluster.assert_whole()
    with load.phase(name("`restart.yml`, the leader's host and a data node", keepers)) as phase, hangs.met(SECOND):
        operator.done("restart", "--limit", "%s,db1" % FIRST)
    assert cluster.assert_whole() == view
    assert_bounded(phase)


@with_keepers(True, False)
def test_a_second_hang_in_a_row(operator: Operator, cluster: Cluster, load: Load, hangs: Hangs, keepers: bool) -> None:
    """Breaks when only the first hang of a row is cured, or when one that nobody can take over from is waited for."""
    view = cluster.assert_whole()
    # A keeper hands the leadership back to the member that is to be left.
    members = [FIRST, SECOND, THIRD] if keepers else [SECOND, THIRD]
    with load.phase(name("`restart.yml`, the leader's host", keepers) + ", twice in a row") as phase, hangs.met(*members, least=2):
        operator.done("restart", "--limit", FIRST)
    assert cluster.assert_whole() == view
    assert_bounded(phase, 2 * LONGEST)


@with_keepers(True, False, long=(False,))
def test_an_upgrade(operator: Operator, cluster: Cluster, load: Load, hangs: Hangs, keepers: bool, tmp_path: Path) -> None:
    """Breaks when an upgrade takes a leader that hangs for a binary that doesn't work."""
    view = cluster.assert_whole()
    later = programs.variables(programs.later(tmp_path, 4 if keepers else 5))
    with load.phase(name("`upgrade.yml` of the members", keepers)) as phase, hangs.met(SECOND):
        operator.done("upgrade", horaemeta_binary=later["horaemeta_binary"])
    assert cluster.assert_whole() == view
    assert_bounded(phase)


@with_keepers(True, False, long=(True,))
def test_a_downtime(operator: Operator, cluster: Cluster, load: Load, hangs: Hangs, keepers: bool) -> None:
    """Breaks when a node that was stopped for work is forgotten, because the leader hangs that was to keep its shards."""
    view = cluster.assert_whole()
    with load.phase(name("`downtime.yml` of a data node", keepers)) as phase, hangs.met(SECOND):
        operator.done("downtime", "--limit", "db1", extra={"horaedb_downtime_command": "uptime"})
    assert cluster.assert_whole() == view
    assert_bounded(phase, stopped="db1")


@with_keepers(True, False, long=(True,))
def test_a_roll_of_site(operator: Operator, cluster: Cluster, load: Load, hangs: Hangs, keepers: bool) -> None:
    """Breaks when a changed configuration is taken back, or half of the members keep the old one, because the new leader hangs."""
    view = cluster.assert_whole()
    change = {"horaemeta_settings": {"log": {"level": "debug" if keepers else "info"}}, "horaemeta_ready_timeout": 61 if keepers else 62}
    with load.phase(name("`site.yml`, a changed setting of the members", keepers)) as phase, hangs.met(SECOND):
        assert operator.done("site", **change).changed
    assert cluster.assert_whole() == view
    assert operator.done("site", "--check").changed == 0
    assert_bounded(phase)


@with_keepers(True, long=(True,))
def test_a_repair_beside_the_keepers(operator: Operator, cluster: Cluster, load: Load, hangs: Hangs, keepers: bool) -> None:
    """Breaks when a keeper and a playbook that cure at the same moment hinder each other."""
    view = cluster.assert_whole()
    with load.phase(name("`repair.yml`", keepers)) as phase, hangs.met(SECOND):
        hangs.elect(SECOND)
        operator.done("repair")
    assert cluster.assert_whole() == view
    assert_bounded(phase)


@with_keepers(True)
def test_a_data_node_that_is_killed(
    cluster: Cluster, load: Load, keys: Keys, machines: Machines, hangs: Hangs, away: float, keepers: bool
) -> None:
    """Breaks when the keeper's own move hangs, and the node is forgotten by then or its tables stay away."""
    view = cluster.assert_whole()
    with load.phase(name("SIGKILL of a data node for %g s" % away, keepers)) as phase, hangs.met(SECOND):
        with machines.killed("db1", "horaedb"):
            pass_time(away)
            until(lambda: keys.differs(view), 15)
        until(cluster.problem, 60)
    assert cluster.assert_whole() == view
    assert_bounded(phase, stopped="db1")


@with_keepers(False)
def test_without_keepers_it_hangs_until_a_repair(
    operator: Operator, cluster: Cluster, load: Load, hangs: Hangs, machines: Machines, keepers: bool
) -> None:
    """Breaks when the hang of these tests ends by itself: what they prove would be worth nothing. Or when repair.yml or status.yml don't see it."""
    view = cluster.assert_whole()
    assert not any(machines.runs(host, KEEPER) for host in cluster.members)
    with load.phase(name("`repair.yml` after %g s" % FOR_EVER, keepers)) as phase, hangs.met(SECOND):
        hangs.elect(SECOND)
        until(lambda: None if hangs.hung(SECOND) else "%s doesn't hang" % SECOND, 5)
        began = time.monotonic()
        pass_time(2)
        said = operator.run("status").output
        pass_time(FOR_EVER, since=began)
        assert hangs.hung(SECOND)
        repaired = time.monotonic()
        operator.done("repair")
    assert any(SECOND in line and "HANGS" in line for line in said.splitlines()), said
    answered = [one for one in phase.attempts if one.error is None and began + 1 < one.at < repaired]
    assert answered == [], "somebody read beside a leader that hangs"
    assert cluster.assert_whole() == view
    assert_bounded(phase, LONGEST + repaired - began)
    assert any(SECOND in line and "cured" in line for line in operator.done("status").output.splitlines())

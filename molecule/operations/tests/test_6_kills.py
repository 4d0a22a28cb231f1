"""A controller that dies at any moment of any playbook: the same command again, the cluster whole, nothing left behind.

HORAE_KILLS=all kills at every task there is, one run for each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import kills, programs
from tests.support.cluster import Cluster, until
from tests.support.keys import Keys
from tests.support.kills import half_done
from tests.support.load import Load
from tests.support.machines import KEEPER, Machines
from tests.support.operator import Operator
from tests.support.playbook import Run
from tests.support.services import process

# For each playbook; more of them with HORAE_KILLS.
KILLS = 1


class Killer:
    """Kills runs of one command, and lets one come to its end."""

    def __init__(self, operator: Operator, load: Load, cluster: Cluster, on: Callable[[str], Any], places: list[tuple[str, str]]) -> None:
        self._operator = operator
        self._load = load
        self._cluster = cluster
        self._on = on
        self._places = places

    def kill(self, name: str, *arguments: str, after_each: Callable[[], object] = lambda: None, **more: Any) -> None:
        """At tasks of a run that ended well; every run begins where the one before it left the cluster."""
        said = self._operator.said(name, *arguments, extra=more.get("extra")) or self._operator.run(name, *arguments, "--check", **more).output
        tasks = kills.chosen(said, KILLS)
        ended: list[bool] = []

        def start(kill_at: Callable[[str], bool], kill_after: float) -> Run:
            run = self._operator.run(name, *arguments, watch=kill_at, kill_after=kill_after, **more)
            ended.append(run.rc == 0)
            return run

        killed = []
        with self._load.phase("`%s.yml`, killed" % name) as phase:
            for where in kills.at_some_tasks(start, tasks):
                killed.append(where)
                after_each()
            print("%s: killed at\n%s" % (name, "\n".join(killed)))
            phase.name += " %d times" % len(killed)
            if not ended[-1]:
                self._operator.done(name, *arguments, **more)
        assert killed, "no run was killed"

    def assert_whole(self) -> None:
        self._cluster.assert_whole(30)
        assert half_done(self._on, self._places) == []


@pytest.fixture
def killer(operator: Operator, load: Load, cluster: Cluster, on: Callable[[str], Any], places: list[tuple[str, str]]) -> Killer:
    return Killer(operator, load, cluster, on, places)


def test_a_restart_killed_anywhere_is_made_again(killer: Killer, cluster: Cluster, load: Load, keys: Keys) -> None:
    """Breaks when a dead controller's lock stops its successor, or when it takes the node's protection with it."""
    view = cluster.assert_whole()
    # What the dead run left at work on a host may have a daemon stopped just now.
    killer.kill("restart", "--limit", "meta2,db2", after_each=lambda: until(load.writer.refused, 60))
    killer.assert_whole()
    assert cluster.assert_whole() == view
    results = [entry["result"] for entry in keys.journal()]
    assert results[-1] == "ok" and "running" not in results and "interrupted" in results, results


def test_an_upgrade_killed_anywhere_is_completed(
    killer: Killer, cluster: Cluster, on: Callable[[str], Any], places: list[tuple[str, str]], tmp_path: Path
) -> None:
    """Breaks when an interrupted upgrade leaves a host with the old process, or restarts one that is done."""
    view = cluster.assert_whole()
    old = {place: process(on(place[0]), place[1]).generation for place in places}
    killer.kill("upgrade", **programs.variables(programs.later(tmp_path, 3)))
    killer.assert_whole()
    assert {place for place in places if process(on(place[0]), place[1]).generation == old[place]} == {
        place for place in places if place[1] in (KEEPER, "horaedb-meta-proxy")
    }
    assert cluster.assert_whole() == view


def test_a_downtime_killed_anywhere_begins_and_ends(killer: Killer, cluster: Cluster, keys: Keys, machines: Machines) -> None:
    """Breaks when a node is stopped and nobody notes it, so that its end can't be asked for, or isn't protected because the controller died."""
    view = cluster.assert_whole()
    killer.kill("downtime", "--limit", "db1", extra={"horaedb_downtime": "begin"}, after_each=lambda: assert_mapped(keys, view))
    assert not machines.runs("db1", "horaedb") and set(keys.downtimes()) == {"db1"}
    assert_mapped(keys, view)
    killer.kill("downtime", "--limit", "db1", extra={"horaedb_downtime": "end"}, after_each=lambda: assert_mapped(keys, view))
    killer.assert_whole()
    assert keys.downtimes() == {}
    assert cluster.assert_whole() == view


def test_work_on_hosts_killed_anywhere_is_done_again(killer: Killer, cluster: Cluster, keys: Keys) -> None:
    """Breaks when a host that was taken out by a dead run is in the way of the next one, or stays out."""
    view = cluster.assert_whole()
    killer.kill(
        "downtime", "--limit", "meta2,db2", extra={"horaedb_downtime_command": "uptime"}, after_each=lambda: assert_mapped(keys, view)
    )
    killer.assert_whole()
    assert cluster.assert_whole() == view


def test_a_repair_killed_anywhere_is_resumed(killer: Killer, cluster: Cluster, keys: Keys, machines: Machines) -> None:
    """Breaks when a cluster stays dynamic because the run that made it so died."""
    view = cluster.assert_whole()
    lost = {shard for shard, host in view.items() if host == "db1"}
    with machines.stopped(KEEPER, *cluster.members), machines.stopped("horaedb", "db1"):
        until(lambda: "not forgotten" if lost & set(cluster.view()) else None, 25)
    killer.kill("repair")
    killer.assert_whole()
    assert keys.topology_type() == "static"
    assert cluster.assert_whole() == view


def assert_mapped(keys: Keys, view: dict[int, str]) -> None:
    """Whatever runs and doesn't, no shard is forgotten; a leader of a moment ago has no answer yet."""
    until(lambda: keys.differs(view), 15)

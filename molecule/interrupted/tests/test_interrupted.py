"""A controller that dies at any moment: the same command again completes what was begun, and nothing is lost.

The tests run in the order of this file: first the deployment of bare hosts, then the roll of what it made.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import kills, playbook
from tests.support.cluster import Cluster, until
from tests.support.kills import at_task, daemons, half_done
from tests.support.rows import Rows
from tests.support.services import events, process, slow_start
from tests.support.traffic import Reader, Refused

CHANGE = {
    "horaemeta_settings": {"log": {"level": "debug"}},
    "horaedb_settings": {"logger": {"level": "debug"}},
    "meta_proxy_limit_nofile": 32768,
}
# Longer than the 10 s after which HoraeMeta forgets a node, shorter than the 30 s of its shard locks.
AWAY = 14


def kill_at_every_task(inventory: Path, variables: Mapping[str, object], play: str = "") -> Iterator[str]:
    def start(kill_at: Callable[[str], bool], kill_after: float) -> playbook.Run:
        return playbook.run("site.yml", inventory, variables=variables, kill_at=kill_at, kill_after=kill_after)

    return kills.at_every_task(start, play)


def hosts_of(cluster: Cluster) -> list[str]:
    return [*cluster.members, *cluster.nodes]


def assert_complete(inventory: Path, cluster: Cluster, on: Callable[[str], Any], variables: Mapping[str, object]) -> None:
    final = playbook.run("site.yml", inventory, variables=variables)
    assert final.rc == 0, final.output
    cluster.assert_whole()
    assert half_done(on, daemons(cluster)) == []
    again = playbook.run("site.yml", inventory, variables=variables)
    assert (again.rc, again.changed) == (0, 0), again.output


def test_a_deployment_killed_at_every_task_is_completed_by_the_next_run(inventory: Path, on: Callable[[str], Any]) -> None:
    """Breaks when a run trips over what a dead one left (half a generation, a lock, a unit without a process), or takes it for done."""
    cluster = Cluster.of(inventory)
    killed, cut_short = [], 0
    for where in kill_at_every_task(inventory, {}):
        killed.append(where)
        # Every other time the hosts lose their power, too, as far as the modules there can tell.
        if len(killed) % 2:
            cut_short += sum(on(host).run("pkill -KILL " + kills.MODULES).rc == 0 for host in hosts_of(cluster))
    print("%d modules cut short; killed at:\n%s" % (cut_short, "\n".join(killed)))
    assert len(killed) >= 8, killed
    assert cut_short >= 3, "hardly a module was at work when its host was to fail"
    assert_complete(inventory, cluster, on, {})


@pytest.fixture(scope="module")
def rows(inventory: Path) -> Rows:
    return Rows(Cluster.of(inventory))


def test_a_roll_killed_at_every_task_loses_nothing(inventory: Path, cluster: Cluster, on: Callable[[str], Any], rows: Rows) -> None:
    """Breaks when a roll needs the memory of the run that began it, and so leaves old processes, restarts one twice, or loses shards."""
    rows.write()
    before = cluster.assert_whole()
    old = {(host, name): process(on(host), name) for host, name in daemons(cluster)}
    killed = []
    with Reader(rows.readers()) as reader:
        for play in ("PLAY [Roll the members", "PLAY [Roll the data nodes"):
            for where in kill_at_every_task(inventory, CHANGE, play):
                killed.append(where)
                # The module that the dead run left at work on a host may have a daemon stopped just now.
                until(lambda: _refused(rows), 60)
        print("killed at:\n%s" % "\n".join(killed))
        assert_complete(inventory, cluster, on, CHANGE)
    assert len(killed) >= 6, killed
    new = {(host, name): process(on(host), name) for host, name in daemons(cluster)}
    assert [key for key in old if new[key].generation == old[key].generation] == []
    assert cluster.assert_whole() == before
    rows.assert_kept()
    for host in cluster.nodes:
        print("%s: outages of its table %s" % (host, ["%.1f" % outage.seconds for outage in reader.outages(host)]))


def test_a_slow_restart_stays_protected_when_its_controller_dies(
    inventory: Path, cluster: Cluster, on: Callable[[str], Any], rows: Rows
) -> None:
    """Breaks when the controller is needed to keep the shards of a node that takes long, or when the next run doesn't wait for its module."""
    rows.write()
    before = cluster.assert_whole()
    old = process(on("db1"), "horaedb")
    change = {**CHANGE, "horaedb_settings": {"logger": {"level": "warn"}}}
    with slow_start(on("db1"), "horaedb", AWAY):
        # The lock and the gate come first. After a few seconds the third task's module is at work on db1.
        dead = playbook.run("site.yml", inventory, variables=change, kill_at=at_task(3, "PLAY [Roll the data nodes"), kill_after=4)
        assert dead.rc == -signal.SIGKILL, dead.output
        died = time.monotonic()
        assert_complete(inventory, cluster, on, change)
    stopped = next(event.at for event in events(on("db1"), "horaedb", old.started) if event.what == "Stopped")
    # systemd says Started of the old process a moment after its start.
    started = next(event.at for event in events(on("db1"), "horaedb", stopped) if event.what == "Started")
    assert started - stopped > AWAY and started > died, "the start was not slow, or over before the controller died"
    assert cluster.assert_whole() == before
    rows.assert_kept()


def _refused(rows: Rows) -> str | None:
    try:
        rows.write(1)
    except Refused as refused:
        return str(refused)
    return None

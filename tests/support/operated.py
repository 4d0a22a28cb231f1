"""Fixtures of the scenarios `operations` and `chaos`: one cluster for all of their tests, which each of them leaves whole; after one that failed it is made whole.

Their conftest.py takes them by name, because pytest looks there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import hangs
from tests.support.cluster import Cluster, until
from tests.support.keys import Keys
from tests.support.kills import daemons
from tests.support.load import Figures, Load, daemons_of
from tests.support.machines import KEEPER, Machines
from tests.support.operator import Operator, Processes, processes
from tests.support.playbook import ROOT
from tests.support.site import Site
from tests.support.traffic import Refused

# Seconds for which nodes are away; the real daemons were seen with 40. HoraeMeta forgets one after 10, at its scheduler's next tick, which
# comes every 5: what is shorter than both together may end well by luck.
AWAY = float(os.environ.get("HORAE_AWAY") or "16")
MEMBER_UNITS = ("horaemeta", KEEPER)
NODE_UNITS = ("horaedb", "horaedb-meta-proxy")


@pytest.fixture(scope="session")
def away() -> float:
    return AWAY


@pytest.fixture(scope="session")
def machines(inventory: Path) -> Machines:
    return Machines(inventory)


@pytest.fixture(scope="session")
def on(machines: Machines) -> Callable[[str], Any]:
    """Not over ssh as in the other scenarios: hosts are rebooted here."""
    return machines.on


@pytest.fixture(scope="session")
def operator(inventory: Path, tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, on: Callable[[str], Any]) -> Operator:
    hangs.set_chance(on, cluster)
    operator = Operator(Site(inventory, tmp_path_factory.mktemp("inventories")))
    operator.done("site")
    return operator


@pytest.fixture(scope="session")
def load(operator: Operator, cluster: Cluster, scenario: str) -> Load:  # noqa: ARG001
    return Load(cluster, Figures(ROOT / "build" / "figures", scenario, daemons_of(cluster)))


@pytest.fixture(scope="session")
def keys(cluster: Cluster) -> Keys:
    return Keys(cluster)


@pytest.fixture(scope="session")
def places(cluster: Cluster) -> list[tuple[str, str]]:
    return daemons(cluster, MEMBER_UNITS, NODE_UNITS)


@pytest.fixture(scope="session")
def running(on: Callable[[str], Any], places: list[tuple[str, str]]) -> Callable[[], Processes]:
    """Every daemon's process, read anew at each call."""
    return lambda: processes(on, places)


@pytest.fixture(autouse=True)
def left_whole(
    operator: Operator, cluster: Cluster, keys: Keys, load: Load, machines: Machines, failed: Callable[[], bool]
) -> Iterator[None]:
    """Every shard where it was recorded, every acknowledged row there, no lock, no downtime, the topology type as it was."""
    yield
    try:
        assert not failed(), "the test failed"
        cluster.assert_whole(30)
        load.assert_kept()
        until(keys.problem, 5)
    except (AssertionError, Refused):
        _make_whole(operator, cluster, keys, load, machines)
        # What a test that failed has left is no second failure.
        if not failed():
            raise


def _make_whole(operator: Operator, cluster: Cluster, keys: Keys, load: Load, machines: Machines) -> None:
    """Or one failure makes many, each of which hides what it would have found."""
    for hosts, units in ((cluster.members, MEMBER_UNITS), (cluster.nodes, NODE_UNITS)):
        for host in hosts:
            machines.mend(host, *units)
    until(lambda: _unanswered(keys), 60)
    lock = keys.lock()
    operator.run("repair", extra={"horaedb_cluster_break_lock": lock["id"]} if lock else {})
    for host in keys.downtimes():
        operator.run("downtime", "--limit", host, extra={"horaedb_downtime": "end"})
    operator.run("site", extra={"horaedb_cluster_allow_downgrade": True})
    cluster.assert_whole(30)
    load.begin_anew()


def _unanswered(keys: Keys) -> str | None:
    try:
        keys.topology_type()
    except (Refused, ValueError) as error:
        return str(error)
    return None

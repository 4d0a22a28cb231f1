"""upgrade.yml: another version, one that doesn't work, and back again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import hangs, programs
from tests.support.cluster import Cluster
from tests.support.keys import Keys
from tests.support.load import FAILED_READS_AT_A_MOVE, Load
from tests.support.operator import Operator, Processes
from tests.support.services import assert_in_turn, restarts

# As long as a good start takes three times over, so that a bad one doesn't take the whole 60 s.
PATIENCE = {"horaedb_ready_timeout": 15}


@dataclass(frozen=True)
class Release:
    """`number`: what its data node says that it is, as 2.1.0."""

    programs: Mapping[str, Path]

    @property
    def number(self) -> str:
        return programs.number(self.programs[programs.DB])

    @property
    def variables(self) -> dict[str, str]:
        return programs.variables(self.programs)


@pytest.fixture(scope="module")
def given() -> Release:
    return Release(programs.given())


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return Release(programs.later(tmp_path_factory.mktemp("second"), 1))


@pytest.fixture(scope="module")
def third(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return Release(programs.later(tmp_path_factory.mktemp("third"), 2))


@pytest.fixture
def crashes(tmp_path: Path) -> str:
    """The path of a data node's program that dies."""
    return str(programs.broken(tmp_path, "crash")[programs.DB])


def assert_run(on: Callable[[str], Any], hosts: Iterable[str], daemon: str, release: Release) -> None:
    """What runs on the hosts is of this release, to the byte."""
    wanted = programs.digest(release.programs[daemon + "-server"])
    found = {host: programs.running(on(host), daemon) for host in hosts}
    assert found == dict.fromkeys(found, wanted)


def replaced(before: Processes, after: Processes, units: Iterable[str] = ("horaemeta", "horaedb")) -> set[str]:
    return {host for host, unit in before if unit in units and before[host, unit].pid != after[host, unit].pid}


def test_another_version_reaches_every_host(
    operator: Operator, cluster: Cluster, load: Load, keys: Keys, on: Callable[[str], Any], given: Release, second: Release
) -> None:
    """Breaks when a binary is staged and not started, two hosts are down at once, or the journal doesn't say what came instead of what."""
    view, began = cluster.assert_whole(), time.monotonic()
    with load.phase("`upgrade.yml`, all six hosts") as phase:
        operator.done("upgrade", **second.variables)
    assert_run(on, cluster.members, "horaemeta", second)
    assert_run(on, cluster.nodes, "horaedb", second)
    if not hangs.CHANCE:
        assert_in_turn([*restarts(on, cluster.members, "horaemeta", began), *restarts(on, cluster.nodes, "horaedb", began)])
    assert cluster.assert_whole() == view
    phase.assert_moved(1, FAILED_READS_AT_A_MOVE)
    entry = keys.journal()[-1]
    assert entry["result"] == "ok" and entry["operation"]["what"].startswith("upgrade")
    assert given.number != second.number
    assert all(given.number in entry["before"][host]["horaedb"]["version"] for host in cluster.nodes), entry
    assert all(second.number in entry["after"][host]["horaedb"]["version"] for host in cluster.nodes), entry


def test_an_older_version_is_refused_unless_it_is_meant(
    operator: Operator, running: Callable[[], Processes], given: Release, second: Release
) -> None:
    """Breaks when a path that was mixed up in the inventory takes a cluster back to last year."""
    before = running()
    operator.refused("upgrade", says=(given.number, second.number, "horaedb_cluster_allow_downgrade"), **given.variables)
    assert running() == before


def test_a_binary_that_crashes_is_taken_back_and_goes_no_further(
    operator: Operator,
    cluster: Cluster,
    load: Load,
    keys: Keys,
    on: Callable[[str], Any],
    running: Callable[[], Processes],
    second: Release,
    third: Release,
    crashes: str,
) -> None:
    """Breaks when the failing host is left without its daemon, when a second one gets the same, or when the next run begins from the start."""
    view, before = cluster.assert_whole(), running()
    with load.phase("`upgrade.yml` to a data node that crashes, put back"):
        operator.refused(
            "upgrade",
            says=("simulated crash of this build",),
            extra=PATIENCE,
            horaemeta_binary=third.variables["horaemeta_binary"],
            horaedb_binary=crashes,
        )
    assert_run(on, cluster.members, "horaemeta", third)
    assert_run(on, cluster.nodes, "horaedb", second)
    first = next(iter(cluster.nodes))
    after = running()
    assert replaced(before, after, ["horaedb"]) == {first}
    assert after[first, "horaedb"].generation == before[first, "horaedb"].generation
    assert cluster.assert_whole() == view
    assert keys.journal()[-1]["result"] == "failed"
    with load.phase("`upgrade.yml` again with one that works"):
        operator.done("upgrade", **third.variables)
    assert_run(on, cluster.nodes, "horaedb", third)
    assert hangs.CHANCE or replaced(after, running(), ["horaemeta"]) == set(), "the members had the new version already"
    assert cluster.assert_whole() == view

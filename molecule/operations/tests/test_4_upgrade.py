"""upgrade.yml: another version, one that doesn't work, and back again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.keys import Keys
from tests.support.load import Load
from tests.support.operator import Operator, Processes, built
from tests.support.services import assert_in_turn, restarts
from tests.support.traffic import get

# As long as a good start takes three times over, so that a bad one doesn't take the whole 60 s.
PATIENCE = {"horaedb_ready_timeout": 15}


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    def made(version: str, flavour: str = "good") -> dict[str, str]:
        return built(tmp_path_factory.mktemp(version), version, flavour)

    return made


def versions(cluster: Cluster) -> dict[str, str]:
    """Inventory host -> what its daemon says that it is."""
    asked = {host: "http://%s:8080/debug/simulator" % address for host, address in cluster.members.items()}
    asked.update({host: "http://%s:5440/debug/simulator" % address for host, address in cluster.nodes.items()})
    return {host: _version(get(url)) for host, url in asked.items()}


def _version(said: object) -> str:
    content = said["data"] if isinstance(said, dict) and "data" in said else said
    return str(content["version"])  # type: ignore[index]


def replaced(before: Processes, after: Processes, units: Iterable[str] = ("horaemeta", "horaedb")) -> set[str]:
    return {host for host, unit in before if unit in units and before[host, unit].pid != after[host, unit].pid}


def test_another_version_reaches_every_host(
    operator: Operator, cluster: Cluster, load: Load, keys: Keys, on: Callable[[str], Any], binaries: Callable[..., dict[str, str]]
) -> None:
    """Breaks when a binary is staged and not started, two hosts are down at once, or the journal doesn't say what came instead of what."""
    view, began = cluster.assert_whole(), time.monotonic()
    with load.phase("`upgrade.yml`, all six hosts") as phase:
        operator.done("upgrade", **binaries("2.2.0"))
    assert set(versions(cluster).values()) == {"2.2.0"}
    members, nodes = restarts(on, cluster.members, "horaemeta", began), restarts(on, cluster.nodes, "horaedb", began)
    assert_in_turn([*members, *nodes])
    assert cluster.assert_whole() == view
    assert all(move.failed <= 2 for move in phase.moves), phase.moves
    entry = keys.journal()[-1]
    assert entry["result"] == "ok" and entry["operation"]["what"].startswith("upgrade")
    assert all("2.1.0" in entry["before"][host]["horaedb"]["version"] for host in cluster.nodes), entry
    assert all("2.2.0" in entry["after"][host]["horaedb"]["version"] for host in cluster.nodes), entry


def test_an_older_version_is_refused_unless_it_is_meant(
    operator: Operator, cluster: Cluster, running: Callable[[], Processes], binaries: Callable[..., dict[str, str]]
) -> None:
    """Breaks when a path that was mixed up in the inventory takes a cluster back to last year."""
    before = running()
    operator.refused("upgrade", says=("2.1.0", "2.2.0", "horae_allow_downgrade"), **binaries("2.1.0"))
    assert running() == before
    assert set(versions(cluster).values()) == {"2.2.0"}


def test_a_binary_that_crashes_is_taken_back_and_goes_no_further(
    operator: Operator,
    cluster: Cluster,
    load: Load,
    keys: Keys,
    running: Callable[[], Processes],
    binaries: Callable[..., dict[str, str]],
) -> None:
    """Breaks when the failing host is left without its daemon, when a second one gets the same, or when the next run begins from the start."""
    view, before = cluster.assert_whole(), running()
    good, bad = binaries("2.3.0"), binaries("2.3.0", "crash")
    with load.phase("`upgrade.yml` to a data node that crashes, put back"):
        operator.refused(
            "upgrade",
            says=("simulated crash of this build",),
            extra=PATIENCE,
            horaemeta_binary=good["horaemeta_binary"],
            horaedb_binary=bad["horaedb_binary"],
        )
    found = versions(cluster)
    assert {found[host] for host in cluster.members} == {"2.3.0"}
    assert {found[host] for host in cluster.nodes} == {"2.2.0"}
    first = next(iter(cluster.nodes))
    after = running()
    assert replaced(before, after, ["horaedb"]) == {first}
    assert after[first, "horaedb"].generation == before[first, "horaedb"].generation
    assert cluster.assert_whole() == view
    assert keys.journal()[-1]["result"] == "failed"
    with load.phase("`upgrade.yml` again with one that works"):
        operator.done("upgrade", **good)
    assert set(versions(cluster).values()) == {"2.3.0"}
    assert replaced(after, running(), ["horaemeta"]) == set(), "the members had the new version already"
    assert cluster.assert_whole() == view

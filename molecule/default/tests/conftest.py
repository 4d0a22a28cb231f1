"""One cluster for all tests of this scenario: each leaves it whole, and with what it changed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Molecule starts pytest with neither folder on the path, so the imports below have to come after this (E402).
sys.path.insert(0, str(ROOT))

from tests.support import programs  # noqa: E402
from tests.support.cluster import Cluster  # noqa: E402
from tests.support.playbook import Run  # noqa: E402
from tests.support.rows import Rows  # noqa: E402
from tests.support.services import Process, process  # noqa: E402
from tests.support.site import Site, Variables  # noqa: E402
from tests.support.traffic import Refused  # noqa: E402

MEMBER_UNITS = ("horaemeta", "horaedb-shard-keeper")
NODE_UNITS = ("horaedb", "horaedb-meta-proxy")

# (inventory host, unit) -> its process
Processes = Mapping[tuple[str, str], Process]


def secret_settings(secret: str = "canary-in-the-file") -> dict[str, object]:
    """horaedb_settings as in molecule.yml. Who sets others over them keeps these."""
    return {"limiter": {"write_block_list": ["key_secret=%s" % secret]}}


class Operator:
    """Changes variables and runs site.yml. A change that worked stays, one that failed is taken back."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._kept: dict[str, object] = {}

    def run(self, *arguments: str, hosts: Mapping[str, Variables] | None = None, **changes: object) -> Run:
        run = self._site.run(*arguments, everywhere={**self._kept, **changes}, hosts=hosts)
        if run.rc == 0 and "--check" not in arguments:
            self._kept.update(changes)
        return run

    def deploy(self, **changes: object) -> Run:
        run = self.run(**changes)
        assert run.rc == 0, run.output
        return run


@pytest.fixture(scope="session")
def operator(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return Operator(Site(inventory, tmp_path_factory.mktemp("inventories")))


@pytest.fixture(scope="session")
def rows(cluster: Cluster) -> Rows:
    return Rows(cluster)


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """broken("crash", "horaedb-server") is the path of that daemon, built to be broken in that way."""

    def path(flavour: str, program: str) -> str:
        return str(programs.broken(tmp_path_factory.mktemp(flavour), flavour)[program])

    return path


@pytest.fixture(scope="session")
def processes(cluster: Cluster, on: Callable[[str], Any]) -> Callable[[], Processes]:
    """Every daemon's process, read anew at each call."""
    places = [(host, unit) for host in cluster.members for unit in MEMBER_UNITS]
    places += [(host, unit) for host in cluster.nodes for unit in NODE_UNITS]

    def read() -> Processes:
        with ThreadPoolExecutor(len(places)) as pool:
            return dict(zip(places, pool.map(lambda place: process(on(place[0]), place[1]), places), strict=True))

    return read


# What systemd did with a unit, and what its daemon said when it died of itself.
LAST_WORDS = "journalctl --unit=%s --lines=6 --no-pager --output=short-precise; grep -ahE 'panic|SIGSEGV' /var/log/horaemeta/* /var/log/horaedb/* | tail -n 4"


@pytest.fixture(autouse=True)
def left_whole(cluster: Cluster, operator: Operator, failed: Callable[[], bool], on: Callable[[str], Any]) -> Iterator[None]:
    """After a test that failed it is made whole, or one failure makes many. What its daemons said is shown: a real one may have died by itself."""
    yield
    if failed():
        for host, unit in [*((host, "horaemeta") for host in cluster.members), *((host, "horaedb") for host in cluster.nodes)]:
            print("%s, %s:\n%s" % (host, unit, on(host).run(LAST_WORDS, unit).stdout))
    try:
        assert not failed(), "the test failed"
        cluster.assert_whole()
    except (AssertionError, Refused):
        operator.run()
        cluster.assert_whole(60)
        if not failed():
            raise

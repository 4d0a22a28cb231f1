"""Fixtures of all scenarios. Without Molecule, against any lab: pytest molecule/default/tests --ansible-inventory FOLDER."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[1]
# Molecule starts pytest with neither folder on the path, so the imports below have to come after this (E402).
sys.path.insert(0, str(ROOT))

from tests.support.cluster import Cluster  # noqa: E402
from tests.support.inventory import hostvars  # noqa: E402

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:  # noqa: ARG001
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def failed(request: pytest.FixtureRequest) -> Callable[[], bool]:
    """Whether this test has failed, for a fixture that has to put right what a failed test leaves."""
    return lambda: request.node.stash.get(FAILED, False)


@pytest.fixture(scope="session")
def inventory(request: pytest.FixtureRequest) -> Path:
    """The folder with hosts and variables, as Molecule gives it to the playbooks too."""
    given = request.config.getoption("ansible_inventory") or Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent
    return Path(given)


@pytest.fixture(scope="session")
def on(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """on("db1") is testinfra's host of that name, over one connection that is kept open: its ansible:// makes a new one for each command."""
    values = hostvars(inventory)
    sockets = tmp_path_factory.mktemp("ssh")

    @functools.cache
    def host(name: str) -> Any:
        known = values[name]
        return testinfra.get_host(
            "ssh://%(ansible_user)s@%(ansible_host)s" % known,
            ssh_identity_file=known["ansible_ssh_private_key_file"],
            ssh_extra_args=known["ansible_ssh_common_args"],
            controlpath=str(sockets / name),
        )

    return host


@pytest.fixture(scope="session")
def cluster(inventory: Path) -> Cluster:
    return Cluster.of(inventory)

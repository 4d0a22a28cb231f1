"""Fixtures of all scenarios. Without Molecule, against any lab: pytest molecule/default/tests --ansible-inventory FOLDER."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.cluster import Cluster  # noqa: E402


@pytest.fixture(scope="session")
def inventory(request: pytest.FixtureRequest) -> Path:
    """The folder with hosts and variables, as Molecule gives it to the playbooks too."""
    # Hosts keep their connections for a minute: as with the shipped ansible.cfg, so for the commands of testinfra.
    os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
    given = request.config.getoption("ansible_inventory") or Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent
    return Path(given)


@pytest.fixture(scope="session")
def on(inventory: Path) -> Callable[[str], Any]:
    """on("db1") is testinfra's host of that name."""

    @functools.lru_cache(maxsize=None)
    def host(name: str) -> Any:
        return testinfra.get_host("ansible://%s" % name, ansible_inventory=str(inventory))

    return host


@pytest.fixture(scope="session")
def cluster(inventory: Path) -> Cluster:
    return Cluster.of(inventory)

"""One lab for all tests of this scenario; the files run in the order of their names, on fresh hosts first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Molecule starts pytest with neither folder on the path, so the imports below have to come after this (E402).
sys.path.insert(0, str(ROOT))

from lab import hosts as lab_hosts  # noqa: E402
from lab.model import Lab  # noqa: E402
from tests.support import programs  # noqa: E402
from tests.support.machines import Machines  # noqa: E402
from tests.support.site import Site  # noqa: E402

# Inventory host -> testinfra's host.
Hosts = Mapping[str, Any]


@pytest.fixture(scope="session")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of broken builds, one folder for each way of being broken."""
    folder = tmp_path_factory.mktemp("binaries")
    for flavour in ("crash", "badglibc"):
        programs.broken(folder / flavour, flavour)
    return folder


@pytest.fixture(scope="session")
def site(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(inventory, tmp_path_factory.mktemp("inventories"))


@pytest.fixture(scope="session")
def hosts(site: Site, on: Callable[[str], Any]) -> Hosts:
    """Every host, with the two things that are wrong with some of them from the beginning."""
    every = {name: on(name) for name in site.addresses}
    # A user who may log in and may not become root; a systemd of 2019.
    every["meta1"].check_output("id plain 2>&- || useradd --create-home --shell /bin/bash plain && echo plain:a-password | chpasswd")
    every["nopy"].check_output("printf '#!/bin/sh\\necho systemd 241\\n' > /usr/local/bin/systemctl && chmod +x /usr/local/bin/systemctl")
    return every


@pytest.fixture(scope="session")
def machines(inventory: Path) -> Machines:
    return Machines(inventory)


@pytest.fixture(scope="session")
def container_of(site: Site) -> dict[str, str]:
    """Inventory host -> its container, by which it can be cut off its network and found again."""
    return {one.host: Lab(one.lab).container(one.host) for one in lab_hosts.containers() if one.address == site.addresses.get(one.host)}

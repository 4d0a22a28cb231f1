"""One host for all tests of this scenario, and images that hold the programs under test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Molecule starts pytest with neither folder on the path, so the imports below have to come after this (E402).
sys.path.insert(0, str(ROOT))

from tests.support import container_image, programs  # noqa: E402
from tests.support.cluster import Cluster  # noqa: E402
from tests.support.operator import Operator  # noqa: E402
from tests.support.rows import Rows  # noqa: E402
from tests.support.site import Site  # noqa: E402


@pytest.fixture(scope="session")
def operator(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return Operator(Site(inventory, tmp_path_factory.mktemp("inventories")))


@pytest.fixture(scope="session")
def binaries() -> dict[str, Path]:
    """The programs that the other scenarios deploy too."""
    return programs.given()


@pytest.fixture(scope="session")
def image(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Both daemons in one image, as an archive: horaemeta_binary and horaedb_binary."""
    return container_image.archive(tmp_path_factory.mktemp("image"), binaries, "good")


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """broken("crash") is an image whose HoraeDB is built to be broken in that way."""

    def made(flavour: str) -> str:
        folder = tmp_path_factory.mktemp(flavour)
        program = programs.broken(folder / "programs", flavour)[programs.DB]
        return container_image.archive(folder, {programs.DB: program}, flavour)

    return made


@pytest.fixture(scope="session")
def rows(cluster: Cluster) -> Rows:
    return Rows(cluster)

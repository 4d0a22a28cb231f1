"""One host for all tests of this scenario, and images that hold the simulators."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Molecule starts pytest with neither folder on the path, so the imports below have to come after this (E402).
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "simulator")]

import build  # noqa: E402
from tests.support import container_image  # noqa: E402
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
    given = {"horaemeta-server": "HORAE_META_BIN", "horaedb-server": "HORAE_DB_BIN"}
    return {name: Path(os.environ.get(variable) or ROOT / "build" / name) for name, variable in given.items()}


@pytest.fixture(scope="session")
def image(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Both daemons in one image, as an archive: horaemeta_binary and horaedb_binary."""
    return container_image.archive(tmp_path_factory.mktemp("image"), binaries, "good")


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """broken("crash") is an image whose HoraeDB is built to be broken in that way."""

    def made(flavour: str) -> str:
        folder = tmp_path_factory.mktemp(flavour)
        program = build.build(folder / "programs", version="9.9.9", flavour=flavour)["horaedb-server"]
        return container_image.archive(folder, {"horaedb-server": program}, flavour)

    return made


@pytest.fixture(scope="session")
def rows(cluster: Cluster) -> Rows:
    return Rows(cluster)

"""Two registries on loopback, one of which wants a login, and images of the programs under test in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Molecule starts pytest with neither folder on the path, so the imports below have to come after this (E402).
sys.path.insert(0, str(ROOT))

from lab.paths import TOOLS_BIN  # noqa: E402
from tests.support import programs, registry  # noqa: E402
from tests.support.oci import Layout  # noqa: E402
from tests.support.operator import Operator  # noqa: E402
from tests.support.registry import Registry  # noqa: E402
from tests.support.site import Site  # noqa: E402


@dataclass(frozen=True)
class Images:
    """Name of the program -> its image as it was pushed, the reference by tag and digest, and the program itself."""

    layouts: Mapping[str, Layout]
    references: Mapping[str, str]
    binaries: Mapping[str, Path]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Or a second run would find what the first one has pulled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("PATH", str(TOOLS_BIN), prepend=os.pathsep)
        yield


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry.running(Registry(tmp_path_factory.mktemp("shop") / "registry")) as running:
        yield running


@pytest.fixture(scope="session")
def locked_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry.running(Registry(tmp_path_factory.mktemp("locked") / "registry", login=True)) as running:
        yield running


def pushed(to: Registry, folder: Path, tag: str, binaries: Mapping[str, Path]) -> Images:
    layouts = {name: registry.image(folder / name, name, path) for name, path in binaries.items()}
    return Images(layouts, {name: to.push(layout, name, tag) for name, layout in layouts.items()}, binaries)


@pytest.fixture(scope="session")
def first(shop: Registry, tmp_path_factory: pytest.TempPathFactory) -> Images:
    return pushed(shop, tmp_path_factory.mktemp("first"), "v1", programs.given())


@pytest.fixture
def second(shop: Registry, tmp_path: Path) -> Images:
    """Images of the next version that nobody has pulled yet."""
    return pushed(shop, tmp_path, "v2", programs.later(tmp_path / "programs", 1))


@pytest.fixture(scope="session")
def operator(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return Operator(Site(inventory, tmp_path_factory.mktemp("inventories")))

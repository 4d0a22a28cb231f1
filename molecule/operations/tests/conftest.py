"""One cluster for all tests of this scenario, in the order of their files' names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Molecule starts pytest with neither folder on the path, so the imports below have to come after this (E402).
sys.path.insert(0, str(ROOT))

# pytest takes fixtures by their names in this file (F401).
from tests.support import hangs  # noqa: E402
from tests.support.operated import away, keys, left_whole, load, machines, on, operator, places, running  # noqa: E402, F401


@pytest.fixture(scope="session")
def scenario() -> str:
    """The name under which its figures are kept."""
    return "operations"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: left out unless HORAE_HANGS is given, so that all scenarios together end within an hour")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hangs.CHANCE:
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)

"""One cluster for all tests of this scenario, in the order of their files' names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "simulator")]

from tests.support.operated import away, keys, left_whole, load, machines, on, operator, places, running  # noqa: E402, F401


@pytest.fixture(scope="session")
def scenario() -> str:
    """The name under which its figures are kept."""
    return "operations"

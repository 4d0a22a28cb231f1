from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3]))

from tests.support.brokers import Broker  # noqa: E402
from tests.support.objects import EVERYTHING, Keys, Objects, objects  # noqa: E402


@pytest.fixture(scope="session")
def s3() -> Iterator[Objects]:
    with objects() as server:
        server.bucket("horaedb")
        yield server


@pytest.fixture(scope="session")
def keys(s3: Objects) -> Keys:
    return s3.user("horaedb", *EVERYTHING)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as one:
        yield one

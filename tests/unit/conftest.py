"""Makes the checkout importable as ansible_collections.horaedb.cluster, as ansible itself sees it; and what tests of several folders share."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))

from tests.support.brokers import Broker  # noqa: E402
from tests.support.objects import EVERYTHING, Keys, Objects, objects  # noqa: E402
from tests.unit.helpers.cluster_world import World  # noqa: E402

# Property tests give the same examples on every machine, however busy it is.
settings.register_profile("unit", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**options: Any) -> World:
        made.append(World(**options))
        return made[-1]

    yield make
    for world in made:
        world.stop()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


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

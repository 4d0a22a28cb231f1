"""S3 and Kafka where the hosts reach them: on this machine's address in the network of the lab."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import brokers
from tests.support.inventory import hostvars
from tests.support.machines import Machines
from tests.support.objects import EVERYTHING, Objects, objects
from tests.support.playbook import Run
from tests.support.site import Site

BUCKET = "horaedb"


def facing(host: str) -> str:
    """The address of this machine from which it talks to `host`; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        return str(probe.getsockname()[0])


@dataclass(frozen=True)
class Storage:
    """`store` and `wal` are the tables that are right; `outsider` is another HoraeDB's broker."""

    s3: Objects
    store: dict[str, Any]
    wal: dict[str, Any]
    outsider: brokers.Broker
    address: str

    @property
    def secret(self) -> str:
        return str(self.store["key_secret"])


def kafka_table(*names: str) -> dict[str, Any]:
    return {"type": "Kafka", "kafka": {"client": {"boost_brokers": list(names)}}}


@pytest.fixture(scope="session")
def storage(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    address = facing(next(iter(hostvars(inventory).values()))["ansible_host"])
    with objects(address) as s3, brokers.some(tmp_path_factory.mktemp("kafka"), address) as broker, brokers.Broker(address) as outsider:
        outsider.topics = ["wal_data_0", "manifest_data_0"]
        s3.bucket(BUCKET)
        yield Storage(s3, s3.table(s3.user("horaedb", *EVERYTHING), BUCKET), kafka_table(broker), outsider, address)


class Operator:
    """Runs site.yml with the storage that is right, but for what a test says."""

    def __init__(self, site: Site, storage: Storage) -> None:
        self._site = site
        self._right = {"horaedb_object_store": storage.store, "horaedb_wal": storage.wal}

    def run(self, *arguments: str, hosts: Any = None, **changes: object) -> Run:
        return self._site.run(*arguments, everywhere={**self._right, **changes}, hosts=hosts)


@pytest.fixture(scope="session")
def operator(inventory: Path, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return Operator(Site(inventory, tmp_path_factory.mktemp("inventories")), storage)


@pytest.fixture(scope="session")
def machines(inventory: Path) -> Machines:
    return Machines(inventory)


@pytest.fixture(scope="session")
def hosts(inventory: Path, on: Callable[[str], Any]) -> dict[str, Any]:
    return {name: on(name) for name in hostvars(inventory)}

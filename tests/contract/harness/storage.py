"""What clusters on shared storage share: moto's S3 server, and Kafka, which is a real one for real data nodes."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import sys
import threading
from typing import Any, Dict, Iterator, List

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from moto.core import DEFAULT_ACCOUNT_ID  # noqa: E402
from moto.s3.models import s3_backends  # noqa: E402

from lab.kafka import OLDEST_JAVA, can_run  # noqa: E402
from tests.support import brokers, objects  # noqa: E402

# Each request would be a line under each failed test.
logging.getLogger("werkzeug").setLevel(logging.WARNING)


class NoKafka(Exception):
    """Real data nodes, and no real Kafka for them."""


class Bucket:
    def __init__(self, store: objects.Objects, keys: objects.Keys, name: str) -> None:
        self._store, self._keys, self.name = store, keys, name
        store.bucket(name)

    def settings(self) -> Dict[str, Any]:
        """[analytic.storage.object_store]."""
        return self._store.table(self._keys, self.name)

    def objects(self) -> List[str]:
        return self._store.names(self.name)

    @contextlib.contextmanager
    def missing(self) -> Iterator[None]:
        """For everybody who asks, with all that is in it."""
        buckets = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets
        kept = buckets.pop(self.name)
        try:
            yield
        finally:
            buckets[self.name] = kept


class Store:
    """One server for all stories, as what moto knows belongs to its process; a bucket for each cluster."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        self._store = self._open.enter_context(objects.objects())
        self._keys = self._store.user("horaedb", *objects.EVERYTHING)
        self._lock = threading.Lock()

    def bucket(self, name: str) -> Bucket:
        with self._lock:
            return Bucket(self._store, self._keys, name)

    def close(self) -> None:
        self._open.close()


@contextlib.contextmanager
def kafka(folder: pathlib.Path, real: bool) -> Iterator[str]:
    """Its host:port. Topics carry no name of a cluster, so each cluster has a broker. The simulators only ask whether it is there."""
    if not real:
        with brokers.Broker() as double:
            yield double.name
    elif can_run():
        folder.mkdir()
        with brokers.kafka(folder) as name:
            yield name
    else:
        raise NoKafka(
            "real data nodes on Kafka need a real broker: install java (%d or newer) and mvn, then run `make contract`" % OLDEST_JAVA
        )

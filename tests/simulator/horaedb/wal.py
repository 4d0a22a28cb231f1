"""Where acknowledged rows are safe before they are flushed, and where a table's manifest is."""

from __future__ import annotations

import os
import threading
import time
from typing import Iterator, List, Optional, Protocol, Tuple

from common.etcd import Etcd, put


class Wal(Protocol):
    def create(self, shard: int, table: int, manifest: str) -> None: ...

    def manifest(self, shard: int, table: int) -> Optional[str]: ...

    def tables(self) -> List[Tuple[int, int]]: ...

    def append(self, shard: int, table: int, record: str) -> None: ...

    def records(self, shard: int, table: int) -> List[str]: ...

    def truncate(self, shard: int, table: int) -> None: ...

    def drop(self, shard: int, table: int) -> None: ...


def sync_write(path: str, data: bytes, append: bool = False) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC), 0o640)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LocalWal:
    """Files below `analytic.wal.data_dir`. Nothing locks the directory, as in the real one."""

    def __init__(self, data_dir: str) -> None:
        self._wal = os.path.join(data_dir, "wal")
        self._manifests = os.path.join(data_dir, "manifest")
        for folder in (self._wal, self._manifests):
            os.makedirs(folder, exist_ok=True)
            # Directories of an earlier run under another user exist and can still not be written.
            if not os.access(folder, os.W_OK):
                raise PermissionError(13, "Permission denied", folder)

    def _log(self, shard: int, table: int) -> str:
        return os.path.join(self._wal, "%d" % shard, "%d.log" % table)

    def _manifest(self, shard: int, table: int) -> str:
        return os.path.join(self._manifests, "%d" % shard, "%d.json" % table)

    def create(self, shard: int, table: int, manifest: str) -> None:
        for path in (self._log(shard, table), self._manifest(shard, table)):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        # Anything already there belongs to a table of another life with the same id, and it stays:
        # this is how an empty HoraeMeta over old files spoils them.
        # A flush writes it again: it must not be half there after a kill.
        sync_write(self._manifest(shard, table) + ".new", manifest.encode())
        os.replace(self._manifest(shard, table) + ".new", self._manifest(shard, table))

    def manifest(self, shard: int, table: int) -> Optional[str]:
        try:
            with open(self._manifest(shard, table), encoding="utf-8") as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def tables(self) -> List[Tuple[int, int]]:
        return sorted(self._found())

    def _found(self) -> Iterator[Tuple[int, int]]:
        for shard in os.listdir(self._manifests):
            for name in os.listdir(os.path.join(self._manifests, shard)):
                if name.endswith(".new"):
                    continue
                yield int(shard), int(name.split(".")[0])

    def append(self, shard: int, table: int, record: str) -> None:
        sync_write(self._log(shard, table), record.encode() + b"\n", append=True)

    def records(self, shard: int, table: int) -> List[str]:
        try:
            with open(self._log(shard, table), encoding="utf-8") as stream:
                text = stream.read()
        except FileNotFoundError:
            return []
        # What follows the last newline was never acknowledged.
        return text.split("\n")[:-1]

    def truncate(self, shard: int, table: int) -> None:
        sync_write(self._log(shard, table), b"")

    def drop(self, shard: int, table: int) -> None:
        for path in (self._manifest(shard, table), self._log(shard, table)):
            if os.path.exists(path):
                os.remove(path)


class SharedWal:
    """Stands for Kafka and OceanBase: any node can read it. It lives in the cluster's etcd, since no broker is simulated.

    The names carry no cluster, as Kafka's topics don't.
    """

    PREFIX = "/simulator/wal"

    def __init__(self, etcd: Etcd) -> None:
        self._etcd = etcd
        self._lock = threading.Lock()
        self._last = 0

    def _log(self, shard: int, table: int) -> str:
        return "%s/data_%d/%d/" % (self.PREFIX, shard, table)

    def _manifest(self, shard: int, table: int) -> str:
        return "%s/manifest_%d/%d" % (self.PREFIX, shard, table)

    def create(self, shard: int, table: int, manifest: str) -> None:
        self._etcd.txn([put(self._manifest(shard, table), manifest)])

    def manifest(self, shard: int, table: int) -> Optional[str]:
        found = self._etcd.get(self._manifest(shard, table))
        return found.value if found else None

    def tables(self) -> List[Tuple[int, int]]:
        found = [kv.key.split("/") for kv in self._etcd.range(self.PREFIX + "/manifest_", prefix=True)]
        return [(int(parts[-2].split("_")[1]), int(parts[-1])) for parts in found]

    def append(self, shard: int, table: int, record: str) -> None:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            number = self._last
        self._etcd.txn([put("%s%020d" % (self._log(shard, table), number), record)])

    def records(self, shard: int, table: int) -> List[str]:
        return [kv.value for kv in self._etcd.range(self._log(shard, table), prefix=True)]

    def truncate(self, shard: int, table: int) -> None:
        self._etcd.delete(self._log(shard, table), prefix=True)

    def drop(self, shard: int, table: int) -> None:
        self.truncate(shard, table)
        self._etcd.delete(self._manifest(shard, table))

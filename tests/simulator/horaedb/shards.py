"""The shards that this node has, and their tables."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Optional, Protocol, Tuple

from common import log
from common.etcd import EtcdError
from common.http import Unreachable

from horaedb.locks import NOT_OPEN, CloseFailed, LockHeld
from horaedb.store import Store, StoreError
from horaedb.table import FlushFailed, NotHere, Schema, Table
from horaedb.wal import Wal

OPENING, READY = "Opening", "Ready"
# Replay of a small shard.
OPEN_TIME = 0.15
# Of the locks that ran out and could not be given back, how many are a panic: none to one on each of three nodes.
HEARD_OF = 0.1


class ShardError(Exception):
    """An order that can't be carried out."""


class Recovering(Exception):
    """The table's shard is here and not open yet."""


class Locks(Protocol):
    def acquire(self, shard: int) -> None: ...

    def release(self, shard: int) -> None: ...


class NoLocks:
    """Without HoraeMeta nobody else can have a shard."""

    def acquire(self, shard: int) -> None:
        """Always granted."""

    def release(self, shard: int) -> None:
        """Nothing was taken."""


@dataclass
class Shard:
    id: int
    version: int
    listed: List[Tuple[int, str]]
    status: str = "Init"
    tables: Dict[str, Table] = field(default_factory=dict)
    opening: threading.Lock = field(default_factory=threading.Lock)


class ShardSet:
    def __init__(self, wal: Wal, store: Store, table_options: Mapping[str, str] = MappingProxyType({})) -> None:
        """`table_options`: what the node's configuration says where a CREATE doesn't."""
        self._wal = wal
        self._store = store
        self._table_options = table_options
        self._locks: Locks = NoLocks()
        self._shards: Dict[int, Shard] = {}
        self._lock = threading.Lock()

    def use_locks(self, locks: Locks) -> None:
        self._locks = locks

    def open(self, number: int, version: int, tables: List[Tuple[int, str]]) -> None:
        """Raises ShardError. A shard that failed to open before is tried again with the tables it was given THEN."""
        try:
            self._locks.acquire(number)
        except (LockHeld, Unreachable, EtcdError) as error:
            raise ShardError("fail to acquire shard lock, err:%s" % error) from error
        with self._lock:
            shard = self._shards.setdefault(number, Shard(number, version, tables))
        with shard.opening:
            if shard.status != READY:
                self._open_tables(shard)

    def _open_tables(self, shard: Shard) -> None:
        shard.status = OPENING
        time.sleep(OPEN_TIME)
        for number, name in shard.listed:
            try:
                shard.tables[name] = Table.open(shard.id, number, self._wal, self._store)
            except (NotHere, StoreError, Unreachable, EtcdError, OSError, ValueError) as error:
                raise ShardError("failed to open table %s of shard %d: %s" % (name, shard.id, error)) from error
        shard.status = READY
        log.info("Open shard success, shard_id:%d" % shard.id)

    def close(self, number: int) -> None:
        """Raises ShardError."""
        if not self._remove(number):
            raise ShardError("close non-existent shard, shard_id:%d" % number)
        try:
            self._locks.release(number)
        except (Unreachable, EtcdError) as error:
            raise ShardError("fail to release shard lock, err:%s" % error) from error

    def lock_expired(self, number: int) -> None:
        """The shard's tables are flushed and closed, and its lock is given back. Raises CloseFailed, as the real one only now and then:
        who gives the lock back ends the task in which it runs, so nobody hears of a failure for which that task had to wait."""
        with self._lock:
            shard = self._shards.get(number)
        if shard is None:
            raise CloseFailed(NOT_OPEN % number)
        try:
            for table in list(shard.tables.values()):
                table.flush()
        except (StoreError, FlushFailed, Unreachable, EtcdError, OSError) as error:
            raise CloseFailed("Server error, code:Internal, message:fail to close shard, cause:%s" % error) from error
        self._remove(number)
        try:
            self._locks.release(number)
        except (Unreachable, EtcdError) as error:
            if random.random() > HEARD_OF:
                return
            reason = "Failed to revoke the lease, shard_id:%d, err:%s" % (number, error)
            raise CloseFailed("Server error, code:Internal, message:fail to release shard lock, cause:%s" % reason) from error
        log.info("Close shard success, shard_id:%d" % number, "src/server/src/grpc/meta_event_service/mod.rs:311")

    def _remove(self, number: int) -> bool:
        with self._lock:
            return self._shards.pop(number, None) is not None

    def create_table(self, number: int, version: int, table: int, name: str, schema: Dict[str, Any]) -> None:
        """Raises ShardError."""
        shard = self._ready(number)
        try:
            options = {**self._table_options, **schema.get("options", {})}
            whole = Schema.from_json(dict(schema, options=options))
            shard.tables[name] = Table.create(number, table, name, whole, self._wal, self._store)
        except (OSError, Unreachable, EtcdError) as error:
            raise ShardError("failed to create table %s: %s" % (name, error)) from error
        shard.listed.append((table, name))
        shard.version = version

    def drop_table(self, number: int, version: int, name: str) -> None:
        """Raises ShardError."""
        shard = self._ready(number)
        table = shard.tables.pop(name, None)
        if table:
            table.drop()
        shard.listed = [(number, listed) for number, listed in shard.listed if listed != name]
        shard.version = version

    def _ready(self, number: int) -> Shard:
        with self._lock:
            shard = self._shards.get(number)
        if shard is None or shard.status != READY:
            raise ShardError("shard not found or not ready, shard_id:%d" % number)
        return shard

    def _all(self) -> List[Shard]:
        with self._lock:
            return list(self._shards.values())

    def table(self, name: str) -> Optional[Table]:
        """Raises Recovering."""
        for shard in self._all():
            if any(listed == name for _, listed in shard.listed):
                if shard.status != READY:
                    raise Recovering(name)
                return shard.tables.get(name)
        return None

    def tables(self) -> List[Table]:
        found = [table for shard in self._all() if shard.status == READY for table in shard.tables.values()]
        return sorted(found, key=lambda table: table.name)

    def statuses(self) -> Dict[str, str]:
        return {str(shard.id): shard.status for shard in self._all()}

    def listing(self) -> List[Dict[str, Any]]:
        return [{"id": s.id, "role": "Leader", "version": s.version, "status": s.status} for s in self._all()]

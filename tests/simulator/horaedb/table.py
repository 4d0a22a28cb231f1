"""One open table: rows in memory, safe in the WAL before they are acknowledged, written out by a flush."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from common import log

from horaedb.store import Store, StoreError
from horaedb.units import to_milliseconds
from horaedb.wal import Wal

TSID = "tsid"
DEFAULT_TTL = "7d"
DAY = 86400000
MAX_RETRY_FLUSH_LIMIT = 0
SPACE = 0


class TableError(Exception):
    """A statement that does not fit the table."""


class NotHere(Exception):
    """The table's manifest is not on this node's disk."""


class FlushFailed(Exception):
    """A flush failed before, and none is tried again while this table is open."""


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    tag: bool = False
    nullable: bool = True


@dataclass(frozen=True)
class Schema:
    columns: Tuple[Column, ...]
    timestamp: str
    primary: Tuple[str, ...]
    options: Tuple[Tuple[str, str], ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        columns = tuple(Column(c["name"], c["type"], c["tag"], c["nullable"]) for c in data["columns"])
        return cls(columns, data["timestamp"], tuple(data["primary"]), tuple(data.get("options", {}).items()))

    def to_json(self) -> Dict[str, Any]:
        columns = [{"name": c.name, "type": c.type, "tag": c.tag, "nullable": c.nullable} for c in self.columns]
        return {"columns": columns, "timestamp": self.timestamp, "primary": list(self.primary), "options": dict(self.options)}

    @property
    def ttl(self) -> Optional[int]:
        """Milliseconds; None when rows are kept for ever. It counts in whole days."""
        options = dict(self.options)
        if options.get("enable_ttl", "true") != "true":
            return None
        return to_milliseconds(options.get("ttl", DEFAULT_TTL)) // DAY * DAY

    def ordered(self) -> List[str]:
        """As SELECT * lists them: the primary key first."""
        return [*self.primary, *(c.name for c in self.columns if c.name not in self.primary)]

    def row(self, names: Sequence[str], values: Sequence[Any]) -> Dict[str, Any]:
        """Raises TableError."""
        given = dict(zip(names, values))
        for name in given:
            if all(name != column.name for column in self.columns):
                raise TableError("Column not found, name:%s" % name)
        row: Dict[str, Any] = {}
        for column in self.columns:
            value = given.get(column.name)
            if value is None and (not column.nullable or column.name == self.timestamp):
                raise TableError("Column not null, name:%s" % column.name)
            row[column.name] = float(value) if column.type in ("double", "float") and value is not None else value
        if TSID in self.primary:
            row[TSID] = _tsid([row[c.name] for c in self.columns if c.tag])
        return row


def _tsid(tags: List[Any]) -> int:
    digest = hashlib.blake2b(json.dumps(tags).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def sst_path(table: int, file: int) -> str:
    """Holds no node; a file's metadata is an object of its own beside it."""
    return "%d/%d/%d.sst" % (SPACE, table, file)


class Table:
    def __init__(self, shard: int, number: int, name: str, schema: Schema, wal: Wal, store: Store) -> None:
        self.shard = shard
        self.number = number
        self.name = name
        self.schema = schema
        self._wal = wal
        self._store = store
        self._rows: Dict[Tuple[Any, ...], Dict[str, Any]] = {}
        # What is in the WAL only.
        self._unflushed: Dict[Tuple[Any, ...], Dict[str, Any]] = {}
        self._files = 0
        self._flush_failure: Optional[str] = None
        self._lock = threading.Lock()

    @classmethod
    def create(cls, shard: int, number: int, name: str, schema: Schema, wal: Wal, store: Store) -> Table:
        table = cls(shard, number, name, schema, wal, store)
        table._save_manifest()
        return table

    @classmethod
    def open(cls, shard: int, number: int, wal: Wal, store: Store) -> Table:
        """Raises NotHere, StoreError, and what a remote WAL raises."""
        manifest = wal.manifest(shard, number)
        if manifest is None:
            raise NotHere("no manifest for table id %d of shard %d" % (number, shard))
        data = json.loads(manifest)
        table = cls(shard, number, data["name"], Schema.from_json(data["schema"]), wal, store)
        table._files = data["files"]
        table._replay()
        return table

    def _save_manifest(self) -> None:
        manifest = {"name": self.name, "schema": self.schema.to_json(), "files": self._files}
        self._wal.create(self.shard, self.number, json.dumps(manifest))

    def _replay(self) -> None:
        for file in range(1, self._files + 1):
            found = self._store.get(sst_path(self.number, file))
            if found is None:
                raise StoreError("Object at location %s not found" % sst_path(self.number, file))
            for row in json.loads(found):
                self._rows[self._key_of(row)] = row
        for record in self._wal.records(self.shard, self.number):
            for row in json.loads(record):
                self._put(row)

    def _key_of(self, row: Mapping[str, Any]) -> Tuple[Any, ...]:
        return tuple(row[name] for name in self.schema.primary)

    def _put(self, row: Dict[str, Any]) -> None:
        """A row that is older than the table keeps rows is dropped here: written to the WAL, counted, and never seen again."""
        ttl = self.schema.ttl
        if ttl is None or row[self.schema.timestamp] >= time.time() * 1000 - ttl:
            self._rows[self._key_of(row)] = self._unflushed[self._key_of(row)] = row

    def insert(self, names: Sequence[str], values: Sequence[Sequence[Any]]) -> int:
        """Raises TableError, and OSError when the disk is full."""
        rows = [self.schema.row(names, one) for one in values]
        with self._lock:
            self._wal.append(self.shard, self.number, json.dumps(rows))
            for row in rows:
                self._put(row)
        return len(rows)

    def rows(self) -> List[Dict[str, Any]]:
        with self._lock:
            return [self._rows[key] for key in sorted(self._rows, key=repr)]

    def flush(self) -> None:
        """Raises FlushFailed, and StoreError the first time; what could not be written stays in the WAL."""
        with self._lock:
            if self._flush_failure is not None:
                raise FlushFailed(
                    "Background flush failed, cannot write more data, retry_count:%d, err:%s."
                    % (MAX_RETRY_FLUSH_LIMIT, self._flush_failure)
                )
            if not self._unflushed:
                return
            try:
                self._write_sst()
            except StoreError as error:
                self._flush_failure = str(error)
                log.error("Failed to run flush task, err:%s" % error, "src/analytic_engine/src/instance/serial_executor.rs:232")
                raise

    def _write_sst(self) -> None:
        path = sst_path(self.number, self._files + 1)
        self._store.put(path, json.dumps(list(self._unflushed.values())).encode())
        self._store.put(path + ".metadata", json.dumps({"rows": len(self._unflushed)}).encode())
        self._files += 1
        # A kill between these finds the rows twice, which overwrite themselves.
        self._save_manifest()
        self._wal.truncate(self.shard, self.number)
        self._unflushed = {}

    def drop(self) -> None:
        self._wal.drop(self.shard, self.number)


def table_name(wal: Wal, shard: int, number: int) -> str:
    return str(json.loads(wal.manifest(shard, number) or "{}").get("name", ""))

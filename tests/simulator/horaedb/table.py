"""One open table: rows in memory, safe in the WAL before they are acknowledged, written out by a flush."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from horaedb.store import Store
from horaedb.wal import Wal

TSID = "tsid"


class TableError(Exception):
    """A statement that does not fit the table."""


class NotHere(Exception):
    """The table's manifest is not on this node's disk."""


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

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        columns = tuple(Column(c["name"], c["type"], c["tag"], c["nullable"]) for c in data["columns"])
        return cls(columns, data["timestamp"], tuple(data["primary"]))

    def to_json(self) -> Dict[str, Any]:
        columns = [{"name": c.name, "type": c.type, "tag": c.tag, "nullable": c.nullable} for c in self.columns]
        return {"columns": columns, "timestamp": self.timestamp, "primary": list(self.primary)}

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


class Table:
    def __init__(self, shard: int, number: int, name: str, schema: Schema, wal: Wal, store: Store) -> None:
        self.shard = shard
        self.number = number
        self.name = name
        self.schema = schema
        self._wal = wal
        self._store = store
        self._rows: Dict[Tuple[Any, ...], Dict[str, Any]] = {}
        self._dirty = False
        self._lock = threading.Lock()

    @property
    def _key(self) -> str:
        return "%d/%d.sst" % (self.shard, self.number)

    @classmethod
    def create(cls, shard: int, number: int, name: str, schema: Schema, wal: Wal, store: Store) -> Table:
        wal.create(shard, number, json.dumps({"name": name, "schema": schema.to_json()}))
        return cls(shard, number, name, schema, wal, store)

    @classmethod
    def open(cls, shard: int, number: int, wal: Wal, store: Store) -> Table:
        """Raises NotHere, StoreError, and what a remote WAL raises."""
        manifest = wal.manifest(shard, number)
        if manifest is None:
            raise NotHere("no manifest for table id %d of shard %d" % (number, shard))
        data = json.loads(manifest)
        table = cls(shard, number, data["name"], Schema.from_json(data["schema"]), wal, store)
        table._replay()
        return table

    def _replay(self) -> None:
        flushed: Optional[bytes] = self._store.get(self._key)
        for row in json.loads(flushed) if flushed else []:
            self._put(row)
        for record in self._wal.records(self.shard, self.number):
            for row in json.loads(record):
                self._put(row)
            self._dirty = True

    def _put(self, row: Dict[str, Any]) -> None:
        self._rows[tuple(row[name] for name in self.schema.primary)] = row

    def insert(self, names: Sequence[str], values: Sequence[Sequence[Any]]) -> int:
        """Raises TableError, and OSError when the disk is full."""
        rows = [self.schema.row(names, one) for one in values]
        with self._lock:
            self._wal.append(self.shard, self.number, json.dumps(rows))
            for row in rows:
                self._put(row)
            self._dirty = True
        return len(rows)

    def rows(self) -> List[Dict[str, Any]]:
        with self._lock:
            return [self._rows[key] for key in sorted(self._rows, key=repr)]

    def flush(self) -> None:
        """Raises StoreError; what could not be written stays in the WAL."""
        with self._lock:
            if not self._dirty:
                return
            self._store.put(self._key, json.dumps(list(self._rows.values())).encode())
            self._wal.truncate(self.shard, self.number)
            self._dirty = False

    def drop(self) -> None:
        self._wal.drop(self.shard, self.number)


def table_name(wal: Wal, shard: int, number: int) -> str:
    return str(json.loads(wal.manifest(shard, number) or "{}").get("name", ""))

from __future__ import annotations

import pathlib
import time
from typing import Dict, List, Optional, Tuple

import pytest
from horaedb.store import LocalStore, StoreError
from horaedb.table import Column, FlushFailed, NotHere, Schema, Table, TableError
from horaedb.wal import LocalWal

COLUMNS = (Column("name", "string", tag=True), Column("value", "double", nullable=False), Column("t", "timestamp"))
FOR_EVER = (("enable_ttl", "false"),)
SCHEMA = Schema(COLUMNS, "t", ("tsid", "t"), FOR_EVER)
NAMES = ["t", "name", "value"]


class BrokenStore:
    def put(self, key: str, data: bytes) -> None:
        raise StoreError("%s: no such bucket for %d bytes" % (key, len(data)))

    def get(self, key: str) -> Optional[bytes]:
        return {"what was never put": b""}.get(key)


def make(root: pathlib.Path) -> Table:
    return Table.create(0, 5, "demo", SCHEMA, LocalWal(str(root)), LocalStore(str(root)))


def reopen(root: pathlib.Path) -> List[Dict[str, object]]:
    return Table.open(0, 5, LocalWal(str(root)), LocalStore(str(root))).rows()


def test_acknowledged_rows_are_there_after_a_new_start(tmp_path: pathlib.Path) -> None:
    table = make(tmp_path)
    assert table.insert(NAMES, [(1, "a", 1), (2, "a", 2.5)]) == 2
    assert [row["value"] for row in reopen(tmp_path)] == [1.0, 2.5]


def test_the_same_key_is_overwritten(tmp_path: pathlib.Path) -> None:
    table = make(tmp_path)
    table.insert(NAMES, [(1, "a", 1)])
    table.insert(NAMES, [(1, "a", 9)])
    table.insert(NAMES, [(1, "b", 2)])
    assert sorted(str(row["value"]) for row in table.rows()) == ["2.0", "9.0"]


def test_a_record_cut_off_by_a_crash_was_never_acknowledged(tmp_path: pathlib.Path) -> None:
    make(tmp_path).insert(NAMES, [(1, "a", 1)])
    log = tmp_path / "wal" / "0" / "5.log"
    log.write_text(log.read_text() + '[{"t": 2, "na')
    assert len(reopen(tmp_path)) == 1


def test_flushed_and_unflushed_rows_come_back_together(tmp_path: pathlib.Path) -> None:
    table = make(tmp_path)
    table.insert(NAMES, [(1, "a", 1)])
    table.flush()
    assert (tmp_path / "wal" / "0" / "5.log").read_text() == ""
    table.insert(NAMES, [(2, "a", 2)])
    assert [row["value"] for row in reopen(tmp_path)] == [1.0, 2.0]


def test_a_flush_that_fails_loses_nothing(tmp_path: pathlib.Path) -> None:
    table = Table.create(0, 5, "demo", SCHEMA, LocalWal(str(tmp_path)), BrokenStore())
    table.insert(NAMES, [(1, "a", 1)])
    with pytest.raises(StoreError):
        table.flush()
    assert len(reopen(tmp_path)) == 1


def test_a_flush_that_failed_once_fails_until_the_table_is_opened_again(tmp_path: pathlib.Path) -> None:
    table = Table.create(0, 5, "demo", SCHEMA, LocalWal(str(tmp_path)), BrokenStore())
    table.insert(NAMES, [(1, "a", 1)])
    with pytest.raises(StoreError):
        table.flush()
    for _ in range(2):
        with pytest.raises(FlushFailed, match="Background flush failed, cannot write more data, retry_count:0"):
            table.flush()
    again = Table.open(0, 5, LocalWal(str(tmp_path)), LocalStore(str(tmp_path)))
    again.flush()
    assert len(again.rows()) == 1


def test_each_flush_makes_a_file_and_its_metadata(tmp_path: pathlib.Path) -> None:
    table = make(tmp_path)
    for number in (1, 2):
        table.insert(NAMES, [(number, "a", number)])
        table.flush()
    table.flush()
    written = sorted(path.relative_to(tmp_path / "store").as_posix() for path in (tmp_path / "store").rglob("*.*"))
    assert written == ["0/5/1.sst", "0/5/1.sst.metadata", "0/5/2.sst", "0/5/2.sst.metadata"]
    assert [row["value"] for row in reopen(tmp_path)] == [1.0, 2.0]


def now_and_before(days: float) -> List[Tuple[int, str, float]]:
    now = int(time.time() * 1000)
    return [(now, "new", 1.0), (now - int(days * 86400000), "old", 2.0)]


@pytest.mark.parametrize(
    ("options", "days", "kept"),
    [((), 8, 1), ((), 6.9, 2), (FOR_EVER, 4000, 2), ((("ttl", "3d"),), 4, 1), ((("ttl", "36h"),), 1.2, 1), ((("ttl", "30d"),), 20, 2)],
)
def test_older_rows_are_acknowledged_and_never_seen(
    tmp_path: pathlib.Path, options: Tuple[Tuple[str, str], ...], days: float, kept: int
) -> None:
    table = Table.create(0, 5, "demo", Schema(COLUMNS, "t", ("tsid", "t"), options), LocalWal(str(tmp_path)), LocalStore(str(tmp_path)))
    assert table.insert(NAMES, now_and_before(days)) == 2
    assert len(table.rows()) == len(reopen(tmp_path)) == kept


def test_a_table_that_is_not_on_this_disk(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotHere):
        reopen(tmp_path)


@pytest.mark.parametrize(("names", "row"), [(["t", "nope", "value"], (1, "a", 1)), (["t", "name"], (1, "a"))])
def test_rows_that_do_not_fit(tmp_path: pathlib.Path, names: List[str], row: tuple[object, ...]) -> None:
    with pytest.raises(TableError):
        make(tmp_path).insert(names, [row])

from __future__ import annotations

from typing import Any, Dict, List

import pytest
from horaedb import influx, query
from horaedb.sql import Create, Describe, Drop, Exists, Insert, Select, ShowTables, SqlError, parse
from horaedb.table import TableError

CREATE = (
    "CREATE TABLE IF NOT EXISTS `demo` (name string TAG, value double NOT NULL, t timestamp NOT NULL, TIMESTAMP KEY(t)) "
    "ENGINE=Analytic with (enable_ttl='false')"
)
COLUMNS = ["tsid", "t", "name", "value"]
ROWS: List[Dict[str, Any]] = [
    {"tsid": 1, "t": 10, "name": "a", "value": 1.0},
    {"tsid": 2, "t": 20, "name": "b", "value": 3.0},
    {"tsid": 3, "t": 30, "name": "c", "value": None},
]


def test_create() -> None:
    found = parse(CREATE)
    assert isinstance(found, Create)
    assert (found.table, found.if_not_exists, found.schema.timestamp) == ("demo", True, "t")
    assert [(c.name, c.type, c.tag, c.nullable) for c in found.schema.columns] == [
        ("name", "string", True, True),
        ("value", "double", False, False),
        ("t", "timestamp", False, False),
    ]
    assert found.schema.ordered() == COLUMNS


def test_create_with_its_own_primary_key() -> None:
    found = parse("CREATE TABLE d (c int, t timestamp NOT NULL, v double, PRIMARY KEY(c, t), TIMESTAMP KEY(t))")
    assert isinstance(found, Create)
    assert found.schema.ordered() == ["c", "t", "v"]


def test_insert() -> None:
    found = parse("INSERT INTO demo(t, name, value) VALUES (1651737067000, 'it''s', -1.5), (2, 'x', 3)")
    assert found == Insert("demo", ("t", "name", "value"), ((1651737067000, "it's", -1.5), (2, "x", 3)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SHOW TABLES", ShowTables()),
        ("show tables;", ShowTables()),
        ("DROP TABLE demo", Drop("demo", False)),
        ("DROP TABLE IF EXISTS demo", Drop("demo", True)),
        ("DESCRIBE TABLE demo", Describe("demo")),
        ("EXISTS TABLE horaedb.public.demo", Exists("demo")),
    ],
)
def test_others(text: str, expected: object) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELEC", "Expected an SQL statement, found: SELEC"),
        ('{"query":"SELECT 1"}', "Expected an SQL statement, found: {"),
        ("", "Expected an SQL statement, found: EOF"),
        ("SELECT * FROM", "Expected identifier, found: EOF"),
        ("INSERT INTO t(a) VALUES (1, 2)", "not match"),
        ("CREATE TABLE t (a int)", "Timestamp key"),
        ("SHOW TABLES please", "Expected end of statement"),
    ],
)
def test_errors_in_the_words_of_the_real_parser(text: str, words: str) -> None:
    with pytest.raises(SqlError) as caught:
        parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM d WHERE name = 'a'", [{"tsid": 1, "t": 10, "name": "a", "value": 1.0}]),
        ("SELECT name FROM d WHERE t > 10 AND t <= 30 ORDER BY t DESC", [{"name": "c"}, {"name": "b"}]),
        ("SELECT name AS n FROM d ORDER BY t LIMIT 1", [{"n": "a"}]),
        ("SELECT count(*) FROM d", [{"COUNT(*)": 3}]),
        ("SELECT count(value) AS n, max(value), avg(value) FROM d", [{"n": 2, "MAX(value)": 3.0, "AVG(value)": 2.0}]),
        ("SELECT name FROM d WHERE value != 1", [{"name": "b"}]),
    ],
)
def test_select(text: str, expected: List[Dict[str, Any]]) -> None:
    found = parse(text)
    assert isinstance(found, Select)
    assert query.select(found, COLUMNS, ROWS) == expected


def test_select_of_a_constant() -> None:
    found = parse("SELECT 1")
    assert isinstance(found, Select)
    assert query.constants(found) == [{"Int64(1)": 1}]


def test_select_of_a_column_that_does_not_exist() -> None:
    found = parse("SELECT nope FROM d")
    assert isinstance(found, Select)
    with pytest.raises(TableError, match="No field named nope"):
        query.select(found, COLUMNS, ROWS)


def test_influx_lines_become_a_table_and_a_row() -> None:
    ((table, create, insert),) = influx.statements('cap,tag=a value=1,n=2i,s="x" 1651737067000000000', 0)
    assert table == "cap"
    assert isinstance(parse(create), Create)
    assert parse(insert) == Insert("cap", ("tag", "value", "n", "s", "time"), (("a", 1.0, 2, "x", 1651737067000),))


def test_an_influx_line_without_fields_is_refused() -> None:
    with pytest.raises(influx.LineError):
        influx.statements("cap", 0)

"""SELECT over rows in memory. Pure."""

from __future__ import annotations

import operator
from typing import Any, Callable, Dict, List, Sequence

from horaedb.sql import Item, Select
from horaedb.table import TableError

COMPARE: Dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
AGGREGATE: Dict[str, Callable[[List[Any]], Any]] = {
    "count": len,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "sum": lambda values: sum(values) if values else None,
    "avg": lambda values: sum(values) / len(values) if values else None,
}

Row = Dict[str, Any]


def select(statement: Select, columns: Sequence[str], rows: Sequence[Row]) -> List[Row]:
    """Raises TableError when a column does not exist."""
    for name in _named(statement):
        if name not in columns:
            raise TableError("Schema error: No field named %s. Valid fields are %s." % (name, ", ".join(columns)))
    kept = [row for row in rows if all(_holds(row[name], sign, value) for name, sign, value in statement.where)]
    for name, descending in reversed(statement.order):
        kept.sort(key=lambda row: (row[name] is None, row[name]), reverse=descending)
    if any(item.function for item in statement.items):
        return [{item.label: _aggregate(item, kept) for item in statement.items}]
    if statement.limit is not None:
        kept = kept[: statement.limit]
    return [_project(statement.items, columns, row) for row in kept]


def constants(statement: Select) -> List[Row]:
    """SELECT without FROM."""
    return [{item.label: item.name for item in statement.items}]


def _named(statement: Select) -> List[str]:
    items = [item.name for item in statement.items if not item.literal and item.name != "*" and not str(item.name).isdigit()]
    return items + [name for name, _, _ in statement.where] + [name for name, _ in statement.order]


def _holds(found: Any, sign: str, wanted: Any) -> bool:
    if found is None or wanted is None:
        return False
    try:
        return COMPARE[sign](found, wanted)
    except TypeError:
        return False


def _aggregate(item: Item, rows: List[Row]) -> Any:
    assert item.function is not None
    if item.name == "*" or str(item.name).isdigit():
        return len(rows)
    return AGGREGATE[item.function]([row[item.name] for row in rows if row[item.name] is not None])


def _project(items: Sequence[Item], columns: Sequence[str], row: Row) -> Row:
    out: Row = {}
    for item in items:
        if item.name == "*" and not item.literal:
            out.update((name, row[name]) for name in columns)
        else:
            out[item.label] = item.name if item.literal else row[item.name]
    return out

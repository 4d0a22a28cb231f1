"""InfluxDB's line protocol, as far as tests write it. A table is made when its first line comes."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

NANOSECONDS_PER_MILLISECOND = 1_000_000
TYPES = {str: "string", bool: "boolean", int: "bigint", float: "double"}


class LineError(Exception):
    """A line that can't be read."""


def _value(text: str) -> Any:
    if text.startswith('"'):
        return text.strip('"')
    if text.lower() in ("t", "true", "f", "false"):
        return text.lower().startswith("t")
    return int(text[:-1]) if text.endswith("i") else float(text)


def _pairs(text: str) -> List[Tuple[str, str]]:
    return [(part.split("=", 1)[0], part.split("=", 1)[1]) for part in text.split(",") if part]


def statements(body: str, now_ms: int) -> List[Tuple[str, str, str]]:
    """(table, CREATE, INSERT) for each line. Raises LineError."""
    out: List[Tuple[str, str, str]] = []
    for line in filter(None, body.splitlines()):
        words = line.split(" ")
        try:
            measurement, _, tags = words[0].partition(",")
            tag_values: Dict[str, Any] = dict(_pairs(tags))
            fields = {name: _value(text) for name, text in _pairs(words[1])}
        except (IndexError, ValueError) as error:
            raise LineError("invalid line: %s" % line) from error
        timestamp = int(words[2]) // NANOSECONDS_PER_MILLISECOND if len(words) > 2 else now_ms
        columns = ["`%s` string TAG" % name for name in tag_values] + ["`%s` %s" % (n, TYPES[type(v)]) for n, v in fields.items()]
        columns.append("`time` timestamp NOT NULL")
        create = "CREATE TABLE IF NOT EXISTS `%s` (%s, TIMESTAMP KEY(`time`)) ENGINE=Analytic" % (measurement, ", ".join(columns))
        names = ["`%s`" % name for name in [*tag_values, *fields, "time"]]
        values = ", ".join(_quoted(value) for value in [*tag_values.values(), *fields.values(), timestamp])
        out.append((measurement, create, "INSERT INTO `%s`(%s) VALUES (%s)" % (measurement, ", ".join(names), values)))
    return out


def _quoted(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "'%s'" % value.replace("'", "''") if isinstance(value, str) else str(value)

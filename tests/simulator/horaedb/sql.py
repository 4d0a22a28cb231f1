"""A parser for the statements that a deployer and its tests use."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from horaedb.table import TSID, Column, Schema

TOKEN = re.compile(
    r"\s*(?:(--[^\n]*)|('(?:[^']|'')*')|(`[^`]+`|\"[^\"]+\")|(\d+\.?\d*(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(<=|>=|!=|<>|[-<>=(),.*;{}:+/%]))"
)
OPERATORS = ("=", "!=", "<>", "<", "<=", ">", ">=")
FUNCTIONS = ("count", "min", "max", "sum", "avg")


class SqlError(Exception):
    """In the words of the real parser."""


@dataclass(frozen=True)
class Create:
    table: str
    schema: Schema
    if_not_exists: bool
    engine: str = "Analytic"


@dataclass(frozen=True)
class Insert:
    table: str
    columns: Tuple[str, ...]
    rows: Tuple[Tuple[Any, ...], ...]


@dataclass(frozen=True)
class Item:
    """`name` is a column, `*` or a literal; `function` is set for aggregates."""

    name: Any
    label: str
    function: Optional[str] = None
    literal: bool = False


@dataclass(frozen=True)
class Select:
    table: Optional[str]
    items: Tuple[Item, ...]
    where: Tuple[Tuple[str, str, Any], ...] = ()
    order: Tuple[Tuple[str, bool], ...] = ()
    limit: Optional[int] = None


@dataclass(frozen=True)
class Drop:
    table: str
    if_exists: bool


@dataclass(frozen=True)
class Describe:
    table: str


@dataclass(frozen=True)
class Exists:
    table: str


@dataclass(frozen=True)
class ShowTables:
    table: None = field(default=None)


Statement = Union[Create, Insert, Select, Drop, Describe, Exists, ShowTables]


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = self._split(text)
        self.at = 0

    @staticmethod
    def _split(text: str) -> List[str]:
        tokens: List[str] = []
        at = 0
        while at < len(text.rstrip()):
            match = TOKEN.match(text, at)
            if not match:
                raise SqlError("Expected an SQL statement, found: %s" % text[at:].strip()[:1])
            at = match.end()
            if not match.group(1):
                tokens.append(match.group().strip())
        return tokens

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else "EOF"

    def next(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def accept(self, *words: str) -> bool:
        upcoming = [token.upper() for token in self.tokens[self.at : self.at + len(words)]]
        if upcoming != list(words):
            return False
        self.at += len(words)
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise SqlError("Expected %s, found: %s" % (" ".join(words), self.peek()))

    def name(self) -> str:
        token = self.next()
        if token[0] in '`"':
            return token[1:-1]
        if not re.match(r"[A-Za-z_]", token) or token == "EOF":
            raise SqlError("Expected identifier, found: %s" % token)
        return token

    def table(self) -> str:
        """The last part of a name like horaedb.public.demo."""
        name = self.name()
        while self.accept("."):
            name = self.name()
        return name

    def literal(self) -> Any:
        sign = -1 if self.accept("-") else 1
        token = self.next()
        if token[0] == "'":
            return token[1:-1].replace("''", "'")
        words: Dict[str, Any] = {"TRUE": True, "FALSE": False, "NULL": None}
        if token.upper() in words:
            return words[token.upper()]
        if not token[0].isdigit():
            raise SqlError("Expected a value, found: %s" % token)
        return sign * (int(token) if token.isdigit() else float(token))

    def listed(self, one: Callable[[], Any]) -> List[Any]:
        self.expect("(")
        found = [one()]
        while self.accept(","):
            found.append(one())
        self.expect(")")
        return found

    def statement(self) -> Statement:
        starts: List[Tuple[Tuple[str, ...], Callable[[], Statement]]] = [
            (("CREATE", "TABLE"), self.create),
            (("INSERT", "INTO"), self.insert),
            (("SELECT",), self.select),
            (("DROP", "TABLE"), self.drop),
            (("SHOW", "TABLES"), ShowTables),
            (("DESCRIBE", "TABLE"), lambda: Describe(self.table())),
            (("DESCRIBE",), lambda: Describe(self.table())),
            (("DESC",), lambda: Describe(self.table())),
            (("EXISTS", "TABLE"), lambda: Exists(self.table())),
            (("EXISTS",), lambda: Exists(self.table())),
        ]
        for words, parse in starts:
            if self.accept(*words):
                found = parse()
                self.accept(";")
                if self.peek() != "EOF":
                    raise SqlError("Expected end of statement, found: %s" % self.peek())
                return found
        raise SqlError("Expected an SQL statement, found: %s" % self.peek())

    def create(self) -> Create:
        if_not_exists = self.accept("IF", "NOT", "EXISTS")
        table = self.table()
        columns: List[Column] = []
        timestamp: List[str] = []
        primary: List[str] = []

        def one() -> None:
            if self.accept("TIMESTAMP", "KEY"):
                timestamp.extend(self.listed(self.name))
            elif self.accept("PRIMARY", "KEY"):
                primary.extend(self.listed(self.name))
            else:
                columns.append(self.column(timestamp))

        self.listed(one)
        if not timestamp:
            raise SqlError("Timestamp key is required")
        engine = "Analytic"
        if self.accept("ENGINE"):
            self.expect("=")
            engine = self.name()
        options = tuple(self.listed(self.option)) if self.accept("WITH") else ()
        schema = Schema(tuple(columns), timestamp[0], tuple(primary) or (TSID, timestamp[0]), options)
        return Create(table, schema, if_not_exists, engine)

    def option(self) -> Tuple[str, str]:
        token = self.next()
        name = token[1:-1] if token[0] in "'`\"" else token
        self.expect("=")
        value = self.literal()
        return name.lower(), value if isinstance(value, str) else str(value).lower()

    def column(self, timestamp: List[str]) -> Column:
        name, kind = self.name(), self.name().lower()
        tag, nullable = False, True
        while self.peek() not in (",", ")", "EOF"):
            if self.accept("TAG"):
                tag = True
            elif self.accept("NOT", "NULL"):
                nullable = False
            elif self.accept("TIMESTAMP", "KEY"):
                timestamp.append(name)
            else:
                self.next()
        return Column(name, kind, tag, nullable)

    def insert(self) -> Insert:
        table = self.table()
        columns = self.listed(self.name)
        self.expect("VALUES")
        rows = [tuple(self.listed(self.literal))]
        while self.accept(","):
            rows.append(tuple(self.listed(self.literal)))
        if any(len(row) != len(columns) for row in rows):
            raise SqlError("Insert values not match columns")
        return Insert(table, tuple(columns), tuple(rows))

    def select(self) -> Select:
        items = [self.item()]
        while self.accept(","):
            items.append(self.item())
        if not self.accept("FROM"):
            return Select(None, tuple(items))
        table = self.table()
        where: List[Tuple[str, str, Any]] = []
        if self.accept("WHERE"):
            where.append(self.condition())
            while self.accept("AND"):
                where.append(self.condition())
        order: List[Tuple[str, bool]] = []
        if self.accept("ORDER", "BY"):
            order.append(self.direction())
            while self.accept(","):
                order.append(self.direction())
        limit = int(self.literal()) if self.accept("LIMIT") else None
        return Select(table, tuple(items), tuple(where), tuple(order), limit)

    def item(self) -> Item:
        if self.accept("*"):
            return Item("*", "*")
        token = self.peek()
        if token[0].isdigit() or token[0] in "'-":
            value = self.literal()
            return Item(value, self.label("Int64(%s)" % value if isinstance(value, int) else str(value)), literal=True)
        name = self.name()
        if name.lower() in FUNCTIONS and self.accept("("):
            argument = "*" if self.accept("*") else str(self.literal()) if self.peek()[0].isdigit() else self.name()
            self.expect(")")
            return Item(argument, self.label("%s(%s)" % (name.upper(), argument)), name.lower())
        return Item(name, self.label(name))

    def label(self, default: str) -> str:
        return self.name() if self.accept("AS") else default

    def condition(self) -> Tuple[str, str, Any]:
        name, operator = self.name(), self.next()
        if operator not in OPERATORS:
            raise SqlError("Expected an operator, found: %s" % operator)
        return name, operator, self.literal()

    def direction(self) -> Tuple[str, bool]:
        name = self.name()
        descending = self.accept("DESC")
        self.accept("ASC")
        return name, descending

    def drop(self) -> Drop:
        if_exists = self.accept("IF", "EXISTS")
        return Drop(self.table(), if_exists)


def parse(text: str) -> Statement:
    """Raises SqlError."""
    return _Parser(text).statement()

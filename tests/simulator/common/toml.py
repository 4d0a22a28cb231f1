"""A reader for the TOML that configuration files of the two daemons contain.

Python 3.9, which the oldest target has, comes without tomllib. Dates and
multi-line strings are left out: neither daemon has a key that takes them.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Tuple

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
NUMBER = re.compile(r"[+-]?(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|inf|nan|[0-9][0-9_]*(\.[0-9_]+)?([eE][+-]?[0-9_]+)?)")
ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class TomlError(ValueError):
    """The text is not TOML; the message names the line."""


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0

    def error(self, what: str) -> TomlError:
        line = self.text.count("\n", 0, self.at) + 1
        return TomlError("TOML parse error at line %d: %s" % (line, what))

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def blanks(self, newlines: bool = False) -> None:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t" or (newlines and char == "\n"):
                self.at += 1
            elif char == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def expect(self, char: str) -> None:
        if not self.text.startswith(char, self.at):
            raise self.error("expected `%s`, found `%s`" % (char, self.peek() or "end of file"))
        self.at += len(char)

    def end_of_line(self) -> None:
        self.blanks()
        if self.at < len(self.text):
            self.expect("\n")

    def key(self) -> List[str]:
        parts: List[str] = []
        while True:
            self.blanks()
            if self.peek() in ('"', "'"):
                parts.append(self.string())
            else:
                match = BARE_KEY.match(self.text, self.at)
                if not match:
                    raise self.error("expected a key, found `%s`" % (self.peek() or "end of file"))
                parts.append(match.group())
                self.at = match.end()
            self.blanks()
            if self.peek() != ".":
                return parts
            self.at += 1

    def string(self) -> str:
        quote = self.peek()
        if self.text.startswith(quote * 3, self.at):
            raise self.error("multi-line strings are not supported")
        self.at += 1
        out: List[str] = []
        while True:
            char = self.peek()
            if char in ("", "\n"):
                raise self.error("unterminated string")
            self.at += 1
            if char == quote:
                return "".join(out)
            if char == "\\" and quote == '"':
                out.append(self.escape())
            else:
                out.append(char)

    def escape(self) -> str:
        char = self.peek()
        self.at += 1
        if char in ESCAPES:
            return ESCAPES[char]
        width = {"u": 4, "U": 8}.get(char)
        digits = self.text[self.at : self.at + (width or 0)]
        if not width or not re.fullmatch("[0-9a-fA-F]{%d}" % width, digits):
            raise self.error("invalid escape `\\%s`" % char)
        self.at += width
        return chr(int(digits, 16))

    def value(self) -> Any:
        self.blanks()
        char = self.peek()
        if char in ('"', "'"):
            return self.string()
        if char == "[":
            return self.array()
        if char == "{":
            return self.inline_table()
        for word, meaning in (("true", True), ("false", False)):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meaning
        match = NUMBER.match(self.text, self.at)
        if not match:
            raise self.error("invalid value")
        self.at = match.end()
        digits = match.group().replace("_", "")
        if match.group(2) or match.group(3) or "n" in digits:
            return float(digits)
        return int(digits, 0) if digits.lstrip("+-")[:2] in ("0x", "0o", "0b") else int(digits)

    def array(self) -> List[Any]:
        self.expect("[")
        items: List[Any] = []
        while True:
            self.blanks(newlines=True)
            if self.peek() == "]":
                self.at += 1
                return items
            items.append(self.value())
            self.blanks(newlines=True)
            if self.peek() != "]":
                self.expect(",")

    def inline_table(self) -> Dict[str, Any]:
        self.expect("{")
        table: Dict[str, Any] = {}
        self.blanks()
        while self.peek() != "}":
            self.assignment(table)
            self.blanks()
            if self.peek() != "}":
                self.expect(",")
        self.at += 1
        return table

    def assignment(self, table: Dict[str, Any]) -> None:
        path = self.key()
        self.expect("=")
        for part in path[:-1]:
            table = self.descend(table, part)
        if path[-1] in table:
            raise self.error("duplicate key `%s`" % path[-1])
        table[path[-1]] = self.value()

    def descend(self, table: Dict[str, Any], part: str) -> Dict[str, Any]:
        inner = table.setdefault(part, {})
        if isinstance(inner, list) and inner:
            inner = inner[-1]
        if not isinstance(inner, dict):
            raise self.error("key `%s` is not a table" % part)
        return inner

    def header(self, root: Dict[str, Any], seen: List[Tuple[str, ...]]) -> Dict[str, Any]:
        repeated = self.text.startswith("[[", self.at)
        self.expect("[[" if repeated else "[")
        path = self.key()
        self.expect("]]" if repeated else "]")
        table = root
        for part in path[:-1]:
            table = self.descend(table, part)
        if repeated:
            items = table.setdefault(path[-1], [])
            if not isinstance(items, list):
                raise self.error("key `%s` is not an array of tables" % path[-1])
            newest: Dict[str, Any] = {}
            items.append(newest)
            return newest
        # Under an array of tables the same name opens a table of the newest element.
        if tuple(path) in seen and not any(isinstance(v, list) for v in root.values()):
            raise self.error("duplicate table `%s`" % ".".join(path))
        seen.append(tuple(path))
        return self.descend(table, path[-1])


def loads(text: str) -> Dict[str, Any]:
    """Raises TomlError."""
    reader = _Reader(text)
    root: Dict[str, Any] = {}
    table = root
    seen: List[Tuple[str, ...]] = []
    while True:
        reader.blanks(newlines=True)
        if reader.at >= len(reader.text):
            return root
        if reader.peek() == "[":
            table = reader.header(root, seen)
        else:
            reader.assignment(table)
        reader.end_of_line()

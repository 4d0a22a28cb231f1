# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Chooses from a daemon's log what says why it isn't ready: panics and errors, each once, with their cause.

The last lines of a log are seldom it. HoraeDB prints its configuration three times at a start, frames of a stack
without names after a panic, and a heartbeat each 2 s; HoraeMeta its configuration twice and a stack with each error.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional

_PANIC, _ERROR, _WARNING, _OTHER = 3, 2, 1, 0

# 2026-11-27 09:46:05.650 ERRO [src/components/panic_ext/src/lib.rs:57] thread 'main' panicked ...
_HORAEDB = re.compile(r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S* (?P<level>[A-Z]{4,5}) ")
# 2026-11-27T09:46:05.650Z<tab>error<tab>horaemeta-server/main.go:124<tab>fail to run server<tab>{"error": ...}
_HORAEMETA = re.compile(r"^\d{4}-\d\d-\d\dT\S+\t(?P<level>[a-z]+)\t")
_LEVELS = {"crit": _PANIC, "panic": _PANIC, "dpanic": _PANIC, "fatal": _PANIC, "erro": _ERROR, "error": _ERROR, "warn": _WARNING}

# What goes to stderr, past the logger: a panic of Rust before there is one, any of Go, and the configuration.
_BARE_PANIC = re.compile(r"^(thread '[^']*' (\(\d+\) )?panicked |panic: |fatal error: |runtime error: )")
_BARE_CONFIG = re.compile(r"^\S.{0,60} (starts|starting) with config:")

# A panic goes through HoraeDB's logger as an error.
_LOGGED_PANIC = re.compile(r" thread '[^']*' panicked | panicked at ")

# Frames of Rust, in the three forms that HoraeDB has: "Backtrace:" and "27 start_thread" with a path in the next line, "Backtrace(   0: <unknown>"
# up to ")", and "  17: <unknown>" with "      at /path" behind a panic. Of Go a function, and a path in the line after it.
_RUST_FRAME = re.compile(r"^\s*\d+:?\s+\S|^\s+(at )?\S+:\d+$|^(stack backtrace|Backtrace)\b|^note: (run with|Some details)")
_GO_STACK = re.compile(r"^(goroutine \d+ \[|\[signal |\t/|created by )|^[\w./*()\[\]·-]+\.[\w./*()\[\]·{}-]+(\(.*\))?$|^$")

_CONFIG = re.compile(r"\bconfig:|toml config value|get config from toml|server start with (version|config)")
# The whole file, in an error about it.
_FILE = re.compile(r'\b(original|raw|input): (?:Some\()?"(?:[^"\\]|\\.)*"\)?,? ?')
# A stack of HoraeMeta in a string that HoraeDB quotes.
_QUOTED_STACK = re.compile(r'\\n[^"\\]+\\n\\t/(?:[^"\\]|\\.)*')
_FIRST_FRAME = re.compile(r",? ?(?:backtrace: )?Backtrace\(\s+\d+: .*$")
_BACKTRACE = re.compile(r",? ?backtrace: Backtrace ?(?:\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]|\{[^}]*\})?")
# What differs between two records of the same: numbers, and the ids of requests.
_NUMBERS = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")

# Of one record. The head names what failed, the end its cause; between them are statements and options.
_LONGEST = 1000
# Of what isn't an error, beside errors: what the daemon did last.
_CONTEXT = 3


@dataclass
class _Record:
    level: int
    lines: List[str]
    known: bool


def excerpt(text: str, lines: int, mask: Callable[[str], str] = str) -> str:
    """At most `lines` records, one a line, in their order; `mask` sees each of them whole."""
    records = _records(text)
    if not any(record.known for record in records):
        return "\n".join(_shortened(mask(line)) for line in _distinct_lines(text)[-lines:])
    told: Dict[str, int] = {}
    for index, record in enumerate(records):
        said = _said(record)
        if said and _NUMBERS.sub("#", said) not in told:
            told[_NUMBERS.sub("#", said)] = index
    places = sorted(told.values())
    chosen = [index for index in places if records[index].level >= _ERROR] or [index for index in places if records[index].level]
    chosen = sorted(chosen, key=lambda index: -records[index].level)[:lines]
    room = min(lines - len(chosen), _CONTEXT if chosen else lines)
    others = [index for index in places if index not in chosen and records[index].level < _ERROR]
    chosen += others[-room:] if room > 0 else []
    return "\n".join(_shortened(mask(_said(records[index]))) for index in sorted(chosen))


def _records(text: str) -> List[_Record]:
    records: List[_Record] = []
    for line in text.splitlines():
        record = _started(line)
        if record:
            records.append(record)
        elif records:
            records[-1].lines.append(line)
        else:
            records.append(_Record(_OTHER, [line], False))
    return records


def _started(line: str) -> Optional[_Record]:
    found = _HORAEDB.match(line) or _HORAEMETA.match(line)
    if found:
        level = _LEVELS.get(found.group("level").lower(), _OTHER)
        return _Record(_PANIC if level == _ERROR and _LOGGED_PANIC.search(line) else level, [line], True)
    if _BARE_PANIC.match(line):
        return _Record(_PANIC, [line], True)
    return _Record(_OTHER, [line], True) if _BARE_CONFIG.match(line) else None


def _said(record: _Record) -> str:
    """The record in one line, without frames; nothing for a configuration or a heartbeat that went well."""
    first = record.lines[0]
    if record.level == _OTHER and (_CONFIG.search(first) or "heartbeat" in first.lower()):
        return ""
    if _HORAEMETA.match(first):
        # What follows is always a stack.
        return _of_horaemeta(first)
    # HoraeDB passes on what HoraeMeta said, with its stack: a function, and a path in the line after it.
    rest = [
        line
        for line, after in zip(record.lines[1:], [*record.lines[2:], ""])
        if not line.startswith("\t/") and not after.startswith("\t/")
    ]
    if first.startswith(("panic: ", "fatal error: ")):
        rest = [line for line in rest if not _GO_STACK.match(line)]
    # What follows the last frame's parenthesis is the end of the message, as the place of a panic.
    rest = [line[1:] if line.startswith(")") else line for line in rest if not _RUST_FRAME.match(line)]
    line = " ".join(" ".join(_FIRST_FRAME.sub("", line) for line in [first, *rest]).split())
    for noise in (_BACKTRACE, _FILE, _QUOTED_STACK):
        line = noise.sub("", line)
    return line


def _of_horaemeta(line: str) -> str:
    """Tabs between the parts, and fields as JSON at the end: `error` is the cause, up to the stack that follows it."""
    parts = line.split("\t")
    try:
        fields = json.loads(parts[-1]) if parts[-1].startswith("{") else None
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return " ".join(parts)
    cause = str(fields.pop("error", "")).strip().split("\n", 1)[0]
    more = ", ".join("%s=%s" % (key, str(value).split("\n", 1)[0]) for key, value in fields.items() if key != "errorVerbose")
    return " ".join(parts[:-1]) + (": " + cause if cause else "") + (" (%s)" % more if more else "")


def _distinct_lines(text: str) -> List[str]:
    """Of a log in a form that isn't known; of lines that repeat themselves the last."""
    latest = {_NUMBERS.sub("#", line): index for index, line in enumerate(text.splitlines()) if line.strip()}
    lines = text.splitlines()
    return [lines[index] for index in sorted(latest.values())]


def _shortened(line: str) -> str:
    if len(line) <= _LONGEST:
        return line
    head = _LONGEST // 3
    return line[:head] + " ... " + line[head + len(" ... ") - _LONGEST :]

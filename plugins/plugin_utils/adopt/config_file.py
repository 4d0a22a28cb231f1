# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A TOML file that somebody else wrote, held against a schema. Pure; no finding has a value of a secret in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import settings_rules
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import check, rules

try:
    import tomllib
except ImportError:
    try:
        import tomli as tomllib  # type: ignore[import-not-found,no-redef]
    except ImportError:
        tomllib = None  # type: ignore[assignment]

_TABLE = re.compile(r"^\s*\[(\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*([\w."' -]+?)\s*=""")


class Unreadable(Failure):
    """The text can't be judged; the message is for an operator."""

    kind = "adopt.unreadable"


def parsed(text: str) -> dict[str, Any]:
    """The tree of a TOML text. Raises Unreadable."""
    if tomllib is None:
        raise Unreadable("Python before 3.11 reads no TOML by itself. On the controller: pip install tomli")
    try:
        tree: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Unreadable("It is no TOML: %s." % str(error).rstrip(".")) from None
    return tree


def findings(
    daemon: str, text: str, version: str | None, environment: Mapping[str, Any] | None = None, features: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Everything that is wrong with a file and the environment over it. Raises Unreadable, and ValueError for what is no version."""
    judge = check.pick(daemon, version or check.newest(daemon))
    tree = parsed(text)
    found = [
        (settings_rules.RULES[problem.kind], problem, line_of(text, problem.path))
        for problem in rules.problems(judge, tree, version, environment, features)
    ]
    found += [
        (settings_rules.ENVIRONMENT_RULES[problem.kind], problem, 0) for problem in check.environment_problems(judge, environment or {})
    ]
    return [
        {
            "rule": rule.id,
            "path": check.dotted(problem.path),
            "line": line,
            "what": problem.what,
            "change": problem.remedy,
            "severity": rule.severity,
        }
        for rule, problem, line in found
    ]


def sentence(finding: Mapping[str, Any], name: str) -> str:
    where = "%s:%d" % (name, finding["line"]) if finding["line"] else name
    return ("[%s] %s: %s %s" % (finding["rule"], where, finding["what"], finding["change"])).rstrip()


def line_of(text: str, path: Sequence[Any]) -> int:
    """The line of a key, or of the nearest table around it that is written out; 0 where there is none."""
    lines: dict[tuple[Any, ...], int] = {}
    table: tuple[Any, ...] = ()
    count: dict[tuple[Any, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _TABLE.match(line), _KEY.match(line)
        if header:
            table = _steps(header.group(2))
            if header.group(1):
                count[table] = count.get(table, -1) + 1
                table = (*table, count[table])
            lines.setdefault(table, number)
        elif key:
            whole = (*table, *_steps(key.group(1)))
            for length in range(len(table) + 1, len(whole) + 1):
                lines.setdefault(whole[:length], number)
    return next((lines[tuple(path[:length])] for length in range(len(path), 0, -1) if tuple(path[:length]) in lines), 0)


def _steps(written: str) -> tuple[str, ...]:
    return tuple(step.strip().strip("\"'") for step in written.split("."))

"""Which rules the guard has, out of its own sources: a new rule can't hide from the tests."""

from __future__ import annotations

import ast
import pathlib
import re

from tests.support.playbook import ROOT

_RULE_ID = re.compile(r"[a-z]+\.[a-z]+(-[a-z]+)*")


def of(source: pathlib.Path) -> set[str]:
    """The texts that look like a rule's id, in the functions that make findings."""
    found: set[str] = set()
    for function in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            inside = list(ast.walk(function))
            if any(isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding" for node in inside):
                texts = {node.value for node in inside if isinstance(node, ast.Constant) and isinstance(node.value, str)}
                found |= {text for text in texts if _RULE_ID.fullmatch(text)}
    return found


def every() -> set[str]:
    """Of all plugins that make findings."""
    sources = [path for folder in ("module_utils", "action") for path in (ROOT / "plugins" / folder).glob("*.py")]
    return set().union(*map(of, sources))

"""What every module says of itself, so that nobody has to try it: `ansible-doc horaedb.cluster.NAME`."""

from __future__ import annotations

import ast
import pathlib
from typing import Any

import pytest
import yaml

MODULES = sorted((pathlib.Path(__file__).resolve().parents[3] / "plugins" / "modules").glob("*.py"))
ATTRIBUTES = {"check_mode", "diff_mode", "idempotent", "platform"}


def documentation(path: pathlib.Path) -> dict[str, Any]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    text = next(node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION")
    return dict(yaml.safe_load(ast.literal_eval(text)))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_it_says_what_it_supports(path: pathlib.Path) -> None:
    """Breaks when a module doesn't say whether it can be run in check mode, or a second time, or where."""
    attributes = documentation(path)["attributes"]
    action = {"action"} if (path.parents[1] / "action" / path.name).exists() and "action" in attributes else set()
    assert set(attributes) == ATTRIBUTES | action
    assert {attribute["support"] for attribute in attributes.values()} <= {"full", "partial", "none", "N/A"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_it_names_the_modules_beside_it(path: pathlib.Path) -> None:
    named = [entry["module"] for entry in documentation(path)["seealso"] if "module" in entry]
    ours = {"horaedb.cluster." + other.stem for other in MODULES if other != path}
    assert named
    assert set(named) <= ours


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_nothing_stands_twice_in_it(path: pathlib.Path) -> None:
    """Breaks when a key comes twice: YAML takes the last one without a word, and ansible-test of ansible-core 2.19 does too."""
    names = ("DOCUMENTATION", "RETURN")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in names:
            assert twice(yaml.compose(ast.literal_eval(node.value))) == []


def twice(node: Any) -> list[str]:
    """Keys that come more than once in one mapping."""
    if isinstance(node, yaml.SequenceNode):
        return [key for entry in node.value for key in twice(entry)]
    if not isinstance(node, yaml.MappingNode):
        return []
    keys = [key.value for key, _value in node.value]
    return [key for key in dict.fromkeys(keys) if keys.count(key) > 1] + [key for _key, value in node.value for key in twice(value)]

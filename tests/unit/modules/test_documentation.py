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

"""The tables themselves are tested: a guard without one of its rules must fail them."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Callable
from typing import Any

import host_cases
import live_cases
import pytest
import static_cases
from ansible_collections.horaedb.cluster.plugins.action import host_check
from ansible_collections.horaedb.cluster.plugins.module_utils import hoststate, inventory, live_rules, placement_rules, rules
from ansible_collections.horaedb.cluster.plugins.plugin_utils import artifacts, settings_check, specs
from model_inventory import check
from test_static_rules import WARNINGS, judged

STATIC = [case for case in static_cases.CASES if case not in static_cases.UNREADABLE]
RULE_ID = re.compile(r"[a-z]+\.[a-z]+(-[a-z]+)*")


def ids(source: str) -> set[str]:
    """Rule ids in a module's source: the texts that look like one, in the functions that make findings."""
    found = set()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            inside = list(ast.walk(function))
            if any(isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding" for node in inside):
                texts = {node.value for node in inside if isinstance(node, ast.Constant) and isinstance(node.value, str)}
                found |= {text for text in texts if RULE_ID.fullmatch(text)}
    return found


def ids_of(*modules: Any) -> set[str]:
    return set().union(*(ids(pathlib.Path(str(module.__file__)).read_text(encoding="utf-8")) for module in modules))


def known_ids() -> set[str]:
    return ids_of(inventory, rules, placement_rules, live_rules, hoststate)


def all_cases() -> list[Any]:
    return [*static_cases.CASES, *live_cases.CASES, *host_cases.CASES]


def test_every_rule_is_broken_on_its_own_account() -> None:
    """First in a row's findings: with words of its own, not as the by-product of another mistake."""
    assert len(known_ids()) > 40
    assert {next(iter(case.found)) for case in all_cases() if case.words} == known_ids()


def test_every_rule_is_explained_to_operators_once() -> None:
    text = (pathlib.Path(__file__).parents[3] / "docs" / "topology.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(known_ids() | ids_of(host_check, specs, artifacts) | settings_check.IDS)
    assert {row[0] for row in rows if row[1].startswith("*warning*")} == WARNINGS | {"artifact.source"} | settings_check.WARNINGS


def fails(case: Any) -> bool:
    found = case.judged() if isinstance(case, live_cases.LiveCase) else judged(case)
    try:
        check(found, case.found, case.words)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_static_table_misses_each_rule(rule: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    own = [case for case in STATIC if list(rule(case.built().topology))]
    monkeypatch.setattr(rules, "RULES", tuple(other for other in rules.RULES if other is not rule))
    assert own
    assert [case.name for case in STATIC if fails(case)] == [case.name for case in own]


@pytest.mark.parametrize("rule", live_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_live_table_misses_each_rule(rule: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_rules, "RULES", (rule,))
    own = [case for case in live_cases.CASES if case.judged()]
    monkeypatch.undo()
    monkeypatch.setattr(live_rules, "RULES", tuple(other for other in live_rules.RULES if other is not rule))
    assert own
    assert [case.name for case in live_cases.CASES if fails(case)] == [case.name for case in own]


def test_the_check_itself_can_fail() -> None:
    case = static_cases.CLUSTER_WIDE[0]
    found = judged(case)
    check(found, case.found, case.words)
    for hosts_by_rule, words in (({}, ()), ({"inventory.members": {"db1"}}, ()), (case.found, ["horaemet"])):
        with pytest.raises(AssertionError):
            check(found, hosts_by_rule, words)

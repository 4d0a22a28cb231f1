"""The tables themselves are tested: a guard without one of its rules must fail them."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.action import host_check
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts import binaries
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory import cluster_model
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import (
    argument_specs,
    host_state,
    inventory_rules,
    live_rules,
    placement_rules,
    run_rules,
    settings_rules,
    topology_rules,
)

from tests.unit.helpers.model_inventory import check
from tests.unit.plugin_utils.preflight import host_cases, live_cases, static_cases
from tests.unit.plugin_utils.preflight.test_topology_rules import WARNINGS, judged

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
    return ids_of(cluster_model, topology_rules, placement_rules, live_rules, host_state)


def all_cases() -> list[Any]:
    return [*static_cases.CASES, *live_cases.CASES, *host_cases.CASES]


def test_every_rule_is_broken_on_its_own_account() -> None:
    """First in a row's findings: with words of its own, not as the by-product of another mistake."""
    assert len(known_ids()) > 40
    assert {next(iter(case.found)) for case in all_cases() if case.words} == known_ids()


def test_every_rule_is_explained_to_operators_once() -> None:
    text = (pathlib.Path(__file__).parents[4] / "docs" / "topology.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    elsewhere = settings_rules.IDS | inventory_rules.IDS | run_rules.IDS
    assert sorted(row[0] for row in rows) == sorted(known_ids() | ids_of(host_check, argument_specs, binaries) | elsewhere)
    assert {row[0] for row in rows if row[1].startswith("*warning*")} == WARNINGS | {"artifact.source"} | settings_rules.WARNINGS


def fails(case: Any) -> bool:
    found = case.judged() if isinstance(case, live_cases.LiveCase) else judged(case)
    try:
        check(found, case.found, case.words)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("rule", topology_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_static_table_misses_each_rule(rule: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    own = [case for case in STATIC if list(rule(case.built().topology))]
    monkeypatch.setattr(topology_rules, "RULES", tuple(other for other in topology_rules.RULES if other is not rule))
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

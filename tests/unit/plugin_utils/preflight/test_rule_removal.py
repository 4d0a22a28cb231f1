"""The tables themselves are tested: a guard without one of its rules must fail them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Rule
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import registry

from tests.unit.helpers.model_inventory import check
from tests.unit.plugin_utils.preflight import guard_cases, live_cases, static_cases
from tests.unit.plugin_utils.preflight.test_topology_rules import judged

STATIC = [case for case in static_cases.CASES if case not in static_cases.UNREADABLE]


def fails(case: Any) -> bool:
    found = case.judged() if isinstance(case, live_cases.LiveCase) else judged(case)
    try:
        check(found, case.found, case.words)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("row", guard_cases.ROWS, ids=lambda row: "%s: %s" % (row.rule, row))
def test_the_rows_for_hosts_hold_for_the_model(row: Any) -> None:
    """Breaks when a row of molecule/guards can't be refused on hosts."""
    assert guard_cases.refused(row), guard_cases.judged(row)


@pytest.mark.parametrize("rule", registry.TOPOLOGY, ids=lambda rule: rule.id)
def test_the_static_tables_miss_each_rule(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    own = [case for case in STATIC if rule(case.built().topology)]
    monkeypatch.setattr(registry, "TOPOLOGY", tuple(other for other in registry.TOPOLOGY if other is not rule))
    assert [case.name for case in STATIC if fails(case)] == [case.name for case in own]
    assert own or missed(rule)


@pytest.mark.parametrize("rule", registry.LIVING, ids=lambda rule: rule.id)
def test_the_live_tables_miss_each_rule(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LIVING", (rule,))
    own = [case for case in live_cases.CASES if case.judged()]
    monkeypatch.undo()
    monkeypatch.setattr(registry, "LIVING", tuple(other for other in registry.LIVING if other is not rule))
    assert [case.name for case in live_cases.CASES if fails(case)] == [case.name for case in own]
    assert own or missed(rule)


def missed(rule: Rule) -> bool:
    """The table for hosts is enough for a new rule."""
    rows = [row for row in guard_cases.ROWS if row.rule == rule.id]
    return bool(rows) and not any(guard_cases.refused(row) for row in rows)


def test_the_check_itself_can_fail() -> None:
    case = static_cases.CLUSTER_WIDE[0]
    found = judged(case)
    check(found, case.found, case.words)
    for hosts_by_rule, words in (({}, ()), ({"inventory.members": {"db1"}}, ()), (case.found, ["horaemet"])):
        with pytest.raises(AssertionError):
            check(found, hosts_by_rule, words)

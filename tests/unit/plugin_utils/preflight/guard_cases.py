"""Rows of molecule/guards/tests/cases.py that can be judged without hosts, here in seconds: so one row is a rule's test in both places."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import sys
from typing import Any

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Finding, errors
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import registry

from tests.unit.helpers import guarded
from tests.unit.helpers.model_inventory import MEMBERS, NODES, Case
from tests.unit.plugin_utils.preflight.live_cases import living, states

ADDRESSES = {**MEMBERS, **NODES, "spare": {"ansible_host": "192.0.2.31"}}


def _table() -> Any:
    path = pathlib.Path(__file__).parents[4] / "molecule" / "guards" / "tests" / "cases.py"
    spec = importlib.util.spec_from_file_location("guard_cases_on_hosts", path)
    assert spec and spec.loader
    table = importlib.util.module_from_spec(spec)
    # Its dataclass looks for its own module there.
    sys.modules[spec.name] = table
    spec.loader.exec_module(table)
    return table


TABLE = _table()
# What the model, the schemas and a living cluster tell.
_IDS = {rule.id for rule in (*registry.TOPOLOGY, *registry.SETTINGS, *registry.LIVING)}
ROWS = [row for row in (*TABLE.STATIC, *TABLE.WARNED, *TABLE.LIVING) if row.rule in _IDS]


def _filled(text: str) -> str:
    for host, variables in ADDRESSES.items():
        text = text.replace("{%s}" % host, variables["ansible_host"])
    return text


def judged(row: Any) -> list[Finding]:
    """What preflight says of the good inventory with this row's change; of a cluster that lives, where the inventory alone isn't refused."""
    everywhere, hosts = json.loads(_filled(json.dumps([row.everywhere, row.hosts])))
    start = tuple({host: ADDRESSES[host] for host in row.groups.get(*group)} for group in (("horaemeta", MEMBERS), ("horaedb", NODES)))
    changes = [{"*": everywhere, **{host: hosts[host] for host in side if host in hosts}} for side in start]
    built = Case(str(row), {}, members=changes[0], nodes=changes[1], start=(start[0], start[1])).built()
    found = guarded.judged(changes[0], changes[1], (start[0], start[1]))
    if not errors(found):
        found += registry.findings(registry.LIVING, built.topology, living(), states())
    return built.explained(found)


def refused(row: Any) -> bool:
    """With the words of the row in one sentence of its rule, and the other rules at the same time."""
    found = judged(row)
    sentences = [finding.sentence() for finding in found if finding.rule == row.rule]
    words = [_filled(word) for word in row.says]
    return any(all(word in sentence for word in words) for sentence in sentences) and {finding.rule for finding in found} >= set(row.also)

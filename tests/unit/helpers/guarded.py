"""What preflight's action does with an inventory, without Ansible: the model's rules, then the schemas."""

from __future__ import annotations

from typing import Any

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Finding
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.cluster_model import build
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import MEMBER_ROLES, NODE_ROLES
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import registry, settings_rules

from tests.unit.helpers.model_inventory import MEMBERS, NODES, Changes, with_defaults


def judged(
    members: Changes | None = None, nodes: Changes | None = None, start: tuple[Changes, Changes] = (MEMBERS, NODES)
) -> list[Finding]:
    of_members, of_nodes = with_defaults(start[0], members or {}, MEMBER_ROLES), with_defaults(start[1], nodes or {}, NODE_ROLES)
    built = build(of_members, of_nodes)
    findings = built.unreadable or registry.findings(registry.TOPOLOGY, built.topology)
    return findings + settings_rules.problems(built, of_members, of_nodes, built.explained(findings))


def of(side: str, variables: dict[str, Any]) -> list[Finding]:
    """One host of this side with these variables, in a good inventory."""
    return judged(members={"meta1": variables}) if side == "meta" else judged(nodes={"db1": variables})

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Preflight: builds the model from the inventory, judges it, and holds it against the living cluster."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Finding, errors, report, warnings
from ansible_collections.horaedb.cluster.plugins.module_utils.repair import plan
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.cluster_model import Built, build
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import HOSTS, Variables
from ansible_collections.horaedb.cluster.plugins.plugin_utils.operation.controller_run import begun, broken_lock
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import (
    argument_specs,
    artifact_rules,
    inventory_rules,
    live_rules,
    registry,
    run_rules,
    settings_rules,
    storage_rules,
)
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.host_state import by_host

# Seconds. An election took 4 to 6 s, 16 s where the leader was killed; without a leader nothing could be compared with the living cluster.
ELECTION = 20
OPERATION = "horaedb.cluster.operation"


class ActionModule(ActionBase):
    """Static rules on the controller; the living cluster is read from the host of the task, in one execution."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validation, args = self.validate_argument_spec(
            {
                **HOSTS,
                "live": {"type": "bool", "default": True},
                "states": {"type": "dict", "default": {}},
                "deploy": {"type": "bool", "default": False},
                "operation": {"type": "bool", "default": False},
                "downtimes": {"type": "list", "elements": "str", "default": []},
                "seen_again": {"type": "list", "elements": "str", "default": []},
                "repair": {"type": "bool", "default": False},
                "storage": {"type": "dict", "default": {}},
            }
        )
        read = Variables(self._task, variables, self._loader)
        try:
            members, nodes = read.hosts("horaemeta", args["members"]), read.hosts("horaedb", args["nodes"])
            of_members, of_nodes = read.of_members(members), read.of_nodes(nodes)
            built = build(of_members, of_nodes)
            unfit = []
            if args["deploy"]:
                unfit = argument_specs.problems(read, members, nodes)
                names = {host: read.names(host) for host in dict.fromkeys((*members, *nodes))}
                unfit += inventory_rules.problems(names, variables["groups"], {role: read.group(role) for role in ("horaemeta", "horaedb")})
                # A repair installs nothing: an upgrade that is pending, or failed, must not keep it from its work.
                unfit += [] if args["repair"] else artifact_rules.problems(read, members, nodes, self._find_needle)
        except AnsibleError as error:
            return dict(result, failed=True, msg=str(error))
        # A value that could not even be read makes every rule guess, so then no rule is asked.
        findings = built.unreadable or registry.findings(registry.TOPOLOGY, built.topology)
        findings = findings + settings_rules.problems(built, of_members, of_nodes, built.explained(findings))
        said = {(finding.rule, finding.change) for finding in findings}
        findings = findings + [finding for finding in unfit if (finding.rule, finding.change) not in said]
        if errors(findings) or not args["live"]:
            return self._answer(result, built, findings, None)
        answer = self._look(built, variables, args["operation"])
        if answer.get("failed") or answer.get("unreachable"):
            return dict(result, **answer)
        seen = Observation.from_dict(answer["observation"])
        judged = registry.findings(registry.LIVING, built.topology, seen, by_host(args["states"]))
        found = [finding for finding in judged if finding.rule != live_rules.downtime.id or not set(finding.hosts) <= set(args["downtimes"])]
        if args["repair"]:
            found = [finding for finding in found if finding.rule not in live_rules.PENDING]
        if args["deploy"]:
            found += run_rules.forks(built.topology, seen, context.CLIARGS.get("forks") or constants.DEFAULT_FORKS)
        if args["storage"]:
            taken = str(self._templar.template(variables.get(storage_rules.TAKE)) or "")
            looked = storage_rules.Looked(built.topology, seen, by_host(args["states"]), args["storage"], taken)
            found += storage_rules.reported(looked) + registry.findings(registry.STORAGE, looked)
            result["claim"] = storage_rules.claim(looked)
        # Without --limit a host that nobody looked at belongs to another play: it is to be looked at now (role preflight), not a mistake.
        unseen = [] if "ansible_limit" in variables else [finding for finding in found if finding.rule == live_rules.hosts_left_out.id]
        if args["deploy"]:
            unseen += [finding for finding in live_rules.overtaken(found, seen) if not set(finding.hosts) & set(args["seen_again"])]
        findings = findings + [finding for finding in found if finding not in unseen]
        if args["operation"] and errors(findings):
            self._let_go(built, variables, answer["operation"])
        result["operation"] = answer.get("operation")
        return self._answer(result, built, findings, seen, unseen, answer.get("warnings", ()))

    def _look(self, built: Built, variables: dict[str, Any], begin: bool) -> dict[str, Any]:
        """The living cluster, in one execution; with `begin` it takes the operation lock as well."""
        asked = {"topology": built.topology.to_dict(), "settle": ELECTION}
        if not begin:
            return dict(self._execute_module(module_name="horaedb.cluster.cluster_info", module_args=asked, task_vars=variables))
        return begun(partial(self._execute_module, module_name=OPERATION, task_vars=variables), asked, broken_lock(variables, self._templar))

    def _let_go(self, built: Built, variables: dict[str, Any], operation: dict[str, Any]) -> None:
        """A refused run leaves neither lock nor entry: nothing was changed."""
        asked = {"state": "dropped", "topology": built.topology.to_dict(), "operation": operation}
        self._execute_module(module_name=OPERATION, module_args=asked, task_vars=variables)

    def _answer(
        self,
        result: dict[str, Any],
        built: Built,
        findings: list[Finding],
        seen: Observation | None,
        unseen: Sequence[Finding] = (),
        said: Sequence[str] = (),
    ) -> dict[str, Any]:
        findings = built.explained(findings)
        result.update(
            changed=False,
            findings=[finding.to_dict() for finding in findings],
            lives=seen is not None and live_rules.lives(seen),
            leader=seen.leader if seen else None,
            hung=list(seen.hung) if seen else [],
            down=live_rules.down(built.topology, seen) if seen else [],
            lost=sorted(plan.plan(built.topology, seen).lost) if seen else [],
            unseen=[host for finding in unseen for host in finding.hosts],
        )
        result["warnings"] = list(said) + [finding.sentence() for finding in warnings(findings)]
        if errors(findings):
            result.update(failed=True, msg=report(errors(findings)))
        else:
            # Not with a refusal: nobody may go on with it, and its hundred lines would bury the sentences.
            result["topology"] = built.topology.to_dict()
            result["remote"] = storage_rules.remote_hosts(built.topology)
        return result

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Looks at one host with a shell line and refuses it when nothing could be deployed there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import report
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.cluster_model import build
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import HOSTS, Variables
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import host_rules, host_state, run_rules


def _words(answer: Mapping[str, Any]) -> str:
    """What was said instead of the script's output. With a terminal it is all in stdout, and stderr is ssh's own goodbye."""
    lines = (answer.get("stdout", "") + "\n" + answer.get("stderr", "")).splitlines()
    said = [line.strip() for line in lines if line.strip() and not line.startswith("Shared connection to ")]
    return " ".join(said[-3:]).rstrip(".") or "it said nothing, exit status %s" % answer.get("rc")


class ActionModule(ActionBase):
    """One shell command on the host, nothing else; runs the same in check mode."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validation, args = self.validate_argument_spec(
            {
                **HOSTS,
                "host": {"type": "str"},
            }
        )
        host = args["host"] or variables["inventory_hostname"]
        read = Variables(self._task, variables, self._loader)
        refused = list(run_rules.strategy(read.strategy))
        if refused:
            return dict(result, failed=True, msg=report(refused))
        try:
            members = [name for name in read.hosts("horaemeta", args["members"]) if name == host]
            nodes = [name for name in read.hosts("horaedb", args["nodes"]) if name == host]
            topology = build(read.of_members(members), read.of_nodes(nodes)).topology
            python = str(read.of(host, {"ansible_python_interpreter": None})["ansible_python_interpreter"] or "python3")
        except AnsibleError as error:
            return dict(result, failed=True, msg=str(error))
        member_paths = [member.data_dir + "/etcd" for member in topology.members if member.data_dir]
        node_paths = sorted({path for node in topology.nodes for path in (node.store_dir, node.wal_dir) if path})
        if python.startswith("auto"):
            python = "python3"
        try:
            answer = self._low_level_execute_command(host_state.script(python, member_paths, node_paths), executable="/bin/sh")
        except AnsibleConnectionFailure as error:
            # Still a connection failure: Ansible counts and shows the host as unreachable.
            raise AnsibleConnectionFailure(report(host_rules.unreachable(host, str(error)))) from None
        except AnsibleError as error:
            return dict(result, failed=True, msg=report(host_rules.not_root_by_become(host, str(error))))
        try:
            state = host_state.parse(host, answer["stdout"])
        except ValueError:
            return dict(result, failed=True, msg=report(host_rules.no_shell(host, _words(answer))))
        found = host_rules.problems(state, python)
        result.update(changed=False, state=state.to_dict())
        if found:
            result.update(failed=True, msg=report(found))
        return result

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Takes the tables of a data node from its variables, lets the node try them, and keeps the keys out of everything that is shown."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.cluster_model import build
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import Variables
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render.daemon_config import horaedb_config

MODULE = "horaedb.cluster.storage_check"


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        # Here and not on the host: it would answer a wrong option with all of them, secrets included.
        _validation, args = self.validate_argument_spec(
            {
                "object_store": {"type": "dict"},
                "wal": {"type": "dict"},
                "refuse": {"type": "bool", "default": True},
                "claim": {"type": "dict"},
                "timeout": {"type": "float", "default": 5.0},
            }
        )
        if args["object_store"] is None and args["wal"] is None:
            try:
                args.update(self._tables(variables))
            except (AnsibleError, ValueError) as error:
                return dict(result, failed=True, msg=str(error))
        # Keeps Ansible on the host from writing every option, secrets included, to the journal; no_log of AnsibleModule doesn't.
        quiet = dict(variables, ansible_no_target_syslog=True)
        result.update(self._execute_module(module_name=MODULE, module_args=args, task_vars=quiet))
        result.pop("invocation", None)
        at = result.pop("time", None)
        if at is not None and isinstance(result.get("storage"), dict):
            result["storage"]["offset"] = round(at - time.time(), 1)
        return result

    def _tables(self, variables: dict[str, Any]) -> dict[str, Any]:
        """What will be in the file, horaedb_settings merged over the two variables."""
        host = variables["inventory_hostname"]
        values = Variables(self._task, variables, self._loader).of_nodes([host])
        own = values[host]
        topology = build({}, values).topology
        given = (own["horaedb_settings"], own["horaedb_object_store"], own["horaedb_wal"])
        analytic = horaedb_config(topology, host, *given).get("analytic") or {}
        return {"object_store": (analytic.get("storage") or {}).get("object_store") or {}, "wal": analytic.get("wal") or {}}

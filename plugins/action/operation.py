# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Says which run of ansible-playbook asks, and takes over the lock of one that died on this machine."""

from __future__ import annotations

from functools import partial
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.horaedb.cluster.plugins.plugin_utils.operation.controller_run import begun, broken_lock


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        module = partial(self._execute_module, module_name="horaedb.cluster.operation", task_vars=variables)
        asked = dict(self._task.args)
        if asked.get("state") == "begun":
            take_over = asked.pop("take_over", None) or broken_lock(variables, self._templar)
            take_over = [take_over] if isinstance(take_over, str) else take_over
            return dict(result, **begun(module, asked, take_over))
        return dict(result, **module(module_args=asked))

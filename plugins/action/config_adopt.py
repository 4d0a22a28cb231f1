# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Reads a daemon that was installed by hand with one shell command, and says which inventory variables make the same."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt import config_file, installed_daemon
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt.config_file import Unreadable
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt.variables import adopted
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import defaults


class ActionModule(ActionBase):
    """One shell command on the host, nothing else; runs the same in check mode."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            {
                "daemon": {"type": "str", "required": True, "choices": ["horaedb", "horaemeta"]},
                "unit": {"type": "str"},
                "config": {"type": "path"},
                "version": {"type": "str"},
                "show_secrets": {"type": "bool", "default": False},
            }
        )
        daemon = args["daemon"]
        result.update(changed=False, variables={}, text="", findings=[], lines=[], notes=[], unit="", config="")
        try:
            answer = self._low_level_execute_command(
                installed_daemon.script(daemon, args["unit"] or "", args["config"] or ""), executable="/bin/sh"
            )
            found = installed_daemon.parse(answer["stdout"])
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            return dict(result, failed=True, msg=str(error))
        except ValueError:
            return dict(result, failed=True, msg="the command on the host said something else: %s" % answer.get("stderr", "").strip())
        result.update(unit=found.unit, config=found.config)
        if not found.text:
            where = (
                "%s, which is empty or can't be read" % found.config
                if found.config
                else "the command line of %s, which names no file" % daemon
            )
            given = "" if found.config or found.unit else ", and neither a process nor a unit was found"
            return dict(result, failed=True, msg="No configuration of %s in %s%s. Name it with config or unit." % (daemon, where, given))
        try:
            made = adopted(daemon, found, args["version"], defaults(daemon), args["show_secrets"])
        except Unreadable as unreadable:
            return dict(result, failed=True, msg="%s: %s" % (found.config, unreadable))
        except ValueError:
            return dict(result, failed=True, msg="version is %r, which is no version such as 2.1.0." % args["version"])
        lines = [config_file.sentence(finding, found.config) for finding in made.findings]
        result.update(variables=made.variables, text=made.text(), findings=made.findings, lines=lines, notes=made.notes)
        return result

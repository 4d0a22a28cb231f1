# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Holds a daemon's configuration file against the keys of its version, on the controller."""

from __future__ import annotations

import base64
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import ERROR
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt import config_file
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt.config_file import Unreadable


class ActionModule(ActionBase):
    """One module on the host at most, which reads the file."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            {
                "daemon": {"type": "str", "required": True, "choices": ["horaedb", "horaemeta"]},
                "path": {"type": "path"},
                "content": {"type": "str", "no_log": True},
                "version": {"type": "str"},
                "environment": {"type": "dict", "default": {}, "no_log": True},
                "features": {"type": "list", "elements": "str", "default": []},
                "refuse": {"type": "bool", "default": True},
            },
            mutually_exclusive=[("path", "content")],
            required_one_of=[("path", "content")],
        )
        # With -vvv Ansible prints every option in there, the content included.
        result.pop("invocation", None)
        name = args["path"] or "content"
        try:
            text = self._read(args["path"], task_vars or {}) if args["path"] else args["content"]
            found = config_file.findings(args["daemon"], text, args["version"], args["environment"], args["features"])
        except Unreadable as unreadable:
            return dict(result, failed=True, msg="%s: %s" % (name, unreadable))
        except ValueError:
            return dict(result, failed=True, msg="version is %r, which is no version such as 2.1.0." % args["version"])
        lines = [config_file.sentence(finding, name) for finding in found]
        result.update(changed=False, findings=found, lines=lines)
        wrong = [line for line, finding in zip(lines, found) if finding["severity"] == ERROR]
        if wrong and args["refuse"]:
            result.update(
                failed=True,
                msg="\n".join(["%d finding%s:" % (len(wrong), "" if len(wrong) == 1 else "s"), *("  " + line for line in wrong)]),
            )
        return result

    def _read(self, path: str, task_vars: dict[str, Any]) -> str:
        quiet = dict(task_vars, ansible_no_target_syslog=True)
        read = self._execute_module(module_name="ansible.legacy.slurp", module_args={"src": path}, task_vars=quiet)
        if read.get("failed") or "content" not in read:
            raise Unreadable("It can't be read: %s." % str(read.get("msg", "the host said nothing")).rstrip("."))
        try:
            return base64.b64decode(read["content"]).decode("utf-8")
        except UnicodeDecodeError:
            raise Unreadable("It is not UTF-8, which TOML has to be.") from None

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The options of the module `daemon`, documented there. The action plugin reads them too."""

from __future__ import annotations

from typing import Any, Dict


def argument_spec() -> Dict[str, Any]:
    text: Dict[str, Any] = {"type": "str"}
    path: Dict[str, Any] = {"type": "path"}
    required: Dict[str, Any] = {"type": "str", "required": True}
    required_path: Dict[str, Any] = {"type": "path", "required": True}

    def several(**options: Dict[str, Any]) -> Dict[str, Any]:
        return {"type": "list", "elements": "dict", "default": [], "options": options}

    return {
        "name": required,
        "root": required_path,
        "user": text,
        "group": text,
        "binary": {
            "type": "dict",
            "options": {
                "name": required,
                "src": {"type": "raw"},
                "checksum": text,
                "image_path": text,
                "version_command": {"type": "list", "elements": "str", "default": []},
                "path": path,
                "hint": {"type": "str"},
                "size": {"type": "int"},
            },
        },
        "image": {
            "type": "dict",
            "options": {
                "engine": {"type": "str", "required": True, "choices": ["podman", "docker"]},
                "src": text,
                "checksum": text,
                "program": required,
                "version_command": {"type": "list", "elements": "str", "default": []},
                "username": {"type": "str", "default": ""},
                "password": {"type": "str", "default": "", "no_log": True},
                "tls_verify": {"type": "bool", "default": True},
                "hint": text,
                "reference": text,
                "archive": {"type": "bool", "default": False},
                "path": path,
                "size": {"type": "int"},
            },
        },
        "executable": path,
        "packages": several(name=required, provides=required_path),
        "configs": several(name=required, content=required),
        "environment": {"type": "dict", "default": {}},
        "unit": text,
        "checks": {"type": "list", "elements": "list", "default": []},
        "files": several(
            path=required_path,
            content=required,
            mode={"type": "str", "default": "0644"},
            apply={"type": "str", "choices": ["none", "sysusers", "tmpfiles"], "default": "none"},
        ),
        "links": several(path=required_path, target=required),
        "state": {"type": "str", "choices": ["started", "restarted", "rerun", "stopped", "absent"], "default": "started"},
        "force": {"type": "bool", "default": False},
        "downgrade": {"type": "bool", "default": False},
        "ready": {"type": "dict"},
        "protection": {
            "type": "dict",
            "options": {
                "topology": {"type": "dict", "required": True},
                "host": required,
                "silent_after": {"type": "float"},
                "in_step": {"type": "bool", "default": False},
            },
        },
        "ready_timeout": {"type": "float", "default": 60},
        "rollback_timeout": {"type": "float", "default": 90},
        "crashes": {"type": "int", "default": 3},
        "ports": {"type": "list", "elements": "int", "default": []},
        "bind": {"type": "str", "default": "0.0.0.0"},
        "space": {"type": "int", "default": 268435456},
        "paths": {"type": "list", "elements": "path", "default": []},
        "at_boot": {"type": "bool", "default": True},
        "min_age": {"type": "float", "default": 0},
        "keep": {"type": "int", "default": 3},
        "log": path,
        "lines": {"type": "int", "default": 20},
        "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "lock_timeout": {"type": "float", "default": 300},
    }

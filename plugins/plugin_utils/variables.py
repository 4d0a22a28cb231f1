# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The variables of every host of a cluster, the roles' defaults under them.

Role defaults are seen only inside the role, but the model needs them in any play. They
are read from the roles' own defaults/main.yml, so that there is one place for each default.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import yaml

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
MEMBER_ROLE = "horaemeta"
NODE_ROLES = ("horaedb", "meta_proxy")


@functools.cache
def defaults(role: str) -> dict[str, Any]:
    """A role's defaults, untemplated: they hold no expressions (under test)."""
    with (ROLES / role / "defaults" / "main.yml").open(encoding="utf-8") as stream:
        return dict(yaml.safe_load(stream))


def _of_host(roles: tuple[str, ...], host_vars: Mapping[str, Any], play_vars: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for role in roles:
        for name, default in defaults(role).items():
            values[name] = host_vars[name] if name in host_vars else play_vars.get(name, default)
    values["ansible_host"] = host_vars.get("ansible_host")
    return values


def hosts_of(task_vars: Mapping[str, Any], members: list[str] | None, nodes: list[str] | None) -> tuple[list[str], list[str]]:
    """Inventory hosts of both daemons: as given, or the members of the groups that horaemeta_group and horaedb_group name."""

    def group(role: str) -> list[str]:
        name = role + "_group"
        return list(task_vars["groups"].get(task_vars.get(name, defaults(role)[name]), []))

    return group("horaemeta") if members is None else members, group("horaedb") if nodes is None else nodes


def collect(task_vars: Mapping[str, Any], members: list[str], nodes: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables by host of the members and of the data nodes.

    What a play or a role's `vars:` sets is not in hostvars; it is seen in the variables of the
    task that asks, and counts for every host that has no value of its own.
    """
    hostvars = task_vars["hostvars"]

    def of(host: str, *roles: str) -> dict[str, Any]:
        return _of_host(roles, hostvars[host], task_vars)

    return {host: of(host, MEMBER_ROLE) for host in members}, {host: of(host, *NODE_ROLES) for host in nodes}

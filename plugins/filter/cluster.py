# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Filters: thin shells over the model. Documented in the .yml files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible import context
from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.horaedb.cluster.plugins.module_utils import settings, units
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Topology
from ansible_collections.horaedb.cluster.plugins.plugin_utils.plain import plain

try:
    import tomli_w
except ImportError:
    tomli_w = None  # type: ignore[assignment]


_TYPES: dict[str, Callable[[Any], Any]] = {"stop_timeout": int, "limit_nofile": int, "private_users": boolean}


def to_toml(tree: Mapping[str, Any]) -> str:
    if tomli_w is None:
        raise AnsibleFilterError("horaedb.cluster.to_toml needs the Python library tomli-w on the controller: pip install tomli-w")
    try:
        return tomli_w.dumps(plain(tree))
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(
            "horaedb.cluster.to_toml: %s; TOML knows text, numbers, true/false, dates, lists and tables" % error
        ) from None


def horaemeta_config(topology: Mapping[str, Any], host: str, settings_: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return _or_refuse(settings.horaemeta_config, topology, host, settings_)


def horaedb_config(
    topology: Mapping[str, Any],
    host: str,
    settings_: Mapping[str, Any] | None = None,
    object_store: Mapping[str, Any] | None = None,
    wal: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return _or_refuse(settings.horaedb_config, topology, host, settings_, object_store, wal)


def _or_refuse(function: Callable[..., dict[str, Any]], topology: Mapping[str, Any], *args: Any) -> dict[str, Any]:
    try:
        return function(Topology.from_dict(plain(topology)), *args)
    except (TypeError, KeyError, ValueError) as error:
        raise AnsibleFilterError("horaedb.cluster.%s: %s" % (function.__name__, error)) from None


def service_unit(spec: Mapping[str, Any]) -> str:
    try:
        # -e on the command line makes a text of everything.
        typed = {name: _TYPES[name](value) if name in _TYPES else value for name, value in plain(spec).items()}
        return units.service_unit(**typed)
    except (AttributeError, TypeError, ValueError) as error:
        raise AnsibleFilterError("horaedb.cluster.service_unit: %s" % error) from None


def host_files(spec: Mapping[str, Any]) -> list[dict[str, str]]:
    try:
        return units.host_files(**plain(spec))
    except TypeError as error:
        raise AnsibleFilterError("horaedb.cluster.host_files: %s" % error) from None


def roll_order(hosts: list[str], hostvars: Mapping[str, Any], registered: list[str]) -> list[str]:
    """Hosts of which one of the registered results says stale; the one that led when the guard looked comes last."""

    def said(host: str, name: str, key: str) -> Any:
        if host not in hostvars:
            return None
        values = hostvars[host]
        return values[name].get(key) if name in values else None

    # A syntax check has no hostvars either, and no host that could be missing.
    if not hostvars and not context.CLIARGS.get("syntax"):
        raise AnsibleFilterError("no host of the groups horaemeta and horaedb is in this run. Correct the inventory (-i), or --limit.")
    leaders = {said(host, "__guard_cluster", "leader") for host in hosts}
    return sorted((host for host in hosts if any(said(host, name, "stale") for name in registered)), key=lambda host: host in leaders)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "to_toml": to_toml,
            "horaemeta_config": horaemeta_config,
            "horaedb_config": horaedb_config,
            "service_unit": service_unit,
            "host_files": host_files,
            "roll_order": roll_order,
        }

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
from ansible_collections.horaedb.cluster.plugins.module_utils import keeper, settings, units
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Topology
from ansible_collections.horaedb.cluster.plugins.plugin_utils.plain import plain

try:
    import tomli_w
except ImportError:
    tomli_w = None  # type: ignore[assignment]


_TYPES: dict[str, Callable[[Any], Any]] = {"stop_timeout": int, "limit_nofile": int, "private_users": boolean}

# daemon -> the variable in which its role registers the result of the module `daemon`
_REGISTERED = {"horaemeta": "__horaemeta", "horaedb": "__horaedb", "meta_proxy": "__meta_proxy", "shard_keeper": "__shard_keeper"}


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


def keeper_config(topology: Mapping[str, Any], host: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return _or_refuse(keeper.keeper_config, topology, host, plain(spec))


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


def roll_order(hosts: list[str], hostvars: Mapping[str, Any], registered: list[str], all_of_them: Any = False) -> list[str]:
    """Hosts of which one of the registered results says stale, or all; the one that led when the guard looked comes last.

    Those that were down then come first: what an interrupted run has left has to be mended before anything else may stop.
    """
    # A syntax check has no hostvars either, and no host that could be missing.
    if not hostvars and not context.CLIARGS.get("syntax"):
        raise AnsibleFilterError("no host of the groups horaemeta and horaedb is in this run. Correct the inventory (-i), or --limit.")
    leaders = {_said(hostvars, host, "__guard_cluster").get("leader") for host in hosts}
    rolled = [host for host in hosts if boolean(all_of_them) or any(_said(hostvars, host, name).get("stale") for name in registered)]
    down = {name for host in hosts for name in _said(hostvars, host, "__guard_cluster").get("down", ())}
    return sorted(rolled, key=lambda host: (host not in down, host in leaders))


def daemons_in_use(hosts: list[str], hostvars: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """What ran before and what runs now, by the results that the roles registered in this run."""
    found: dict[str, dict[str, dict[str, Any]]] = {"before": {}, "after": {}}
    for host in hosts:
        for daemon, name in _REGISTERED.items():
            result = plain(_said(hostvars, host, name))
            for when, daemons in found.items():
                if result.get(when):
                    daemons.setdefault(host, {})[daemon] = result[when]
    return found


def failures(hosts: list[str], hostvars: Mapping[str, Any]) -> dict[str, Any]:
    """The hosts on which a task failed, and what the first one said. For the rescue of a block.

    Where none did, a host couldn't be reached, which is not rescued: then all others stop because of it.
    """
    said = {host: plain(_said(hostvars, host, "ansible_failed_result").get("msg")) for host in hosts}
    failed = [host for host, message in said.items() if message]
    if not failed:
        return {"hosts": list(hosts), "message": "a host can't be reached"}
    return {"hosts": failed, "message": "%s: %s" % (failed[0], said[failed[0]])}


def repair_hosts(hosts: list[str], hostvars: Mapping[str, Any], step: str, asked: Any = False) -> list[str]:
    """The hosts of a play that repairs forgotten shards: none where the guard saw nothing lost, or horaedb_repair forbids it."""
    guards = {host: _said(hostvars, host, "__guard_cluster") for host in hosts}
    here = [host for host in hosts if guards[host]]
    if step == "plan":
        forbidden = any(not boolean(_value(hostvars, host, "horaedb_repair", True)) for host in here)
        wanted = boolean(asked) or (not forbidden and any(guards[host].get("lost") for host in here))
        return here[:1] if wanted else []
    plans = {host: _said(hostvars, host, "__repair") for host in hosts}
    if step == "restart":
        listed = {host for plan in plans.values() for host in plan.get("restart", ())}
        return [host for host in hosts if host in listed]
    return [host for host in hosts if plans[host].get("lost")]


def storage_hosts(hosts: list[str], hostvars: Mapping[str, Any], skip: Any = False) -> list[str]:
    """The hosts of the play that tries the remote storage: all that the guard saw, or none where everything is on the nodes' own disks."""
    here = [host for host in hosts if _said(hostvars, host, "__guard_cluster")]
    return here if not boolean(skip) and any(_said(hostvars, host, "__guard_cluster").get("remote") for host in here) else []


def _value(hostvars: Mapping[str, Any], host: str, name: str, default: Any) -> Any:
    here = host in hostvars and name in hostvars[host]
    return hostvars[host][name] if here else default


def _said(hostvars: Mapping[str, Any], host: str, name: str) -> Mapping[str, Any]:
    """A host's registered result; empty where there is none."""
    found: Mapping[str, Any] = _value(hostvars, host, name, {})
    return found


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "to_toml": to_toml,
            "horaemeta_config": horaemeta_config,
            "horaedb_config": horaedb_config,
            "keeper_config": keeper_config,
            "service_unit": service_unit,
            "host_files": host_files,
            "roll_order": roll_order,
            "daemons_in_use": daemons_in_use,
            "failures": failures,
            "repair_hosts": repair_hosts,
            "storage_hosts": storage_hosts,
        }

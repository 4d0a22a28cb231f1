# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Filters: thin shells over the model. Documented in the .yml files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.plain import plain
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render import daemon_config, systemd_unit
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render import keeper_config as render_keeper_config

try:
    import tomli_w
except ImportError:
    tomli_w = None  # type: ignore[assignment]


_TYPES: dict[str, Callable[[Any], Any]] = {"stop_timeout": int, "limit_nofile": int, "private_users": boolean}

# daemon -> the variable in which its role registers the result of the module `daemon`
_REGISTERED = {"horaemeta": "horaemeta_result", "horaedb": "horaedb_result", "meta_proxy": "meta_proxy_result", "shard_keeper": "shard_keeper_result"}


def to_toml(tree: Mapping[str, Any]) -> str:
    if tomli_w is None:
        raise AnsibleFilterError("horaedb.cluster.to_toml needs the Python library tomli-w on the controller: pip install tomli-w")
    try:
        return tomli_w.dumps(plain(tree))
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(
            "horaedb.cluster.to_toml: %s; TOML knows text, numbers, true/false, dates, lists and tables" % error
        ) from None


def checked_topology(result: Mapping[str, Any]) -> dict[str, Any]:
    if "topology" not in result:
        raise AnsibleFilterError(
            "nothing was checked in this run. Run the role horaedb.cluster.preflight before; with --start-at-task, run the whole playbook: "
            "what is done already isn't done again."
        )
    return dict(result["topology"])


def horaemeta_config(topology: Mapping[str, Any], host: str, settings_: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return _or_refuse(daemon_config.horaemeta_config, topology, host, settings_)


def horaedb_config(
    topology: Mapping[str, Any],
    host: str,
    settings_: Mapping[str, Any] | None = None,
    object_store: Mapping[str, Any] | None = None,
    wal: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return _or_refuse(daemon_config.horaedb_config, topology, host, settings_, object_store, wal)


def keeper_config(topology: Mapping[str, Any], host: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return _or_refuse(render_keeper_config.keeper_config, topology, host, plain(spec))


def _or_refuse(function: Callable[..., dict[str, Any]], topology: Mapping[str, Any], *args: Any) -> dict[str, Any]:
    try:
        return function(Topology.from_dict(plain(topology)), *args)
    except (TypeError, KeyError, ValueError) as error:
        raise AnsibleFilterError("horaedb.cluster.%s: %s" % (function.__name__, error)) from None


def service_unit(spec: Mapping[str, Any]) -> str:
    try:
        # -e on the command line makes a text of everything.
        typed = {name: _TYPES[name](value) if name in _TYPES else value for name, value in plain(spec).items()}
        return systemd_unit.service_unit(**typed)
    except (AttributeError, TypeError, ValueError) as error:
        raise AnsibleFilterError("horaedb.cluster.service_unit: %s" % error) from None


def host_files(spec: Mapping[str, Any]) -> list[dict[str, str]]:
    try:
        return systemd_unit.host_files(**plain(spec))
    except TypeError as error:
        raise AnsibleFilterError("horaedb.cluster.host_files: %s" % error) from None


def roll_order(hosts: list[str], hostvars: Mapping[str, Any], registered: list[str], all_of_them: Any = False) -> list[str]:
    """Hosts of which one of the registered results says stale, or all; the one that led when preflight looked comes last.

    Those that were down then come first: what an interrupted run has left has to be mended before anything else may stop.
    """
    leaders = {_said(hostvars, host, "preflight_result").get("leader") for host in hosts}
    rolled = [host for host in hosts if boolean(all_of_them) or any(_said(hostvars, host, name).get("stale") for name in registered)]
    down = {name for host in hosts for name in _said(hostvars, host, "preflight_result").get("down", ())}
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


def repair_hosts(hosts: list[str], hostvars: Mapping[str, Any], asked: Any = False) -> list[str]:
    """The one host on which a repair is planned: none where preflight saw nothing lost, or horaedb_repair forbids it."""
    results = {host: _said(hostvars, host, "preflight_result") for host in hosts}
    here = [host for host in hosts if results[host]]
    forbidden = any(not boolean(_value(hostvars, host, "horaedb_repair", True)) for host in here)
    wanted = boolean(asked) or (not forbidden and any(results[host].get("lost") for host in here))
    return here[:1] if wanted else []


def maintenance_order(groups: Mapping[str, list[str]], hostvars: Mapping[str, Any], with_members: Any = True) -> list[str]:
    """Members, the leader last, and data nodes. A host of both comes with the data nodes: its member is out while its node is."""
    members = roll_order(groups.get("horaemeta", []), hostvars, [], with_members)
    nodes = roll_order(groups.get("horaedb", []), hostvars, [], True)
    return [host for host in members if host not in nodes] + nodes


def hosts_of_other_groups(groups: Mapping[str, list[str]], members: str, nodes: str) -> list[dict[str, str]]:
    """What `horaemeta_group` and `horaedb_group` name, for the groups that the playbooks know. Raises when those are others' already."""
    found: list[dict[str, str]] = []
    for ours, variable, named in (("horaemeta", "horaemeta_group", members), ("horaedb", "horaedb_group", nodes)):
        if named == ours:
            continue
        wanted, there = groups.get(named, []), groups.get(ours, [])
        if not wanted:
            raise AnsibleFilterError("%s is %s, and no host is in a group of that name. Correct the variable, or the inventory." % (variable, named))
        others = [host for host in there if host not in wanted]
        if others:
            raise AnsibleFilterError(
                "%s is %s, and the group %s has other hosts as well (%s), which the playbooks would take for this cluster's. Name that group otherwise."
                % (variable, named, ours, ", ".join(others))
            )
        found += [{"host": host, "group": ours} for host in wanted if host not in there]
    return found


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
            "checked_topology": checked_topology,
            "horaemeta_config": horaemeta_config,
            "horaedb_config": horaedb_config,
            "keeper_config": keeper_config,
            "service_unit": service_unit,
            "host_files": host_files,
            "roll_order": roll_order,
            "daemons_in_use": daemons_in_use,
            "failures": failures,
            "repair_hosts": repair_hosts,
            "maintenance_order": maintenance_order,
            "hosts_of_other_groups": hosts_of_other_groups,
        }

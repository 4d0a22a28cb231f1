# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The inventory variables that make the configuration which a daemon has now. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import MARK
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt import config_file
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt.installed_daemon import InstalledDaemon
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.cluster_model import port_of
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import settings_rules
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import check
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import values as schema_values
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.keys import Key, Schema
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.variables import DERIVED, TABLES

# Path in the file to the variable that is its value, as it is.
_PLAIN: Mapping[str, Mapping[str, str]] = {
    daemon: {path: DERIVED[daemon][path] for path in paths}
    for daemon, paths in {
        "horaemeta": (
            "node-name",
            "data-dir",
            "storage-root-path",
            "http-port",
            "default-cluster-name",
            "default-cluster-node-count",
            "default-cluster-shard-total",
            "topology-type",
        ),
        "horaedb": (
            "node.addr",
            "server.bind_addr",
            "server.http_port",
            "server.grpc_port",
            "server.mysql_port",
            "server.postgresql_port",
            "cluster_deployment.meta_client.meta_addr",
        ),
    }.items()
}
# The collection writes these out of the inventory's groups and addresses.
_FROM_INVENTORY = {
    "horaemeta": (
        "addr",
        "initial-cluster",
        "initial-cluster-state",
        "client-urls",
        "peer-urls",
        "advertise-client-urls",
        "advertise-peer-urls",
    ),
    "horaedb": (
        "cluster_deployment.etcd_client.server_addrs",
        "cluster_deployment.meta_client.cluster_name",
        "cluster_deployment.etcd_client.root_path",
        "cluster_deployment.mode",
    ),
}
_SECRET = re.compile(r"secret|password|passwd|token|credential|key_id", re.IGNORECASE)


@dataclass(frozen=True)
class Adopted:
    """`notes`: what can't be said as a variable."""

    variables: dict[str, Any]
    notes: list[str]
    findings: list[dict[str, Any]]

    def text(self) -> str:
        return yaml.safe_dump(self.variables, sort_keys=False, default_flow_style=False, width=120)


def adopted(daemon: str, found: InstalledDaemon, version: str | None, defaults: Mapping[str, Any], show_secrets: bool) -> Adopted:
    """`defaults` are the role's. Raises Unreadable when the file is no TOML, and ValueError for what is no version."""
    judge = check.pick(daemon, version or check.newest(daemon))
    ours = {**judge.overrides, **judge.environment}
    environment = {
        name: value
        for name, value in found.environment.items()
        if name != MARK and (name in ours or name in found.given or name.startswith(("HORAE", "CERESDB_")))
    }
    findings = config_file.findings(daemon, found.text, version, environment)
    maker = _Maker(judge, config_file.parsed(found.text), environment, show_secrets)
    useless = [one["path"] for one in findings if one["rule"] == settings_rules.RULES[check.UNKNOWN].id]
    variables = maker.horaemeta(found) if daemon == "horaemeta" else maker.horaedb()
    if found.user:
        variables["%s_user" % daemon] = found.user
    if found.limit_nofile.isdigit():
        variables["%s_limit_nofile" % daemon] = int(found.limit_nofile)
    variables = {name: value for name, value in variables.items() if value is not None and value != defaults.get(name)}
    settings = maker.settings(useless)
    if settings:
        variables["%s_settings" % daemon] = settings
    rest = {
        name: maker.hidden(value, name, _SECRET.search(name) is not None)
        for name, value in environment.items()
        if name not in judge.overrides
    }
    if rest:
        variables["%s_environment" % daemon] = rest
    return Adopted(variables, [*_notes(daemon, found, useless), *maker.notes], findings)


def _notes(daemon: str, found: InstalledDaemon, useless: list[str]) -> list[str]:
    notes = ["The program is run as: %s. Copy it to the controller and name it %s_binary." % (found.command or "unknown", daemon)]
    if MARK in found.environment:
        notes.append("This collection installed it: there is nothing to adopt.")
    elif found.unit:
        notes.append("The unit %s is not taken over. Stop and disable it before this collection's own starts." % found.unit)
    if useless:
        notes.append("Left out, because the daemon doesn't know them: %s." % ", ".join(useless))
    if found.user == "root":
        notes.append(
            "It runs as root. Leave %s_user at its default, and give the data directory to that user while the daemon is stopped." % daemon
        )
    if daemon == "horaedb":
        notes.append(
            "The collection sets lease, timeout and fast lock reacquisition itself where the file doesn't; --check --diff shows it."
        )
    return notes


class _Maker:
    """Takes out of a tree what variables say, piece by piece; what is left are settings."""

    def __init__(self, judge: Schema, tree: dict[str, Any], environment: Mapping[str, str], show_secrets: bool) -> None:
        self._judge = judge
        self._check = check.Check(judge, tree, None, environment)
        self._tree = tree
        self._rest = copy.deepcopy(tree)
        self._show = show_secrets
        self.notes: list[str] = []

    def horaemeta(self, found: InstalledDaemon) -> dict[str, Any]:
        made = {}
        urls = {name: self._check.value(name) or "" for name in ("advertise-client-urls", "advertise-peer-urls")}
        host = urlsplit(urls["advertise-client-urls"].split(",")[0]).hostname or self._check.value("addr")
        if host not in ("0.0.0.0", "127.0.0.1", "::"):
            made["horaemeta_address"] = host
        made["horaemeta_client_port"] = port_of(urls["advertise-client-urls"])
        made["horaemeta_peer_port"] = port_of(urls["advertise-peer-urls"])
        made.update(self._plain())
        if made["horaemeta_node_name"] == self._judge.paths["node-name"].default:
            made["horaemeta_node_name"] = "horaemeta-%s" % found.hostname
        return made

    def horaedb(self) -> dict[str, Any]:
        made = self._plain()
        tables = {variable: self._take(path) for variable, path in TABLES.items()}
        local = {table["data_dir"] for table in tables.values() if isinstance(table, dict) and isinstance(table.get("data_dir"), str)}
        if len(local) == 1:
            [made["horaedb_data_dir"]] = local
            for table in tables.values():
                if isinstance(table, dict):
                    table.pop("data_dir", None)
            self._drop_same(
                {
                    "tracing.dir": made["horaedb_data_dir"] + "/tracing",
                    "analytic.storage.disk_cache_dir": made["horaedb_data_dir"] + "/cache",
                }
            )
        for variable, table in tables.items():
            made[variable] = self._masked(table, TABLES[variable])
        return made

    def settings(self, useless: list[str]) -> dict[str, Any]:
        for path in (*_FROM_INVENTORY[self._judge.daemon], *useless):
            self._take(path.split("."))
        self._drop_same({path: node.default for path, node in self._judge.paths.items() if isinstance(node, Key)})
        left: dict[str, Any] = self._masked(_without_empty(self._rest, self._tree), ())
        return left

    def hidden(self, value: Any, name: str, secret: bool) -> Any:
        """The value, or an expression that has it out of a vault."""
        if not secret or self._show:
            return value
        variable = "vault_%s_%s" % (self._judge.daemon, re.sub(r"\W", "_", name).lower())
        self.notes.append("Put the value of %s into a vault as %s." % (name, variable))
        return "{{ %s }}" % variable

    def _plain(self) -> dict[str, Any]:
        made = {variable: self._check.value(path) for path, variable in _PLAIN[self._judge.daemon].items()}
        for path in _PLAIN[self._judge.daemon]:
            self._take(path.split("."))
        return made

    def _take(self, path: Any) -> Any:
        tree = self._rest
        for step in path[:-1]:
            tree = tree.get(step, {}) if isinstance(tree, dict) else {}
        return tree.pop(path[-1], None) if isinstance(tree, dict) else None

    def _drop_same(self, values: Mapping[str, Any]) -> None:
        """Not in tables that have to be complete once they are there."""
        for path, value in values.items():
            table = self._judge.paths.get(path.rpartition(".")[0])
            tree: Any = self._rest
            for step in path.split("."):
                tree = tree.get(step) if isinstance(tree, dict) else None
            if tree is not None and tree == value and not getattr(table, "complete", False):
                self._take(path.split("."))

    def _masked(self, tree: Any, path: Any) -> Any:
        if isinstance(tree, dict):
            return {name: self._masked(value, (*path, name)) for name, value in tree.items()}
        node = self._judge.paths.get(".".join(path))
        secret = node.secret if isinstance(node, Key) else bool(path and _SECRET.search(path[-1]))
        return (
            self.hidden(tree, ".".join(path), secret) if secret or self._show or not isinstance(tree, str) else schema_values.masked(tree)
        )


def _without_empty(tree: Any, original: Any) -> Any:
    """Without the tables that became empty; those that were are kept."""
    if not isinstance(tree, dict):
        return tree
    below = {name: _without_empty(value, original[name]) for name, value in tree.items()}
    return {name: value for name, value in below.items() if value != {} or original[name] == {}}

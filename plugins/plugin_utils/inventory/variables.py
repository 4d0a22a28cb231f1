# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The variables of every host of a cluster, the roles' defaults under them.

Role defaults are seen only inside the role, but the model needs them in any play. They
are read from the roles' own defaults/main.yml, so that there is one place for each default.

hostvars don't have what a play or a role's `vars:` sets, and that outranks the inventory.
So every host is asked as if the running task ran there: with Ansible's own precedence, and
with {{ ansible_host }} meaning that host.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.plain import plain

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"
MEMBER_ROLES = ("horaemeta", "shard_keeper")
NODE_ROLES = ("horaedb", "meta_proxy")
# The options of the actions that read the inventory, documented in doc_fragments/hosts.py.
HOSTS: dict[str, dict[str, Any]] = {"members": {"type": "list", "elements": "str"}, "nodes": {"type": "list", "elements": "str"}}


@functools.cache
def defaults(role: str) -> dict[str, Any]:
    """A role's defaults, untemplated: they hold no expressions (under test)."""
    with (ROLES / role / "defaults" / "main.yml").open(encoding="utf-8") as stream:
        return dict(yaml_load(stream))


class Variables:
    """What the running task would see on each host of the inventory. Raises AnsibleError with a sentence."""

    def __init__(self, task: Task, task_vars: Mapping[str, Any], loader: DataLoader) -> None:
        self._task = task
        self._task_vars = task_vars
        self._loader = loader
        self._others: dict[str, Mapping[str, Any]] = {}

    @property
    def play_hosts(self) -> list[str]:
        return list(self._task_vars["ansible_play_hosts"])

    @property
    def strategy(self) -> str:
        """The name of the plugin that runs the play: what it says, or what the configuration does."""
        return str(self._task._parent._play.strategy)

    def hosts(self, role: str, given: Sequence[str] | None) -> list[str]:
        """The daemon's inventory hosts: as given, or those of the group that `<role>_group` names."""
        if given is not None:
            return list(given)
        return list(self._task_vars["groups"].get(self.group(role), []))

    def names(self, host: str) -> frozenset[str]:
        """Of all variables that a host has, whoever set them."""
        return frozenset(self._there(host))

    def group(self, role: str) -> str:
        """The name of the daemon's group in this inventory."""
        variable = role + "_group"
        return str(self.of(self._task_vars["inventory_hostname"], {variable: defaults(role)[variable]})[variable])

    def of_members(self, hosts: Sequence[str]) -> dict[str, dict[str, Any]]:
        return self._of_roles(hosts, *MEMBER_ROLES)

    def of_nodes(self, hosts: Sequence[str]) -> dict[str, dict[str, Any]]:
        return self._of_roles(hosts, *NODE_ROLES)

    def of(self, host: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Variables of one host; `wanted` is what they are where nobody set them."""
        there = self._there(host)
        templar = Templar(loader=self._loader, variables=there)
        values = {}
        for name, default in wanted.items():
            try:
                values[name] = plain(templar.template(there[name])) if name in there else default
            except AnsibleError as error:
                raise AnsibleError("%s of host %s can't be read: %s. Correct it, or set what it uses." % (name, host, error)) from None
        return values

    def _of_roles(self, hosts: Sequence[str], *roles: str) -> dict[str, dict[str, Any]]:
        wanted: dict[str, Any] = {"ansible_host": None}
        for role in roles:
            wanted.update(defaults(role))
        return {host: self.of(host, wanted) for host in hosts}

    def _there(self, host: str) -> Mapping[str, Any]:
        if host == self._task_vars["inventory_hostname"]:
            return self._task_vars
        if host not in self._task_vars["groups"]["all"]:
            raise AnsibleError("%s is not in the inventory. Correct the option members or nodes." % host)
        if host not in self._others:
            hostvars = self._task_vars["hostvars"]
            manager = hostvars._variable_manager
            there = manager.get_vars(
                play=self._task._parent._play, host=manager._inventory.get_host(host), task=self._task, include_hostvars=False
            )
            self._others[host] = {**there, "hostvars": hostvars}
        return self._others[host]

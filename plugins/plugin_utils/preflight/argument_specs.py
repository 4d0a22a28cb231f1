# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The roles' argument_specs, judged by preflight: for all hosts at once, before the first one is touched.

Ansible itself would find these mistakes role by role and host by host, the data nodes' when the
members have been deployed already, at the price of a task for each role and host.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Faults, Finding, rule
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.cluster_model import value_type
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import MEMBER_ROLES, NODE_ROLES, ROLES, Variables
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.inputs import INPUTS


@functools.cache
def options(role: str) -> dict[str, dict[str, Any]]:
    """The options of a role's main entry point."""
    with (ROLES / role / "meta" / "argument_specs.yml").open(encoding="utf-8") as stream:
        return dict(yaml.safe_load(stream)["argument_specs"]["main"]["options"])


def problems(read: Variables, members: Sequence[str], nodes: Sequence[str]) -> list[Finding]:
    """What the roles would refuse on the hosts of this play: variables that are missing, and values of another type."""
    found = []
    for role, hosts in (*((role, members) for role in MEMBER_ROLES), *((role, nodes) for role in NODE_ROLES)):
        values = {host: read.of(host, dict.fromkeys(options(role))) for host in hosts if host in read.play_hosts}
        for name, option in options(role).items():
            found += _unfit(role, name, option, {host: given[name] for host, given in values.items()})
    given = {host: read.of(host, dict.fromkeys(INPUTS)) for host in dict.fromkeys((*members, *nodes)) if host in read.play_hosts}
    for name, option in INPUTS.items():
        found += _unfit("", name, option, {host: values[name] for host, values in given.items()})
    return found


@rule("value.missing")
def value_missing(role: str, name: str, option: Mapping[str, Any], values: Mapping[str, Any]) -> Faults:
    missing = tuple(host for host, value in values.items() if value in (None, "") and option.get("required"))
    if missing:
        yield missing, "%s is not set." % name, "Set it; roles/%s/README.md says what it is." % role


def _unfit(role: str, name: str, option: Mapping[str, Any], values: Mapping[str, Any]) -> list[Finding]:
    found = value_missing(role, name, option, values)
    wrong: dict[str, list[str]] = {}
    for host, value in values.items():
        # A role's choices are left to the rules, which know the reason.
        checked = {key: option[key] for key in ("type", "no_log", *(() if role else ("choices",))) if key in option}
        validator = ArgumentSpecValidator({name: checked})
        for message in [] if value is None else validator.validate({name: value}).error_messages:
            wrong.setdefault(message, []).append(host)
    for text, hosts in wrong.items():
        found += value_type(hosts, "%s." % text.rstrip("."), name)
    return found

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Names in the inventory that look like this collection's and aren't: nothing would read them, and nobody would say so."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Faults, Finding, rule
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import MEMBER_ROLES, NODE_ROLES, defaults
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.argument_specs import options
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.inputs import INPUTS, RESULTS

# Whatever begins so is an option of a role, or an input of a playbook; with horae_ some did before 0.5.0.
PREFIXES = ("horaedb_", "horaemeta_", "horae_", "meta_proxy_", "shard_keeper_")
# How alike a name has to be to one of ours, from 0 to 1, to be taken for a misspelt one. Of all names with two letters exchanged or one lost
# in our options the least alike has 0.93; `horaedb_spare` is 0.74 like `horaedb`.
ALIKE = 0.85
# One with our prefix is refused anyway: this much is enough to be named as what was meant.
ALIKE_WITH_PREFIX = 0.6
# Of letters that ours begin with: comparing names is slow, and a host has hundreds that are Ansible's.
FIRST = ("h", "m", "s")


def known() -> frozenset[str]:
    names = {*INPUTS, *RESULTS}
    for role in (*MEMBER_ROLES, *NODE_ROLES):
        names |= {*defaults(role), *options(role)}
    return frozenset(names)


def problems(names: Mapping[str, Collection[str]], groups: Mapping[str, Sequence[str]], cluster: Mapping[str, str]) -> list[Finding]:
    """names: of each host of the cluster, all variables; cluster: the name that the inventory has for each of our groups."""
    return [*unknown_variable(names), *unknown_group(groups, cluster)]


@rule("inventory.variable")
def unknown_variable(names: Mapping[str, Collection[str]]) -> Faults:
    ours = known()
    hosts: dict[str, list[str]] = {}
    for host, variables in names.items():
        for name in variables:
            if name.startswith(FIRST) and name not in ours:
                hosts.setdefault(name, []).append(host)
    for name in sorted(hosts):
        reserved = next((prefix for prefix in PREFIXES if name.startswith(prefix)), None)
        alike = difflib.get_close_matches(name, ours, 1, ALIKE_WITH_PREFIX if reserved else ALIKE)
        if reserved is None and not alike:
            continue
        own = "A variable of your own needs a name that doesn't begin with %s." % reserved if reserved else "Else give it another name."
        change = "Did you mean %s? %s" % (alike[0], own) if alike else own
        yield hosts[name], "nothing reads the variable %s." % name, change


@rule("inventory.group")
def unknown_group(groups: Mapping[str, Sequence[str]], cluster: Mapping[str, str]) -> Faults:
    """A group that is another name for one of ours, with a host that none of ours has. `horaedb_2` may be another cluster's."""
    inside = {host for name in cluster.values() for host in groups.get(name, ())}
    for name, members in sorted(groups.items()):
        outside = [host for host in members if host not in inside]
        if name in cluster.values() or not outside:
            continue
        for ours, named in cluster.items():
            longer = name.startswith(named) and not name[len(named)].isalpha()
            if not longer and difflib.SequenceMatcher(None, name.lower(), named).ratio() >= ALIKE:
                yield (
                    outside,
                    "the group %s is none of this collection's." % name,
                    "Did you mean %s? Correct it, or say %s_group=%s." % (named, ours, name),
                )

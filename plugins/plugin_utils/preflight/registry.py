# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""All rules of preflight, in the order in which they are asked. A rule's id and severity stand at its function.

A function `@rule("...")` in one of these files is asked from then on. Rules of one stage get the same facts; those of HOSTS, VALUES and SETTINGS
are asked by the code that has theirs, one host or one variable at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Finding, Rule
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory import cluster_model
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import (
    argument_specs,
    artifact_rules,
    host_rules,
    inventory_rules,
    live_rules,
    placement_rules,
    run_rules,
    settings_rules,
    storage_rules,
    topology_rules,
)


def rules_of(*modules: ModuleType) -> tuple[Rule, ...]:
    """As they stand in their files. One that is imported belongs to the file that has its function."""
    return tuple(
        value for module in modules for value in vars(module).values() if isinstance(value, Rule) and value.look.__module__ == module.__name__
    )


HOSTS = rules_of(run_rules, host_rules)
VALUES = rules_of(cluster_model, argument_specs, inventory_rules, artifact_rules)
# Facts: the model.
TOPOLOGY = rules_of(topology_rules, placement_rules)
SETTINGS = (*settings_rules.RULES.values(), *settings_rules.ENVIRONMENT_RULES.values(), *rules_of(settings_rules))
# Facts: the model, the living cluster, and the states of the hosts of this run.
LIVING = (*rules_of(live_rules), placement_rules.machine_twice)
# Facts: what the data nodes found at their remote storage.
STORAGE = rules_of(storage_rules)

# One that is asked twice, of the model and with what the hosts say, is one rule.
RULES = tuple(dict.fromkeys((*HOSTS, *VALUES, *TOPOLOGY, *SETTINGS, *LIVING, *STORAGE)))


def findings(rules: Iterable[Rule], *facts: Any) -> list[Finding]:
    """All at once, so that an operator sees everything that is wrong."""
    return [finding for judge in rules for finding in judge(*facts)]

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""How Ansible itself was told to run, where that can't work."""

from __future__ import annotations

from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Finding
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology

STRATEGY, FORKS = "run.strategy", "run.forks"
IDS = frozenset({STRATEGY, FORKS})

# `debug` is linear with a prompt.
IN_STEP = ("linear", "debug")


def strategy(name: str) -> list[Finding]:
    """A strategy that lets hosts run ahead of each other: what is asked of one host only would be done by each, the lock included."""
    last = name.rsplit(".", 1)[-1]
    if last in IN_STEP or last.endswith("_linear"):
        return []
    what = "the strategy is %s, under which each host goes on by itself." % name
    return [Finding(STRATEGY, (), what, "Take it out of ansible.cfg, or set ANSIBLE_STRATEGY=linear. A play of your own needs strategy: linear.")]


def forks(topology: Topology, seen: Observation, number: int) -> list[Finding]:
    """Members that have to be started before there is a quorum wait for each other: all in one batch, or for ever."""
    voting = sum(member.voting for member in seen.members)
    missing = len(topology.members) // 2 + 1 - voting
    if missing <= number or not topology.members:
        return []
    what = "forks is %d, and %d members have to be started at once: they wait for each other." % (number, missing)
    return [Finding(FORKS, (), what, "Use --forks %d, or more." % len(topology.members))]

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""How Ansible itself was told to run, where that can't work."""

from __future__ import annotations

from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Faults, rule
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology

# `debug` is linear with a prompt.
IN_STEP = ("linear", "debug")


@rule("run.strategy")
def strategy(name: str) -> Faults:
    """A strategy that lets hosts run ahead of each other: what is asked of one host only would be done by each, the lock included."""
    last = name.rsplit(".", 1)[-1]
    if last not in IN_STEP and not last.endswith("_linear"):
        what = "the strategy is %s, under which each host goes on by itself." % name
        yield (), what, "Take it out of ansible.cfg, or set ANSIBLE_STRATEGY=linear. A play of your own needs strategy: linear."


@rule("run.forks")
def forks(topology: Topology, seen: Observation, number: int) -> Faults:
    """Members that have to be started before there is a quorum wait for each other: all in one batch, or for ever."""
    voting = sum(member.voting for member in seen.members)
    missing = len(topology.members) // 2 + 1 - voting
    if missing > number and topology.members:
        what = "forks is %d, and %d members have to be started at once: they wait for each other." % (number, missing)
        yield (), what, "Use --forks %d, or more." % len(topology.members)

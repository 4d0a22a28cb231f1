# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""When is a daemon ready? Predicates over what was seen: none of them acts. Each gives None for ready, else what is missing."""

from __future__ import annotations

from typing import Optional, Sequence

from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology


def member_missing(topology: Topology, seen: Observation, host: str) -> Optional[str]:
    """Ready when the member is healthy, votes, is in sync with the leader, and all healthy members agree who leads, in deed."""
    problem = checks.member_problem(topology, seen, host)
    if problem is not None:
        return str(problem)
    return checks.not_leading(seen) if seen.leader else checks.disagreement(seen)


def node_missing(topology: Topology, seen: Observation, host: str) -> Optional[str]:
    """Ready when the data node answers on its HTTP and its gRPC port. It may still have no shard."""
    problem = checks.node_problem(topology, seen, host)
    return problem.text if problem else None


def shards_missing(topology: Topology, seen: Observation, host: str, expect: Sequence[int]) -> Optional[str]:
    """Ready when the data node has exactly the expected shards, Ready by its own word and mapped to it in HoraeMeta's view."""
    found = checks.expected_problems(topology, seen, host, expect)
    return "; ".join(problem.text for problem in found) or None

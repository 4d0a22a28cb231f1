# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Waits for daemons of a cluster: each look is held against the predicates of readiness.py, and what has to be done meanwhile is done.

That is the cure of a leader that hangs (hung.py), and the protection of a data node's shards (restart_protection.py).
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Union

from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import readiness, transfer
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.hung import Cure
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.restart_protection import RestartProtection, StopProtection
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology


def until_ready(
    kind: str, protection: Optional[RestartProtection], topology: Mapping[str, Any], host: str, **fields: Any
) -> Union[MemberWait, NodeWait, NodeShardsWait]:
    """Raises TypeError and ValueError on a spec that doesn't fit."""
    model = Topology.from_dict(topology)
    if kind == "member":
        if model.member(host) is None:
            raise ValueError("host %s has no HoraeMeta member in the topology" % host)
        return MemberWait(model, host, **fields)
    if model.node(host) is None:
        raise ValueError("host %s has no data node in the topology" % host)
    if kind == "node":
        return NodeWait(model, host, **fields)
    return NodeShardsWait(model, host, protection=protection, **fields)


def restart_protection(topology: Mapping[str, Any], host: str, **fields: Any) -> RestartProtection:
    """Raises TypeError and ValueError on a spec that doesn't fit."""
    return RestartProtection(Topology.from_dict(topology), host, **fields)


def stop_protection(topology: Mapping[str, Any], host: str) -> StopProtection:
    """Raises TypeError and ValueError on a spec that doesn't fit."""
    return StopProtection(Topology.from_dict(topology), host)


class MemberWait:
    """Until readiness.member_missing() finds nothing; a leader that hangs is cured meanwhile."""

    def __init__(self, topology: Topology, host: str) -> None:
        self._topology = topology
        self._host = host
        self._cure = Cure(topology)

    def poll(self, _elapsed: float) -> Optional[str]:
        seen = self._cure.judge(transfer.look(self._topology, suspects=self._cure.suspects))
        return self._cure.act(seen) or readiness.member_missing(self._topology, seen, self._host)


class NodeWait:
    """Until readiness.node_missing() finds nothing."""

    def __init__(self, topology: Topology, host: str) -> None:
        self._topology = topology
        self._host = host

    def poll(self, _elapsed: float) -> Optional[str]:
        return readiness.node_missing(self._topology, observe(self._topology, members=(), nodes=[self._host]), self._host)


class NodeShardsWait:
    """Until readiness.shards_missing() finds nothing; a leader that hangs is cured meanwhile, and the node's shards are protected."""

    def __init__(self, topology: Topology, host: str, expect: Sequence[int], protection: Optional[RestartProtection] = None) -> None:
        self._topology = topology
        self._host = host
        self._expect = [int(shard) for shard in expect]
        self._protection = protection
        self._cure = Cure(topology)

    def poll(self, elapsed: float) -> Optional[str]:
        seen = self._cure.judge(observe(self._topology, nodes=[self._host], suspects=self._cure.suspects))
        met = self._cure.act(seen)
        if met:
            return met
        silent = checks.node_problem(self._topology, seen, self._host)
        missing = silent.text if silent else readiness.shards_missing(self._topology, seen, self._host, self._expect)
        if missing is None or self._protection is None:
            return missing
        unprotected = self._protection.protect(elapsed, silent is not None)
        return "%s; its shards aren't protected yet: %s" % (missing, unprotected) if unprotected else missing

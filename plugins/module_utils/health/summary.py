# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The one view of a cluster that people read: who is there, who leads, who has which shard, what is wrong."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import (
    MemberSeen,
    NodeSeen,
    Observation,
    State,
    shards_by_host,
)
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology

# The last ones of those that are kept.
CURES = 5


def summary(topology: Topology, seen: Observation) -> Dict[str, Any]:
    """JSON types only."""
    entry = seen.cluster.entry if seen.cluster else None
    shards = shards_by_host(topology, seen)
    problems = [str(problem) for problem in checks.problems(topology, seen)]
    members = {m.host: m for m in seen.members}
    nodes = {n.host: n for n in seen.nodes}
    away = seen.cluster.downtimes if seen.cluster else {}
    serving = [node for node in topology.nodes if checks.node_problem(topology, seen, node.host) is None]
    return {
        "cluster": topology.cluster,
        "topology_type": entry.topology_type if entry else topology.topology_type,
        "healthy": not problems,
        "simulator": seen.simulator,
        "leader": seen.leader,
        "shard_total": entry.shard_total if entry else topology.shard_total,
        "members": {
            m.host: {
                "name": m.name,
                "address": m.api,
                "healthy": checks.member_problem(topology, seen, m.host) is None,
                "state": members.get(m.host, MemberSeen(m.host)).state.value,
                "leads": m.host == seen.leader,
                "version": members.get(m.host, MemberSeen(m.host)).version,
                "etcd_version": members.get(m.host, MemberSeen(m.host)).etcd_version,
            }
            for m in topology.members
        },
        "nodes": {
            n.host: {
                "name": n.name,
                "address": n.http,
                "healthy": n in serving,
                "shards": list(shards[n.host]),
                "version": nodes.get(n.host, NodeSeen(n.host)).version,
                "downtime": str(away[n.host]) if n.host in away else None,
            }
            for n in topology.nodes
        },
        "cures": [str(one) for one in (seen.cluster.cures if seen.cluster else ())[-CURES:]],
        "endpoint": serving[0].http if serving else None,
        "problems": problems,
    }


def lines(told: Mapping[str, Any]) -> List[str]:
    """A summary as text, one line for each thing."""
    served = sum(len(node["shards"]) for node in told["nodes"].values())
    state = "healthy" if told["healthy"] else "NOT HEALTHY"
    text = [
        "cluster %s: %s, %s topology, %d of %d shards mapped, leader %s"
        % (told["cluster"], state, told["topology_type"], served, told["shard_total"], told["leader"] or "unknown")
    ]
    if told["simulator"]:
        text.append("THESE ARE SIMULATORS, not HoraeDB: nothing they say tells about the real daemons' speed or data")
    for host, member in told["members"].items():
        role = "leader" if member["leads"] else "member"
        versions = _versions(("HoraeMeta", member["version"]), ("etcd", member["etcd_version"]))
        health = "HANGS" if member["state"] == State.HUNG.value else _health(member)
        text.append("%s %s  %s  %s%s" % (role, host, member["address"], health, versions))
    for host, node in told["nodes"].items():
        shards = "shards " + ", ".join(str(shard) for shard in node["shards"]) if node["shards"] else "no shards"
        versions = _versions(("HoraeDB", node["version"])) + ("  %s" % node["downtime"] if node["downtime"] else "")
        text.append("node   %s  %s  %s  %s%s" % (host, node["address"], _health(node), shards, versions))
    text += ["problem: " + problem for problem in told["problems"]]
    text += ["cured:  " + one for one in told["cures"]]
    if told["endpoint"]:
        text.append("query:  %s" % query(told["endpoint"]))
    return text


def query(endpoint: str) -> str:
    """A command to paste into a shell."""
    return "curl -s -H 'content-type: application/json' -d '{\"query\":\"SHOW TABLES\"}' %s/sql" % endpoint


def _health(told: Mapping[str, Any]) -> str:
    return "healthy" if told["healthy"] else "NOT HEALTHY"


def _versions(*named: Tuple[str, Optional[str]]) -> str:
    return "".join("  %s %s" % (name, version) for name, version in named if version)

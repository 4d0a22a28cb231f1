# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""HoraeMeta's HTTP API: every URL of a member that isn't etcd's stands here.

Success is HTTP 200 and `"status": "success"`; anything else comes with `error` and a `msg` that carries a Go stack trace.
A follower forwards everything but /debug/leader to the leader, so it looks as dead as a leader that hangs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Sequence, Tuple, TypeVar

from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import BadAnswer, Client, said, understood

Read = TypeVar("Read")

# The only schema that HoraeDB has.
SCHEMA = "public"


@dataclass(frozen=True)
class ClusterEntry:
    """A cluster as HoraeMeta has it, which is what counts: configuration can't change it any more. `id` is in the names of its keys in etcd."""

    name: str
    min_node_count: int
    shard_total: int
    topology_type: str
    batch_size: int
    id: int = 0


@dataclass(frozen=True)
class Diagnosis:
    """unregistered: shards that no node has; unready: shard -> its status and node."""

    unregistered: Tuple[int, ...]
    unready: Mapping[int, str]


class HoraeMeta:
    """One member. Every method raises http.CallFailed when it gets no good answer."""

    def __init__(self, base: str, client: Client) -> None:
        self._base = base
        self._client = client

    def leader_url(self) -> str:
        """The client URL of the member that this one takes for the leader; empty while there is none. Answered by the member itself."""
        return str(self._ask("GET", "/debug/leader") or "")

    def clusters(self) -> Tuple[ClusterEntry, ...]:
        """Empty for a moment after an election too."""
        return self._read("GET", "/api/v1/clusters", None, lambda data: tuple(_entry(one) for one in data or ()))

    def shard_nodes(self, cluster: str) -> Dict[int, Tuple[str, ...]]:
        """Shard -> names of the nodes that it is mapped to, with repetitions."""
        return self._read("POST", "/api/v1/getNodeShards", {"ClusterName": cluster}, _shard_nodes)

    def diagnose(self, cluster: str) -> Diagnosis:
        return self._read("GET", "/debug/diagnose/%s/shards" % cluster, None, _diagnosis)

    def table_counts(self, cluster: str, shards: Sequence[int]) -> Dict[int, int]:
        """Shard -> number of its tables. 2.1.0 answers for shard 0 as well, whichever were asked for."""
        body = {"clusterName": cluster, "shardIDs": list(shards)}
        return self._read("POST", "/api/v1/getShardTables", body, _table_counts)

    def transfer_shard(self, cluster: str, shard: int, node: str) -> None:
        """Begins a procedure: success says nothing about its end."""
        body = {"clusterName": cluster, "shardID": shard, "OldLeaderNodeName": "", "newLeaderNodeName": node}
        self._ask("POST", "/api/v1/transferLeader", body)

    def delete_table(self, cluster: str, table: str) -> None:
        """Deletes the metadata alone: no node hears of it."""
        self._ask("DELETE", "/api/v1/table", {"clusterName": cluster, "schemaName": SCHEMA, "table": table})

    def set_topology_type(self, cluster: str, topology_type: str, batch_size: int) -> None:
        """Changes the metadata. A scheduler keeps the type that it was started with until the next election."""
        body = {"topologyType": topology_type, "procedureExecutingBatchSize": batch_size}
        self._ask("PUT", "/api/v1/clusters/%s" % cluster, body)

    def schedules_dynamically(self, cluster: str) -> bool:
        """Which scheduler runs, whatever the metadata say by now: only the dynamic one can be frozen."""
        try:
            self._ask("GET", "/debug/clusters/%s/enableSchedule" % cluster)
        except BadAnswer as error:
            if "invalid topology type" in error.why:
                return False
            raise
        return True

    def move_leader(self, member: str) -> None:
        """Hands etcd's leadership to the member of this name, and HoraeMeta's with it. Works on a member that hangs.

        What it answers isn't what counts: see who leads then.
        """
        self._ask("POST", "/api/v1/etcd/moveLeader", {"memberName": member})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """The `data` of HoraeMeta's envelope; BadAnswer when it says anything but success."""
        answer = self._client.call(method, self._base + path, body)
        document = answer.json()
        if not isinstance(document, dict) or document.get("status") != "success":
            raise answer.bad("answered without success: %s" % said(answer))
        return document.get("data")

    def _read(self, method: str, path: str, body: Any, read: Callable[[Any], Read]) -> Read:
        return understood(self._base + path, self._ask(method, path, body), read)


def _entry(one: Any) -> ClusterEntry:
    return ClusterEntry(
        name=str(one["Name"]),
        min_node_count=int(one["MinNodeCount"]),
        shard_total=int(one["ShardTotal"]),
        topology_type=str(one["TopologyType"]),
        batch_size=int(one["ProcedureExecutingBatchSize"]),
        id=int(one.get("ID", 0)),
    )


def _shard_nodes(data: Any) -> Dict[int, Tuple[str, ...]]:
    view: Dict[int, Tuple[str, ...]] = {}
    for entry in data["NodeShards"] or []:
        shard, node = int(entry["ShardInfo"]["ID"]), str(entry["ShardNode"]["NodeName"])
        view[shard] = view.get(shard, ()) + ((node,) if node else ())
    return view


def _diagnosis(data: Any) -> Diagnosis:
    unready = {int(shard): "%s on %s" % (e["status"], e["nodeName"]) for shard, e in (data["unreadyShards"] or {}).items()}
    return Diagnosis(tuple(sorted(int(shard) for shard in data["unregisteredShards"] or [])), unready)


def _table_counts(data: Any) -> Dict[int, int]:
    return {int(shard): len(entry["Tables"] or []) for shard, entry in data.items()}

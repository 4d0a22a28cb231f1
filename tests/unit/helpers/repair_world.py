"""A world in which shards can be forgotten and put back, by the rules that were measured on the real daemons.

- A static cluster takes over what a node reports only while its metadata say dynamic, and only when the report has changed.
- transferLeader says success whatever happens.
- Whoever comes to lead while they say dynamic runs the dynamic scheduler, until the next leader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.records.assignment import Assignment

from tests.unit.helpers.cluster_world import READY, Reply, World, ok


class RepairWorld(World):
    def __init__(self, members: int = 3, nodes: int = 3, topology_type: str = "static") -> None:
        super().__init__(members, nodes, topology_type)
        self.home = dict(self.view)
        self.reported = {host: frozenset(node.shards) for host, node in self.nodes.items()}
        self.scheduler = topology_type
        self.transfers: list[tuple[int, str, str]] = []
        self.lies = 0  # so many transfers are acknowledged, and nothing happens
        self.opens_as = READY
        self.opening_is_reported = True
        self.scheduler_is_told = True
        self.refused = 0  # so many requests to be static again are answered with an error
        self.ignored = 0  # ... and so many with success, and nothing happens
        self.topology_types: list[str] = []
        self.tables = dict.fromkeys(range(8), 1)
        self.hooks: dict[str, Callable[[], None]] = {}  # path -> called once, before it is answered

    def heal(self) -> None:
        """As it was in the beginning."""
        self.entry["TopologyType"] = self.scheduler = self.topology_type
        self.leader = "meta1"
        self.view = sorted(self.home.items())
        for host, node in self.nodes.items():
            node.shards = {shard: READY for shard, name in self.view if name == node.name}
            self.reported[host] = frozenset(node.shards)

    @property
    def entry(self) -> dict[str, Any]:
        return self.clusters[0]

    def remember(self, **changes: Any) -> None:
        """The record of the whole cluster, as the gate wrote it."""
        names = tuple(node.name for node in self.nodes.values())
        values = {"cluster": "defaultCluster", "topology_type": "static", "shards": self.home, "nodes": names, **changes}
        self.kv[assignment.key("defaultCluster")] = (Assignment(**values).to_json(), 7)

    def forget(self, *hosts: str, serving: bool = False) -> list[int]:
        """The shards of these nodes leave the view. serving: the nodes were never down, only unheard."""
        names = [self.nodes[host].name for host in hosts]
        lost = [shard for shard, name in self.view if name in names]
        self.view = [entry for entry in self.view if entry[1] not in names]
        if not serving:
            for host in hosts:
                self.restart(host)
        return lost

    def restart(self, host: str) -> None:
        """It comes back with what is mapped to it; its first heartbeat said that it has nothing."""
        node = self.nodes[host]
        node.shards.clear()
        self.heartbeats()
        node.shards.update({shard: READY for shard, name in self.view if name == node.name})
        self.heartbeats()

    def heartbeats(self) -> None:
        for host, node in self.nodes.items():
            has = frozenset(shard for shard, status in node.shards.items() if status == READY or self.opening_is_reported)
            if has != self.reported[host] and self.entry["TopologyType"] == "dynamic":
                self.view = [entry for entry in self.view if entry[1] != node.name] + [(shard, node.name) for shard in sorted(has)]
            self.reported[host] = has

    def elect(self, host: str) -> None:
        self.leader = host
        self.term += 1
        self.scheduler = self.entry["TopologyType"]

    def move(self, asked: str, name: str) -> Reply:
        term = self.term
        reply = super().move(asked, name)
        if self.term != term:
            self.scheduler = self.entry["TopologyType"]
            if self.topology_type == "dynamic":
                self.view = [(shard, node.name) for node in self.nodes.values() for shard in node.shards]
        return reply

    def node_shards(self) -> list[dict[str, Any]]:
        self.heartbeats()
        return super().node_shards()

    def answer_more(self, host: str, method: str, path: str, body: Any) -> Reply:
        hook = self.hooks.pop(path, None)
        if hook:
            hook()
        if (method, path) == ("PUT", "/api/v1/clusters/defaultCluster"):
            assert body["procedureExecutingBatchSize"] == 4294967295, "the batch size was changed on the way"
            return self._update(body["topologyType"])
        if path == "/debug/clusters/defaultCluster/enableSchedule" and self.scheduler_is_told:
            said = "(#400)invalid topology type, cause:deploy mode could only get when topology type is dynamic"
            error = {"status": "error", "error": "(#500)get enableSchedule, cause:<nil>", "msg": said}
            return ok(False) if self.scheduler == "dynamic" else (500, error)
        if path == "/api/v1/getShardTables":
            # Shard 0 is always there too.
            return ok({str(shard): {"Shard": {}, "Tables": [{}] * self.tables[shard]} for shard in (0, *body["shardIDs"])})
        if path == "/api/v1/transferLeader":
            self._transfer(body["shardID"], body["OldLeaderNodeName"], body["newLeaderNodeName"])
            return ok("success")
        return super().answer_more(host, method, path, body)

    def _update(self, topology_type: str) -> Reply:
        if topology_type == "static" and self.refused:
            self.refused -= 1
            return 500, {"status": "error", "error": "(#500)update cluster", "msg": "etcdserver: leader changed"}
        if topology_type == "static" and self.ignored:
            self.ignored -= 1
            return ok(0)
        self.entry["TopologyType"] = topology_type
        self.topology_types.append(topology_type)
        return ok(0)

    def _transfer(self, shard: int, old: str, new: str) -> None:
        self.transfers.append((shard, old, new))
        if self.lies:
            self.lies -= 1
            return
        for node in self.nodes.values():
            if node.name == new:
                node.shards[shard] = self.opens_as

    @property
    def whole(self) -> bool:
        """Every shard at home, by the view and by the nodes; static, and scheduled as static."""
        held = {shard: node.name for node in self.nodes.values() for shard, status in node.shards.items() if status == READY}
        at_home = dict(self.view) == held == self.home and len(self.view) == 8
        return at_home and self.entry["TopologyType"] == self.scheduler == "static"

"""What a leader knows about one cluster, and how heartbeats and time change it. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

# HoraeMeta's constant: seconds since the last heartbeat after which a node counts as gone.
NODE_EXPIRY = 10.0

EMPTY, PREPARE, STABLE = "Empty", "Prepare", "Stable"
STATIC, DYNAMIC = "static", "dynamic"
READY = "Ready"


@dataclass(frozen=True)
class ClusterInfo:
    """What POST /clusters made and what GET /clusters lists."""

    id: int
    name: str
    min_node_count: int
    shard_total: int
    topology_type: str
    batch_size: int
    created_at: int
    modified_at: int

    def to_json(self) -> Dict[str, object]:
        return {
            "ID": self.id,
            "Name": self.name,
            "MinNodeCount": self.min_node_count,
            "ShardTotal": self.shard_total,
            "TopologyType": self.topology_type,
            "ProcedureExecutingBatchSize": self.batch_size,
            "CreatedAt": self.created_at,
            "ModifiedAt": self.modified_at,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> ClusterInfo:
        names = ("ID", "Name", "MinNodeCount", "ShardTotal", "TopologyType", "ProcedureExecutingBatchSize", "CreatedAt", "ModifiedAt")
        return cls(*(data[name] for name in names))  # type: ignore[arg-type]


@dataclass(frozen=True)
class NodeReport:
    """The newest heartbeat of a node: when it came and {shard: status}."""

    name: str
    heard: float
    shards: Mapping[int, str]

    def expired(self, now: float) -> bool:
        return now - self.heard >= NODE_EXPIRY


@dataclass(frozen=True)
class View:
    """The persistent map. A shard may for a moment be listed under two nodes, as in the real one."""

    state: str = EMPTY
    version: int = 0
    entries: Tuple[Tuple[int, str], ...] = ()

    def node_of(self, shard: int) -> Optional[str]:
        return next((node for held, node in self.entries if held == shard), None)

    def changed(self, entries: Sequence[Tuple[int, str]], state: Optional[str] = None) -> View:
        return View(state or self.state, self.version + 1, tuple(entries))


@dataclass
class ClusterModel:
    info: ClusterInfo
    view: View
    nodes: Dict[str, NodeReport] = field(default_factory=dict)

    def register(self, report: NodeReport) -> View:
        """Takes in a heartbeat; returns the view that results."""
        view = self.view
        # Counted before this node is added: the cluster leaves Empty one heartbeat late.
        if len(self.nodes) >= self.info.min_node_count and view.state == EMPTY:
            view = view.changed((), PREPARE)
        previous = self.nodes.get(report.name)
        self.nodes[report.name] = report
        if self.info.topology_type == STATIC and view.state == STABLE:
            return view
        if previous is not None and set(previous.shards) == set(report.shards):
            return view
        others = [entry for entry in view.entries if entry[1] != report.name]
        mine = [(shard, report.name) for shard in report.shards]
        if others + mine == list(view.entries):
            return view
        return view.changed(others + mine)

    def without_expired(self, now: float) -> View:
        """What the inspector leaves over. In a static, stable cluster nothing ever puts back what it takes."""
        expired = {node.name for node in self.nodes.values() if node.expired(now)}
        return self.without({entry for entry in self.view.entries if entry[1] in expired})

    def without(self, gone: Set[Tuple[int, str]]) -> View:
        kept = [entry for entry in self.view.entries if entry not in gone]
        return self.view if len(kept) == len(self.view.entries) else self.view.changed(kept)

    def prepared(self) -> bool:
        return self.view.state == PREPARE and {s for s, _ in self.view.entries} >= set(range(self.info.shard_total))

    def alive(self, now: float) -> List[NodeReport]:
        return [node for node in self.nodes.values() if not node.expired(now)]

    def update(self, topology_type: str, batch_size: int, now_ms: int) -> None:
        """Only the metadata: a running scheduler stays what it was until the leader changes."""
        self.info = replace(self.info, topology_type=topology_type, batch_size=batch_size, modified_at=now_ms)

    def diagnose(self) -> Tuple[List[int], Dict[int, Dict[str, str]]]:
        """(unregistered, unready) as the debug page has it: judged by what nodes LAST reported, never by the view."""
        reported = set()
        unready = {}
        for node in self.nodes.values():
            for shard, status in node.shards.items():
                reported.add(shard)
                if status != READY:
                    unready[shard] = {"nodeName": node.name, "status": "partialOpen"}
        return [s for s in range(self.info.shard_total) if s not in reported], unready

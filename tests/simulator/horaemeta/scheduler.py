"""What a leader decides every 5 seconds: which shards to open where. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Protocol

from horaemeta.model import DYNAMIC, EMPTY, PREPARE, READY, STABLE, ClusterModel
from horaemeta.picker import pick

TICK = 5.0


class UnexpectedCase(Exception):
    """The assertion on which the real leader panics."""


@dataclass(frozen=True)
class Transfer:
    """Close the shard on `old` (if any), then open it on `new`."""

    shard: int
    old: str
    new: str


class Scheduler(Protocol):
    def tick(self, model: ClusterModel, now: float) -> List[Transfer]: ...


class StaticScheduler:
    def tick(self, model: ClusterModel, now: float) -> List[Transfer]:
        alive = {node.name: node for node in model.alive(now)}
        if model.view.state == PREPARE and alive:
            target = pick(model.info.shard_total, sorted(alive), {})
            return [Transfer(shard, "", node) for shard, node in sorted(target.items()) if model.view.node_of(shard) is None]
        if model.view.state == STABLE:
            return [Transfer(s, "", node) for s, node in model.view.entries if node in alive and s not in alive[node].shards]
        return []


class DynamicScheduler:
    def __init__(self) -> None:
        self.frozen = False
        self.affinities: Dict[int, int] = {}
        self._latest: Dict[int, str] = {}

    def tick(self, model: ClusterModel, now: float) -> List[Transfer]:
        """Raises UnexpectedCase when frozen before it ever made a plan: a frozen scheduler goes by its last one."""
        if model.view.state == EMPTY:
            return []
        if not self.frozen:
            alive = sorted(node.name for node in model.alive(now))
            if not alive:
                return []
            self._latest = pick(model.info.shard_total, alive, self.affinities)
        if any(shard not in self._latest for shard in range(model.info.shard_total)):
            raise UnexpectedCase("unexpected case")
        moves = [Transfer(s, node, self._latest[s]) for s, node in model.view.entries if node != self._latest[s]]
        mapped = {shard for shard, _ in model.view.entries}
        return moves + [Transfer(s, "", self._latest[s]) for s in range(model.info.shard_total) if s not in mapped]


def scheduler_for(topology_type: str) -> Scheduler:
    return DynamicScheduler() if topology_type == DYNAMIC else StaticScheduler()


def reopen(model: ClusterModel, now: float) -> List[Transfer]:
    """Shards that a node reports as opened in part are opened there again."""
    return [Transfer(s, "", node.name) for node in model.alive(now) for s, status in node.shards.items() if status != READY]

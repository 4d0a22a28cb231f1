"""Which node gets which shard: consistent hashing with bounded loads, and affinities. Pure."""

from __future__ import annotations

import bisect
import hashlib
from typing import Dict, List, Mapping, Sequence, Set

VIRTUAL_NODES = 127


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class _Ring:
    def __init__(self, shard_total: int, nodes: Sequence[str]) -> None:
        self.shard_total = shard_total
        self.points = sorted((_hash("%s@$%d" % (node, i)), node) for node in nodes for i in range(VIRTUAL_NODES))
        self.held: Dict[str, Set[int]] = {node: set() for node in nodes}
        self.floor, self.ceiling = shard_total // len(nodes), -(-shard_total // len(nodes))

    def walk(self, shard: int) -> List[str]:
        """Nodes in the order in which they are asked to take the shard."""
        start = bisect.bisect(self.points, (_hash("shard %d" % shard), ""))
        return [node for _, node in self.points[start:] + self.points[:start]]

    def distribute(self) -> None:
        for shard in range(self.shard_total):
            order = self.walk(shard)
            chosen = next((n for n in order if len(self.held[n]) < self.floor), None)
            self.held[chosen or next(n for n in order if len(self.held[n]) < self.ceiling)].add(shard)

    def make_room(self, affinities: Mapping[int, int]) -> None:
        """A rule for a shard that does not exist is one for the first node of the ring, which keeps none if it has more than are allowed."""
        closed: Set[str] = set()
        for shard in sorted(affinities):
            owner = next((node for node, shards in self.held.items() if shard in shards), self.points[0][1])
            closed.add(owner)
            if len(self.held[owner]) <= affinities[shard] + 1:
                continue
            others = sorted(self.held[owner] - {shard})
            for extra in others[affinities[shard] :]:
                self._move(extra, owner, [node for node in self.walk(extra) if node not in closed])

    def _move(self, shard: int, owner: str, targets: List[str]) -> None:
        for load in range(self.ceiling, self.shard_total):
            for node in targets:
                if len(self.held[node]) < load:
                    self.held[owner].discard(shard)
                    self.held[node].add(shard)
                    return


def pick(shard_total: int, nodes: Sequence[str], affinities: Mapping[int, int]) -> Dict[int, str]:
    """{shard: node} for every shard. `affinities` is {shard: how many other shards its node may hold}."""
    ring = _Ring(shard_total, nodes)
    ring.distribute()
    ring.make_room(affinities)
    return {shard: node for node, shards in ring.held.items() for shard in shards}

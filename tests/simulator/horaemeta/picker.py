"""Which node gets which shard: consistent hashing with bounded loads, and affinities. Pure."""

from __future__ import annotations

import bisect
import hashlib
from typing import Dict, List, Mapping, Sequence, Set, Tuple

VIRTUAL_NODES = 127


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def pick(shard_total: int, nodes: Sequence[str], affinities: Mapping[int, int]) -> Dict[int, str]:
    """{shard: node} for every shard. `affinities` is {shard: how many other shards its node may hold}."""
    ring: List[Tuple[int, str]] = sorted((_hash("%s@$%d" % (node, i)), node) for node in nodes for i in range(VIRTUAL_NODES))
    held: Dict[str, Set[int]] = {node: set() for node in nodes}
    floor, ceiling = shard_total // len(nodes), -(-shard_total // len(nodes))

    def walk(shard: int) -> List[str]:
        start = bisect.bisect(ring, (_hash("shard %d" % shard), ""))
        return [node for _, node in ring[start:] + ring[:start]]

    for shard in range(shard_total):
        order = walk(shard)
        chosen = next((n for n in order if len(held[n]) < floor), None) or next(n for n in order if len(held[n]) < ceiling)
        held[chosen].add(shard)
    _make_room(shard_total, held, walk, affinities, ceiling)
    return {shard: node for node, shards in held.items() for shard in shards}


def _make_room(shard_total, held, walk, affinities, ceiling):  # type: ignore[no-untyped-def]
    """A rule for a shard that does not exist takes a node out all the same, as in the real one."""
    closed: Set[str] = set()
    for shard in sorted(affinities):
        owner = next((node for node, shards in held.items() if shard in shards), None) or walk(shard)[0]
        closed.add(owner)
        others = sorted(held[owner] - {shard})
        for extra in others[affinities[shard] :]:
            _move(extra, owner, shard_total, held, [n for n in walk(extra) if n not in closed], ceiling)


def _move(shard, owner, shard_total, held, targets, ceiling):  # type: ignore[no-untyped-def]
    for load in range(ceiling, shard_total):
        for node in targets:
            if len(held[node]) < load:
                held[owner].discard(shard)
                held[node].add(shard)
                return

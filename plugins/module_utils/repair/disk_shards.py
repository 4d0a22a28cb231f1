# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Where shards were, when nobody wrote it down: by the nodes' own word, and by what lies on their disks.

The local WAL has two logs, `wal` and `manifest`, each with one directory for a shard, named by its number. The real one's
directories have files `segment_<n>.wal` of a fixed length: a header, then records, then zeros; it makes one for every shard
that it opens, so an empty segment tells nothing. (Layout of the directories and of the segments: read in
apache/horaedb, src/wal/src/local_storage_impl, not measured.)
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import HoraeMeta
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import Client
from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import READY, Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.repair.plan import are, the

LOGS = ("wal", "manifest")
SEGMENT = re.compile(r"segment_(\d+)\.wal$")
# Version, then b"HoraeDBWAL". The first record begins right behind, and a record is longer than its 29 bytes of numbers.
HEADER = 11
RECORD = 4096

# inventory host -> numbers of the shards whose files lie on its disk
Evidence = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Proposal:
    """`shards`: shard -> inventory host, for those of the lost ones that have a likely place. `why`: a sentence for each thing seen."""

    shards: Mapping[int, str]
    sure: bool
    why: Tuple[str, ...]

    def to_dict(self) -> Dict[str, Any]:
        return {"shards": {str(shard): host for shard, host in sorted(self.shards.items())}, "sure": self.sure, "why": list(self.why)}


def on_disk(folder: str) -> Dict[int, List[str]]:
    """Shard -> the directories below the WAL's `folder` that have something of it; raises OSError when `folder` can't be read."""
    found: Dict[int, List[str]] = {}
    os.listdir(folder)
    for log in LOGS:
        parent = os.path.join(folder, log)
        for name in sorted(os.listdir(parent)) if os.path.isdir(parent) else ():
            path = os.path.join(parent, name)
            # Python calls other digits numbers too, and "007" is no name that HoraeDB gives.
            numbered = re.match(r"(0|[1-9][0-9]*)$", name) and os.path.isdir(path)
            if numbered and any(_tells(os.path.join(path, entry)) for entry in os.listdir(path)):
                found.setdefault(int(name), []).append(path)
    return found


def _tells(path: str) -> bool:
    """Whether a file holds something of a shard."""
    if not os.path.isfile(path) or not os.path.getsize(path):
        return False
    segment = SEGMENT.match(os.path.basename(path))
    if segment is None or int(segment.group(1)):
        # A second segment is only begun when the first one is full.
        return True
    with open(path, "rb") as stream:
        stream.seek(HEADER)
        return any(stream.read(RECORD))


def tables(topology: Topology, seen: Observation, shards: Sequence[int], timeout: float) -> Dict[int, int]:
    """Shard -> how many tables HoraeMeta has in it; raises http.CallFailed."""
    leader = topology.member(seen.leader or "")
    if leader is None:
        return {}
    counted = HoraeMeta(leader.api, Client(timeout)).table_counts(topology.cluster, shards)
    return {shard: counted[shard] for shard in shards if shard in counted}


def propose(
    topology: Topology, seen: Observation, shards: Sequence[int], evidence: Evidence, known: Optional[Mapping[int, int]] = None
) -> Proposal:
    """Where the lost `shards` probably belong. known: shard -> how many tables it has; a shard without a table may go anywhere.

    Sure only when nothing speaks against it: every data node was looked at, each shard was found on exactly one of them, and
    what is still mapped lies where it is mapped. Else shards have been elsewhere before, and one of the places is stale.
    """
    return _Proposing(topology, seen, evidence, known or {}).propose(shards)


class _Proposing:
    def __init__(self, topology: Topology, seen: Observation, evidence: Evidence, known: Mapping[int, int]) -> None:
        self._topology = topology
        self._seen = seen
        self._known = known
        self._found: Dict[int, List[str]] = {}
        for host, numbers in sorted(evidence.items()):
            for number in numbers:
                self._found.setdefault(int(number), []).append(host)
        self._looked = set(evidence)
        self._places: Dict[int, str] = {}
        self._why: List[str] = []
        self._doubts: List[str] = []

    def propose(self, shards: Sequence[int]) -> Proposal:
        by_disk = [shard for shard in shards if not self._by_word(shard)]
        unfound = [shard for shard in by_disk if not self._by_disk(shard)]
        for shard in unfound:
            self._without_data(shard)
        if by_disk:
            self._doubts += self._incomplete()
            self._doubts += self._contradictions()
        sure = not self._doubts and set(self._places) == set(shards)
        return Proposal(self._places, sure, (*self._why, *("in doubt: " + doubt for doubt in self._doubts)))

    def _by_word(self, shard: int) -> bool:
        """A node that serves it has its data."""
        ready = [state.host for state in self._seen.nodes if (state.shards or {}).get(shard) == READY]
        if len(ready) == 1:
            self._places[shard] = ready[0]
            self._why.append("shard %d: data node %s itself has it Ready" % (shard, ready[0]))
        elif ready:
            self._doubts.append("shard %d: the data nodes %s all say that they have it" % (shard, ", ".join(ready)))
        return bool(ready)

    def _by_disk(self, shard: int) -> bool:
        hosts = self._found.get(shard, [])
        if len(hosts) == 1:
            self._places[shard] = hosts[0]
            self._why.append("shard %d: its files lie on %s alone" % (shard, hosts[0]))
        elif hosts:
            self._doubts.append("shard %d: files of it lie on %s, and one of them may be stale" % (shard, ", ".join(hosts)))
        return bool(hosts)

    def _without_data(self, shard: int) -> None:
        if self._known.get(shard) == 0:
            self._places[shard] = self._emptiest()
            place = self._places[shard]
            self._why.append("shard %d: it has no table and no files, so any data node may have it; %s has the fewest" % (shard, place))
        elif shard in self._known:
            self._doubts.append("shard %d: it has tables, %d of them, and no files were found" % (shard, self._known[shard]))
        else:
            self._doubts.append("shard %d: no files were found" % shard)

    def _emptiest(self) -> str:
        view = (self._seen.cluster.view if self._seen.cluster else None) or {}
        load = {node.host: sum(node.name in names for names in view.values()) for node in self._topology.nodes}
        for host in self._places.values():
            load[host] += 1
        return min(load, key=lambda host: (load[host], host))

    def _incomplete(self) -> Iterator[str]:
        missing = [node.host for node in self._topology.nodes if node.host not in self._looked]
        if missing:
            yield "nobody has looked at the disks of %s" % ", ".join(missing)
        foreign = [shard for shard in self._found if shard >= self._topology.shard_total]
        if foreign:
            yield "files of %s lie there too, and the cluster has only %d shards: they may be another cluster's" % (
                the(sorted(foreign)),
                self._topology.shard_total,
            )

    def _contradictions(self) -> Iterator[str]:
        """What is still mapped shows whether the files can be trusted."""
        for shard, names in sorted(((self._seen.cluster.view if self._seen.cluster else None) or {}).items()):
            node = self._topology.node_named(names[0]) if len(names) == 1 else None
            elsewhere = [host for host in self._found.get(shard, []) if node is not None and host != node.host]
            if node is not None and elsewhere:
                yield "%s mapped to %s, and files of it lie on %s: shards have been moved in this cluster" % (
                    are([shard]),
                    checks.node_label(node),
                    ", ".join(elsewhere),
                )

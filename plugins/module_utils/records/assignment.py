# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The record of which data node holds which shard, kept in the cluster's own etcd.

A static cluster that has forgotten a shard can only be repaired by somebody who
knows which node has the shard's data, and nothing in HoraeMeta's API tells it
afterwards. Kept in etcd the record is replicated, is part of every snapshot, and
needs no state on a controller.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Mapping, Optional, Tuple

VERSION = 1


@dataclass(frozen=True)
class Assignment:
    """What a verified cluster looked like. No time stamp: an unchanged cluster must give an equal record."""

    cluster: str
    topology_type: str
    shards: Mapping[int, str]
    nodes: Tuple[str, ...]

    def to_json(self, indent: Optional[int] = None) -> str:
        return json.dumps(
            {
                "version": VERSION,
                "cluster": self.cluster,
                "topology_type": self.topology_type,
                "shards": {str(shard): self.shards[shard] for shard in sorted(self.shards)},
                "nodes": list(self.nodes),
            },
            indent=indent,
        )

    @classmethod
    def from_json(cls, text: str) -> Assignment:
        """Raises ValueError with a sentence."""
        try:
            data = json.loads(text)
            version = data["version"]
            if version == VERSION:
                return cls(
                    cluster=str(data["cluster"]),
                    topology_type=str(data["topology_type"]),
                    shards={int(shard): str(node) for shard, node in data["shards"].items()},
                    nodes=tuple(str(node) for node in data["nodes"]),
                )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError("it isn't a record of shard assignments (%s: %s)" % (type(error).__name__, error)) from None
        raise ValueError("it has version %s, and this release of horaedb.cluster reads version %d" % (version, VERSION))


def key(cluster: str) -> str:
    """Where the record of `cluster` is kept. HoraeMeta leaves keys outside of its own root path alone."""
    return "/ansible/horaedb.cluster/%s/assignment" % cluster

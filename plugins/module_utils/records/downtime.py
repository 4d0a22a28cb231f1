# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Which data nodes are away on purpose, since when, and by whom: one key in the cluster's own etcd."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Dict, Mapping, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import REQUEST_TIMEOUT, Unreachable
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records.operation_lock import PATIENCE, RACES, Patience, through_any


@dataclass(frozen=True)
class Downtime:
    since: str
    who: str

    def __str__(self) -> str:
        return "in a planned downtime since %s, by %s" % (self.since, self.who)


# inventory host of a data node -> its downtime
Downtimes = Mapping[str, Downtime]


def key(cluster: str) -> str:
    return "/ansible/horaedb.cluster/%s/downtimes" % cluster


def from_json(text: str) -> Dict[str, Downtime]:
    """Raises ValueError with a sentence."""
    try:
        return {str(host): Downtime(str(one["since"]), str(one["who"])) for host, one in json.loads(text).items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("it isn't a list of downtimes (%s: %s)" % (type(error).__name__, error)) from None


def to_json(downtimes: Downtimes) -> str:
    return json.dumps({host: {"since": one.since, "who": one.who} for host, one in sorted(downtimes.items())})


def noted(topology: Topology, host: str, timeout: float = REQUEST_TIMEOUT) -> Optional[Downtime]:
    """Raises CallFailed, and ValueError for a note that can't be read."""
    stored = through_any(topology, timeout, lambda etcd: etcd.get(key(topology.cluster)), Patience(PATIENCE))
    return from_json(stored.value).get(host) if stored else None


def change(topology: Topology, host: str, downtime: Optional[Downtime], timeout: float = REQUEST_TIMEOUT) -> Optional[Downtime]:
    """Notes a downtime of `host`, or with None that it is over. Returns the one that was noted before.

    A downtime that is noted already keeps its beginning. Raises CallFailed, and ValueError for a note that can't be read.
    """

    def once(etcd: Etcd) -> Optional[Downtime]:
        for _race in range(RACES):
            stored = etcd.get(key(topology.cluster))
            found = from_json(stored.value) if stored else {}
            before = found.get(host)
            if (before is None) == (downtime is None):
                return before
            wanted = {name: one for name, one in found.items() if name != host}
            if downtime is not None:
                wanted[host] = downtime
            if etcd.replace(key(topology.cluster), to_json(wanted), stored.revision if stored else 0):
                return before
        raise Unreachable(key(topology.cluster), "it changed %d times while it was to be written" % RACES)

    return through_any(topology, timeout, once, Patience(PATIENCE))

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The mark of a cluster in its object store: whose the prefix is.

HoraeDB's object paths carry no name of a cluster, and every cluster is called defaultCluster: two of them on one prefix
overwrite each other's files without a word.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.connection import StorageAnswer

# What a mark says that nobody can read: it isn't ours.
UNREADABLE: Dict[str, Any] = {"cluster": "?", "members": {}}


def mark_of(topology: Topology, machines: Mapping[str, str], found: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """What has to be there. `machines`: host -> digest of its machine id, where that is known; of other hosts what the mark says stays."""
    before = dict((found or {}).get("members") or {})
    members = {member.peer_url: machines.get(member.host) or before.get(member.peer_url, "") for member in topology.members}
    return {"cluster": topology.cluster, "members": members}


def is_ours(topology: Topology, machines: Mapping[str, str], found: Mapping[str, Any]) -> bool:
    """The cluster's name and one member in common. Addresses repeat between closed networks, machine ids don't."""
    if found.get("cluster") != topology.cluster:
        return False
    members = found.get("members") or {}
    for member in topology.members:
        machine, recorded = machines.get(member.host, ""), members.get(member.peer_url)
        if recorded is not None and (not machine or not recorded or machine == recorded):
            return True
    return False


def described(found: Mapping[str, Any]) -> str:
    """For a sentence."""
    members = ", ".join(sorted(found.get("members") or {})) or "members that it doesn't tell"
    return "cluster %s with %s" % (found.get("cluster"), members)


def to_bytes(mark: Mapping[str, Any]) -> bytes:
    return (json.dumps(mark, sort_keys=True, indent=1) + "\n").encode()


def of_answer(answer: StorageAnswer) -> Optional[Dict[str, Any]]:
    """None where there is no mark."""
    if answer.status == 404:
        return None
    try:
        found = json.loads(answer.body)
    except ValueError:
        return dict(UNREADABLE)
    if not isinstance(found, dict) or not isinstance(found.get("members"), dict):
        return dict(UNREADABLE)
    return {"cluster": str(found.get("cluster")), "members": {str(url): str(machine) for url, machine in found["members"].items()}}

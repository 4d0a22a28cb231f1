# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What the shard keeper beside one member has to know: pure, from the model. Its own file is in roles/shard_keeper."""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils import oplock
from ansible_collections.horaedb.cluster.plugins.module_utils.quantities import seconds
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.units import host_files

NAME = "horaedb-shard-keeper"
# In the RuntimeDirectory of the keeper's unit.
REQUEST = "/run/%s/restart-horaemeta" % NAME

_SYSTEMD = "/etc/systemd/system/"
_PATH = "%s-restart.path" % NAME
_SERVICE = "%s-restart.service" % NAME

# HoraeMeta's constant: seconds after a node's last heartbeat. Heartbeats go out every 2/3 of the lease.
FORGOTTEN = 10.0
# Seconds between the decision to move the leadership and the moment in which it has to have moved: two tries of a request and the move.
ROOM = 2.0
# Seconds. Half a second between two questions is what the prototype was measured with, and a healthy node answers within milliseconds.
INTERVAL = 0.5
REQUEST_TIMEOUT = 1.0
# At most one move in so many seconds; and so long a shard of a living node may be missing in dynamic topology's map.
PAUSE = 5.0
UNMAPPED = 10.0


def keeper_config(topology: Topology, host: str, spec: Mapping[str, Any]) -> Dict[str, Any]:
    """What the module `daemon` needs for the keeper on the host of a member: `config`, `files`, `links` and `environment`.

    `spec`: port, silence, silence_locked, user, state_dir, log_dir. Raises ValueError where the host has no member.
    """
    member = topology.member(host)
    if member is None:
        raise ValueError("%s is not a HoraeMeta member of this topology" % host)
    silence, silence_locked = _silences(topology, float(spec["silence"]), float(spec["silence_locked"]))
    alone = len(topology.members) == 1
    units = _restart_units() if alone else []
    return {
        "config": {
            "cluster": topology.cluster,
            "topology_type": topology.topology_type,
            "member": member.name,
            "members": [{"name": m.name, "api": m.api, "etcd": m.etcd, "client_url": m.client_url} for m in topology.members],
            "nodes": {node.name: node.http for node in topology.nodes},
            "lock_key": oplock.key(topology.cluster),
            "silence": silence,
            "silence_locked": silence_locked,
            "unmapped": UNMAPPED,
            "pause": PAUSE,
            "interval": INTERVAL,
            "timeout": REQUEST_TIMEOUT,
            "port": int(spec["port"]),
            "metrics_file": "%s/shard_keeper.prom" % spec["state_dir"],
            # With other members there is always somebody to lead, and nothing may be restarted.
            "restart_file": REQUEST if alone else "",
        },
        "files": host_files(NAME, spec["user"], [spec["state_dir"]], spec["log_dir"]) + units,
        # Starts and stops the path unit together with the keeper.
        "links": [{"path": "/etc/systemd/system/%s.service.wants/%s" % (NAME, _PATH), "target": _SYSTEMD + _PATH}] if alone else [],
        # A part of the keeper's generation, so that systemd is made to read the units again when they change.
        "environment": {"RESTART_UNITS": _digest(units)} if alone else {},
    }


def _silences(topology: Topology, silence: float, silence_locked: float) -> Tuple[float, float]:
    """As wanted, but not so short that a healthy node could count as silent, nor so long that its shards are forgotten first."""
    least = INTERVAL + REQUEST_TIMEOUT
    most = FORGOTTEN - ROOM - max((seconds(node.lease) * 2 / 3 for node in topology.nodes), default=0.0)
    bounded = max(least, min(silence, most))
    return bounded, max(bounded, min(silence_locked, most))


def _restart_units() -> List[Dict[str, str]]:
    """The only member may be restarted by the keeper, without privileges: it makes a file, and systemd does the rest."""
    path = [
        "[Unit]",
        "Description=Waits for the shard keeper's wish to restart HoraeMeta",
        "PartOf=%s.service" % NAME,
        "",
        "[Path]",
        "PathExists=%s" % REQUEST,
        "Unit=%s" % _SERVICE,
        "",
    ]
    service = [
        "[Unit]",
        "Description=Restarts HoraeMeta, so that it forgets no data node that it heard before",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=oneshot",
        # First, or the wish would be fulfilled for ever.
        "ExecStartPre=/bin/rm -f %s" % REQUEST,
        # A member that an operator stopped stays stopped.
        "ExecStart=/bin/systemctl try-restart horaemeta.service",
        "",
    ]
    return [
        {"path": _SYSTEMD + name, "content": "\n".join(lines), "mode": "0644", "apply": "none"}
        for name, lines in ((_PATH, path), (_SERVICE, service))
    ]


def _digest(units: Sequence[Mapping[str, str]]) -> str:
    return hashlib.sha256("\0".join(unit["content"] for unit in units).encode()).hexdigest()[:12]

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What the shard keeper beside one member has to know: pure, from the model. Its own file is in roles/shard_keeper."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.common.units import seconds
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import cures, operation_lock
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render.systemd_unit import host_files

NAME = "horaedb-shard-keeper"
# In the RuntimeDirectory of the keeper's unit.
RESTART_REQUEST = "/run/%s/restart-horaemeta" % NAME
KILL_REQUEST = "/run/%s/kill-horaemeta" % NAME

_SYSTEMD = "/etc/systemd/system/"
# Seconds. A process that is younger was started after the wish to kill it.
_YOUNG = 3

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
    # With other members there is always somebody to lead, and nothing may be restarted that doesn't hang.
    alone = len(topology.members) == 1
    helpers = [_kill(), _restart()] if alone else [_kill()]
    units = [unit for helper in helpers for unit in helper.units]
    return {
        "config": {
            "cluster": topology.cluster,
            "topology_type": topology.topology_type,
            "member": member.name,
            "members": [{"name": m.name, "api": m.api, "etcd": m.etcd, "client_url": m.client_url} for m in topology.members],
            "nodes": {node.name: node.http for node in topology.nodes},
            "lock_key": operation_lock.key(topology.cluster),
            # HoraeMeta's own (server/member/member.go, formatLeaderKey).
            "leader_key": "%s/members/leader" % topology.root_path,
            "cures_prefix": cures.prefix(topology.cluster),
            "silence": silence,
            "silence_locked": silence_locked,
            "unmapped": UNMAPPED,
            "pause": PAUSE,
            "interval": INTERVAL,
            "timeout": REQUEST_TIMEOUT,
            "port": int(spec["port"]),
            "metrics_file": "%s/shard_keeper.prom" % spec["state_dir"],
            "restart_file": RESTART_REQUEST if alone else "",
            "kill_file": KILL_REQUEST,
        },
        "files": host_files(NAME, spec["user"], [spec["state_dir"]], spec["log_dir"]) + units,
        # Starts and stops the path units together with the keeper.
        "links": [
            {"path": "/etc/systemd/system/%s.service.wants/%s" % (NAME, helper.path), "target": _SYSTEMD + helper.path} for helper in helpers
        ],
        # A part of the keeper's generation, so that systemd is made to read the units again when they change.
        "environment": {"HELPER_UNITS": _digest(units)},
    }


def _silences(topology: Topology, silence: float, silence_locked: float) -> Tuple[float, float]:
    """As wanted, but not so short that a healthy node could count as silent, nor so long that its shards are forgotten first."""
    least = INTERVAL + REQUEST_TIMEOUT
    most = FORGOTTEN - ROOM - max((seconds(node.lease) * 2 / 3 for node in topology.nodes), default=0.0)
    bounded = max(least, min(silence, most))
    return bounded, max(bounded, min(silence_locked, most))


@dataclass(frozen=True)
class _Helper:
    """What root does for the keeper, which has no privileges: it makes the file `request`, and systemd does the rest."""

    name: str
    request: str
    waits_for: str
    does: str
    start: Tuple[str, ...]

    @property
    def path(self) -> str:
        return "%s-%s.path" % (NAME, self.name)

    @property
    def service(self) -> str:
        return "%s-%s.service" % (NAME, self.name)

    @property
    def units(self) -> List[Dict[str, str]]:
        path = [
            "[Unit]",
            "Description=Waits for the shard keeper's wish to %s" % self.waits_for,
            "PartOf=%s.service" % NAME,
            "",
            "[Path]",
            "PathExists=%s" % self.request,
            "Unit=%s" % self.service,
            "",
        ]
        service = [
            "[Unit]",
            "Description=%s" % self.does,
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=oneshot",
            # First, or the wish would be fulfilled for ever.
            "ExecStartPre=/bin/rm -f %s" % self.request,
            *self.start,
            "",
        ]
        return [
            {"path": _SYSTEMD + name, "content": "\n".join(lines), "mode": "0644", "apply": "none"}
            for name, lines in ((self.path, path), (self.service, service))
        ]


def _restart() -> _Helper:
    """Of the only member, so that it forgets whom it heard."""
    return _Helper(
        "restart",
        RESTART_REQUEST,
        "restart HoraeMeta",
        "Restarts HoraeMeta, so that it forgets no data node that it heard before",
        # A member that an operator stopped stays stopped.
        ("ExecStart=/bin/systemctl try-restart horaemeta.service",),
    )


def _kill() -> _Helper:
    """Of a member that hangs: SIGTERM doesn't end it. Its own unit brings it back, unless it is being stopped on purpose.

    All processes of the unit are killed: with podman the client and the member itself, with docker the client, whose unit then removes the
    container. One that is young isn't the one that hung, but was started after it.
    """
    script = (
        # Field 22 of the process' stat, in 1/100 s after the boot. Field 2 is its name and may have anything in it but is the last in brackets.
        "start() { read -r stat < /proc/$1/stat; set -- ${stat##*) }; echo ${20}; }",
        "pid=$(systemctl show --property=MainPID --value horaemeta.service)",
        'if [ -r "/proc/$pid/stat" ] && [ $(($(start $$) - $(start "$pid"))) -ge %d ]' % (_YOUNG * 100),
        "then exec systemctl kill --signal=SIGKILL horaemeta.service; fi",
    )
    return _Helper(
        "kill",
        KILL_REQUEST,
        "kill a HoraeMeta that hangs",
        "Kills a HoraeMeta that hangs, so that its own unit starts it again",
        ("ExecStart=/bin/sh -c '%s'" % "; \\\n    ".join(line.replace("$", "$$") for line in script),),
    )


def _digest(units: Sequence[Mapping[str, str]]) -> str:
    return hashlib.sha256("\0".join(unit["content"] for unit in units).encode()).hexdigest()[:12]

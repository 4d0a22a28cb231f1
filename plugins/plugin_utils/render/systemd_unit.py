# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The systemd unit of every daemon the collection runs: one sandbox, one restart policy.

Under these lines both 2.1.0 daemons were seen to start, make a cluster, take writes and
flush (systemd 252, exposure 1.2). Each deviation is an argument, so that none is hidden.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.horaedb.cluster.plugins.module_utils.service import container as service_container

SANDBOX = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "RemoveIPC=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
    "KeyringMode=private",
    "DevicePolicy=closed",
    "UMask=0027",
)


def service_unit(
    description: str,
    user: str,
    group: str,
    command: str,
    writable: Sequence[str] = (),
    log: Optional[str] = None,
    after: Sequence[str] = (),
    success_exit_status: Sequence[int] = (),
    stop_timeout: int = 30,
    limit_nofile: int = 65536,
    private_users: bool = True,
    extra: Optional[Mapping[str, str]] = None,
    container: Optional[Mapping[str, Any]] = None,
) -> str:
    """The text of a unit for the module `daemon`, which fills in @dir@, @generation@ and @image@.

    `writable`: the only directories the process may write to. `log`: file that takes stdout and
    stderr, which carry secrets and so must not reach the journal. `extra`: further [Service] lines; they win.
    `container`: `engine` and `name`, the names of the variables in `environment`, and further `options` of the engine: the command is
    then run inside the image, by the engine's client, which has to be root and brings the sandbox.
    """
    wanted = "network-online.target"
    identity = ["User=%s" % user, "Group=%s" % group]
    start = ["ExecStart=%s" % command]
    confinement = [*SANDBOX, "PrivateUsers=%s" % ("yes" if private_users else "no")]
    if writable:
        confinement.append("ReadWritePaths=%s" % " ".join(writable))
    if container:
        engine = service_container.engine_of(container["engine"])
        # Wanted, not required: with a required one, a restart of docker would leave the service stopped.
        wanted = " ".join([wanted, *engine.services])
        variables, options = container.get("environment") or (), container.get("options") or ()
        identity, confinement = [], ["UMask=0027"]
        start = service_container.service_lines(engine, container["name"], user, group, command, writable, variables, limit_nofile, options)
    unit: List[str] = [
        "[Unit]",
        "Description=%s" % description,
        "Wants=%s" % wanted,
        " ".join(["After=%s" % wanted, *after]),
        # Both daemons exit when a peer is not there yet, HoraeMeta even with code 0: they are to be tried again for ever.
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        *identity,
        "Environment=HORAE_GENERATION=@generation@",
        "EnvironmentFile=@dir@/environment",
        *start,
        "Restart=always",
        "RestartSec=1s",
        "TimeoutStopSec=%d" % stop_timeout,
        "LimitNOFILE=%d" % limit_nofile,
    ]
    if success_exit_status:
        unit.append("SuccessExitStatus=%s" % " ".join(str(status) for status in success_exit_status))
    if log:
        unit += ["StandardOutput=append:%s" % log, "StandardError=append:%s" % log]
    unit += confinement
    unit += ["%s=%s" % (key, value) for key, value in (extra or {}).items()]
    return "\n".join([*unit, "", "[Install]", "WantedBy=multi-user.target", ""])


def host_files(name: str, user: str, data_dirs: Sequence[str], log_dir: str) -> List[Dict[str, str]]:
    """Declarative files for the module `daemon`: user, directories and log rotation, made by systemd and logrotate.

    The log file is made beforehand: systemd opens it before it makes a LogsDirectory, and would make it root's alone.
    It is rotated by copying, because the daemon keeps it open.
    """
    log = "%s/%s.log" % (log_dir, name)
    home = data_dirs[0] if data_dirs else log_dir
    folders = ["d %s 0750 %s %s -" % (path, user, user) for path in (*data_dirs, log_dir)]
    rotate = ["weekly", "maxsize 100M", "rotate 8", "compress", "delaycompress", "copytruncate", "missingok", "notifempty", "su root %s" % user]
    return [
        {
            "path": "/etc/sysusers.d/%s.conf" % name,
            "content": 'u %s - "%s" %s\n' % (user, name, home),
            "mode": "0644",
            "apply": "sysusers",
        },
        {
            "path": "/etc/tmpfiles.d/%s.conf" % name,
            "content": "\n".join([*folders, "f %s 0640 root %s -" % (log, user), ""]),
            "mode": "0644",
            "apply": "tmpfiles",
        },
        {
            "path": "/etc/logrotate.d/%s" % name,
            "content": "\n".join(["%s {" % log, *("    " + line for line in rotate), "}", ""]),
            "mode": "0644",
            "apply": "none",
        },
    ]

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The command line that runs a daemon as a container in the foreground of its unit. Pure.

The client of the engine is the unit's main process: it hands signals on, ends with the daemon's exit status, and its environment names the
generation, as that of a daemon without a container does. So everything that reads, stops, restarts or rolls back a service stays the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

# What takes the place of the unit's sandbox. The host's network: names and ports are the cluster's, with and without a container.
_SANDBOX = (
    "--rm",
    "--network=host",
    # The image has been fetched and proved by then; a start must not depend on a registry.
    "--pull=never",
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    # The client writes the output to the unit's log, and no other log gets a copy. Handed to the daemon itself (podman's passthrough), that file
    # would be made the daemon's own.
    "--log-driver=none",
)

_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# What systemd takes as one word as it is.
_BARE = re.compile(r"[A-Za-z0-9_@%+=:,./{}-]+\Z")


@dataclass(frozen=True)
class Engine:
    """`packages`: names in the distribution, with a path that each of them provides. `services`: what its client talks to."""

    name: str
    path: str
    packages: Tuple[Tuple[str, str], ...]
    run: Tuple[str, ...]
    # Whether the daemon is a process of the unit, which systemd then limits and ends like any other.
    in_unit: bool
    services: Tuple[str, ...] = ()


ENGINES: Dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine(
            "podman",
            "/usr/bin/podman",
            # Not runc, which can't do without cgroups of its own.
            (("podman", "/usr/bin/podman"), ("crun", "/usr/bin/crun")),
            (
                "--cgroups=disabled",
                "--sdnotify=ignore",
                "--http-proxy=false",
                "--security-opt=label=disable",
                "--umask=0027",
            ),
            True,
        ),
        Engine("docker", "/usr/bin/docker", (("docker.io", "/usr/bin/docker"),), (), False, ("docker.service",)),
    )
}


def engine_of(name: str) -> Engine:
    if name not in ENGINES:
        raise ValueError("the container engine is %r; there are: %s" % (name, ", ".join(sorted(ENGINES))))
    return ENGINES[name]


def proof(engine: Engine, image: str, program: str, arguments: Sequence[str]) -> List[str]:
    """Runs the program once under the options of the unit, as a user without any rights: the service user may still be missing."""
    return [engine.path, "run", *_SANDBOX, *engine.run, "--user=65534:65534", "--entrypoint=" + program, image, *arguments]


def service_lines(
    engine: Engine,
    name: str,
    user: str,
    group: str,
    command: str,
    writable: Sequence[str],
    environment: Sequence[str],
    limit_nofile: int,
    options: Sequence[str] = (),
) -> List[str]:
    """The lines of [Service] that run `command` inside the image @image@."""
    program, *arguments = command.split()
    words = [*_SANDBOX, *engine.run, "--name=" + name]
    if engine.in_unit:
        # What is left of a container whose client was killed; and the limits are those that the unit sets.
        words += ["--replace", "--ulimit=host"]
    else:
        words.append("--ulimit=nofile=%d:%d" % (limit_nofile, limit_nofile))
    words += ["--volume=%s:%s:ro" % ("@dir@", "@dir@")]
    words += ["--volume=%s:%s" % (path, path) for path in map(_mountable, writable)]
    # By name only: the values come out of the client's environment, into which systemd reads the generation's file. A file for the engine would
    # be read by other rules than systemd's, and a value would be seen in the process list.
    words += ["--env=" + variable for variable in ("HORAE_GENERATION", *sorted(map(_variable, environment)))]
    words += [*options, "--entrypoint=" + program, "@image@", *arguments]
    lines = ["ExecStart=%s %s" % (_as_user(_account(user), _account(group)), " \\\n    ".join([engine.path, *map(_word, words)]))]
    if not engine.in_unit:
        # Killed, the client leaves its container running. In the log, that there was none would look like a failure.
        remove = "-/bin/sh -c '%s rm --force %s >/dev/null 2>&1'" % (engine.path, _account(name))
        lines = ["ExecStartPre=" + remove, *lines, "ExecStopPost=" + remove]
    # SIGTERM goes to the client alone, which hands it on; what is left after the time to stop is killed with it.
    return [*lines, "KillMode=mixed"]


def _as_user(user: str, group: str) -> str:
    """The image doesn't know the host's users, and only the host their numbers: they are looked up at each start."""
    numbers = "$$(id -u %s):$$(getent group %s | cut -d: -f3)" % (user, group)
    return """/bin/sh -c 'exec "$$0" run --user="%s" "$$@"'""" % numbers


def _word(text: str) -> str:
    """One word of a command line of systemd's. The placeholders of the module `daemon` are left as they are."""
    escaped = text.replace("%", "%%").replace("$", "$$")
    if _BARE.match(escaped):
        return escaped
    return '"%s"' % escaped.replace("\\", "\\\\").replace('"', '\\"')


def _mountable(path: str) -> str:
    if not path.startswith("/") or any(c in path for c in ":\n"):
        raise ValueError("%r can't be mounted into a container: an absolute path without a colon can" % path)
    return path


def _account(name: str) -> str:
    if not _ACCOUNT.match(name):
        raise ValueError("%r can't be the name of a user or a group (letters, digits, dot, dash and underscore)" % name)
    return name


def _variable(name: str) -> str:
    if not _VARIABLE.match(name):
        raise ValueError("%r can't be the name of an environment variable (letters, digits and _ only)" % name)
    return name

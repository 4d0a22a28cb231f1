# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What one shell command tells of a daemon that was installed by hand: its command, unit, environment and file."""

from __future__ import annotations

import base64
import binascii
import shlex
from dataclasses import dataclass, field

PROGRAMS = {"horaemeta": "horaemeta-server", "horaedb": "horaedb-server"}

# One line for each thing: its name and its text in base64. Nothing is written anywhere. A process in a container is seen with its own root.
_SCRIPT = r"""
say() { printf '%s ' "$1"; base64 | tr -d '\n'; echo; }
root= cwd= pid=
if [ -z "$unit$config" ]; then
    pid=$(pgrep -o -x "$(printf %.15s "$program")")
    [ -z "$pid" ] || unit=$(sed -n 's|.*/\([^/]*\.service\)$|\1|p' "/proc/$pid/cgroup" | tail -n 1)
    [ -n "$pid" ] || unit=$(grep -ls "$program" /etc/systemd/system/*.service /usr/lib/systemd/system/*.service /lib/systemd/system/*.service | head -n 1)
    unit=${unit##*/}
fi
if [ -n "$unit" ]; then
    printf %s "$unit" | say unit
    systemctl cat "$unit" 2>&1 | say unit_text
    for file in $(systemctl cat "$unit" 2>/dev/null | sed -n 's/^EnvironmentFile=-*//p'); do cat "$file" 2>/dev/null; echo; done | say environment_files
    main=$(systemctl show --property=MainPID --value "$unit" 2>/dev/null)
    [ "${main:-0}" = 0 ] || [ -n "$pid" ] || pid=$main
fi
if [ -n "$pid" ] && [ -r "/proc/$pid/environ" ]; then
    tr '\0' '\n' < "/proc/$pid/environ" | say environ
    tr '\0' '\n' < "/proc/$pid/cmdline" | say command
    stat -c %U "/proc/$pid" | say user
    cwd=/proc/$pid/cwd/
    # Not to be seen by root itself where the host is a container: then the process sees the files of the host.
    [ ! -d "/proc/$pid/root/" ] || root=/proc/$pid/root
    [ -n "$config" ] || config=$(tr '\0' '\n' < "/proc/$pid/cmdline" | sed -n -e '/^\(--config\|-c\)$/{n;p;q}' -e 's/^--config=//p' | head -n 1)
fi
if [ -z "$config" ] && [ -n "$unit" ]; then
    named='s/^ExecStart=.*[[:space:]]\(--config[=[:space:]]\|-c[[:space:]]\)[[:space:]]*\([^[:space:]]*\).*/\2/p'
    config=$(systemctl cat "$unit" 2>/dev/null | sed -n "$named" | tail -n 1)
fi
hostname | say hostname
[ -z "$config" ] || printf %s "$config" | say config
case $config in
'') ;;
/*) cat "$root$config" 2>/dev/null | say text ;;
*) cat "$cwd$config" 2>/dev/null | say text ;;
esac
"""


def script(daemon: str, unit: str, config: str) -> str:
    """For /bin/sh. An empty unit and config are looked for: the running process first, then the units."""
    given = (("program", PROGRAMS[daemon]), ("unit", unit), ("config", config))
    return "\n".join("%s=%s" % (name, shlex.quote(value)) for name, value in given) + _SCRIPT


@dataclass(frozen=True)
class InstalledDaemon:
    """Empty texts are what there is nothing of. `environment` is the process's own, else what its unit gives it; `given` are the unit's names."""

    config: str = ""
    text: str = ""
    unit: str = ""
    command: str = ""
    user: str = ""
    hostname: str = ""
    limit_nofile: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()


def parse(output: str) -> InstalledDaemon:
    """Raises ValueError when it isn't the script's output."""
    said: dict[str, str] = {}
    for line in output.splitlines():
        name, _blank, encoded = line.strip().partition(" ")
        try:
            said[name] = base64.b64decode(encoded, validate=True).decode("utf-8", errors="replace")
        except binascii.Error:
            raise ValueError(line) from None
    if "hostname" not in said:
        raise ValueError(output)
    unit = said.get("unit_text", "")
    given = _assignments(said.get("environment_files", "").splitlines())
    for line in _values(unit, "Environment"):
        given.update(_assignments(_words(line)))
    environ = _assignments(said.get("environ", "").splitlines())
    return InstalledDaemon(
        config=said.get("config", ""),
        text=said.get("text", ""),
        unit=said.get("unit", ""),
        command=" ".join(said.get("command", "").split()) or (_values(unit, "ExecStart") or [""])[-1],
        user=said.get("user", "").strip() or (_values(unit, "User") or [""])[-1],
        hostname=said["hostname"].strip(),
        limit_nofile=(_values(unit, "LimitNOFILE") or [""])[-1],
        environment=environ or given,
        given=frozenset(given),
    )


def _values(unit: str, name: str) -> list[str]:
    return [line.partition("=")[2].strip() for line in unit.splitlines() if line.startswith(name + "=")]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []


def _assignments(lines: list[str]) -> dict[str, str]:
    pairs = (line.strip().partition("=") for line in lines if "=" in line and not line.lstrip().startswith(("#", ";")))
    return {name: value.strip("\"'") for name, _sign, value in pairs}

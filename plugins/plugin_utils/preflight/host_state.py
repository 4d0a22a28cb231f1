# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""One look at a host with nothing but a POSIX shell: before Python is known to be there, before anything is touched.

A shell line costs a target 10 ms where a module costs 200 ms, and it works on the host
whose missing Python is what has to be reported.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

# `held` prints yes for the first path that has a non-empty file under it. Caches and traces are not data.
_SCRIPT = """
held() {
  for path in "$@"; do
    found=$(find "$path" -mindepth 1 \\( -name cache -o -name sst_cache -o -name tracing \\) -prune -o -type f -size +0 -print 2>/dev/null | head -n 1)
    [ -n "$found" ] && { echo yes; return; }
  done
  echo no
}
echo "uid=$(id -u)"
echo "machine=$(cat /etc/machine-id 2>/dev/null)"
echo "boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
echo "systemd=$(systemctl --version 2>/dev/null | sed -n '1s/systemd \\([0-9]*\\).*/\\1/p')"
echo "python=$(%(python)s -c 'import sys; print("%%d.%%d" %% sys.version_info[:2])' 2>/dev/null)"
echo "member_holds=$(held %(member)s)"
echo "node_holds=$(held %(node)s)"
"""


@dataclass(frozen=True)
class HostState:
    """What a host said of itself. `member_holds` and `node_holds`: whether data lies in the daemons' directories."""

    host: str
    uid: int
    machine: str
    boot: str
    systemd: int
    python: Tuple[int, ...]
    member_holds: bool
    node_holds: bool

    def to_dict(self) -> Dict[str, Any]:
        return dict(self.__dict__, python=list(self.python))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> HostState:
        return cls(**dict(data, python=tuple(data["python"])))


def script(python: str, member_paths: Sequence[str], node_paths: Sequence[str]) -> str:
    """The shell script to run as root on the host."""

    def words(paths: Sequence[str]) -> str:
        return " ".join(shlex.quote(path) for path in paths)

    return _SCRIPT % {"python": shlex.quote(python), "member": words(member_paths), "node": words(node_paths)}


def parse(host: str, stdout: str) -> HostState:
    """Reads the script's output; ValueError when it is not what the script prints."""
    pairs = dict(line.partition("=")[::2] for line in stdout.splitlines() if "=" in line)
    if "uid" not in pairs or "node_holds" not in pairs:
        raise ValueError("the host's shell answered %r" % stdout[-200:])
    python = pairs.get("python", "")
    return HostState(
        host=host,
        uid=int(pairs["uid"] or -1),
        machine=pairs.get("machine", ""),
        boot=pairs.get("boot", ""),
        systemd=int(pairs.get("systemd") or 0),
        python=tuple(int(part) for part in python.split(".")) if python else (),
        member_holds=pairs.get("member_holds") == "yes",
        node_holds=pairs["node_holds"] == "yes",
    )


def same_machine(states: Sequence[HostState]) -> List[Tuple[str, ...]]:
    """Groups of inventory names that are one machine. A cloned disk repeats the machine id, never the boot id as well."""
    seen: Dict[Tuple[str, str], List[str]] = {}
    for state in states:
        if state.machine and state.boot:
            seen.setdefault((state.machine, state.boot), []).append(state.host)
    return [tuple(sorted(hosts)) for hosts in seen.values() if len(hosts) > 1]


def by_host(states: Mapping[str, Optional[Mapping[str, Any]]]) -> Dict[str, HostState]:
    """The states that are known: hosts outside of --limit have none."""
    return {host: HostState.from_dict(data) for host, data in states.items() if data}

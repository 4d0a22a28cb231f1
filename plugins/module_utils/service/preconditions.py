# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Reasons not to begin: each is found before anything is touched, and says what to change."""

from __future__ import annotations

import ipaddress
import re
from typing import Dict, List, NamedTuple, Sequence, Set

from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Host
from ansible_collections.horaedb.cluster.plugins.module_utils.service.plan import Found
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Layout, Refused, generation_of

_LISTEN = "0A"
_SOCKET = re.compile(r"socket:\[(\d+)\]\Z")


class Listener(NamedTuple):
    address: str
    port: int
    inode: str


def listeners(table: str) -> List[Listener]:
    """The listening sockets of /proc/net/tcp or tcp6."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN:
            address, port = fields[1].rsplit(":", 1)
            found.append(Listener(_address(address), int(port, 16), fields[9]))
    return found


def overlap(bind: str, other: str) -> bool:
    """Whether two sockets on the same port get in each other's way."""
    return bind == other or _everything(bind) or _everything(other)


def space(host: Host, wanted: Dict[str, int]) -> None:
    """`wanted` is bytes by path. A filesystem that fills up halfway is the one failure that can spoil the way back too."""
    short = [(path, host.free(path), size) for path, size in wanted.items() if host.free(path) < size]
    if short:
        raise Refused(
            "; ".join("%s has %s free and %s are wanted: make room there" % (p, _size(free), _size(size)) for p, free, size in short)
        )


def strangers(host: Host, layout: Layout, found: Found) -> None:
    """Units and masks that somebody else put there are not ours to replace."""
    target = host.target(layout.unit)
    if target is not None:
        what = (
            "masked (`systemctl unmask %s` undoes that)" % layout.service if target == "/dev/null" else "a link to %s: remove it" % target
        )
        raise Refused("%s is %s." % (layout.unit, what))
    if found.unit is not None and found.current is None and generation_of(found.unit) is None:
        raise Refused(
            "%s exists and doesn't come from this collection: stop that service and move the unit away, or choose another name."
            % layout.unit
        )


def ports(host: Host, wanted: Sequence[int], bind: str) -> None:
    """Names whoever holds a port that the daemon is going to need."""
    tables = [(host.read("/proc/net/%s" % name) or b"").decode() for name in ("tcp", "tcp6")]
    taken = [one for table in tables for one in listeners(table) if one.port in wanted and overlap(bind, one.address)]
    if taken:
        holders = _holders(host, {one.inode for one in taken})
        lines = sorted(
            {"port %d is held by %s" % (one.port, holders.get(one.inode, "a process that can't be seen from here")) for one in taken}
        )
        raise Refused("%s: stop that process, or give the daemon another port." % "; ".join(lines))


def _holders(host: Host, inodes: Set[str]) -> Dict[str, str]:
    holders: Dict[str, str] = {}
    for pid in host.names("/proc"):
        if pid.isdigit():
            try:
                holders.update(_sockets(host, pid, inodes))
            except OSError:
                # It ended while it was looked at, or a container's root may not look into it: then it stays without a name.
                continue
    return holders


def _sockets(host: Host, pid: str, inodes: Set[str]) -> Dict[str, str]:
    folder = "/proc/%s/fd" % pid
    links = [_SOCKET.match(host.target("%s/%s" % (folder, descriptor)) or "") for descriptor in host.names(folder)]
    held_here = {link.group(1) for link in links if link} & inodes
    if not held_here:
        return {}
    name = (host.read("/proc/%s/comm" % pid) or b"?").decode(errors="replace").strip()
    return dict.fromkeys(held_here, "pid %s (%s)" % (pid, name))


def _address(text: str) -> str:
    """The kernel prints addresses as little-endian words of 32 bits."""
    raw = bytes.fromhex(text)
    swapped = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address = ipaddress.ip_address(swapped)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _everything(address: str) -> bool:
    return address in ("0.0.0.0", "::", "")


def _size(size: int) -> str:
    return "%.1f MiB" % (size / float(1 << 20))

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Reads what is on the host, with one `systemctl show` and a few small files."""

from __future__ import annotations

import json
import posixpath
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.service import image
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Looking, Stat
from ansible_collections.horaedb.cluster.plugins.module_utils.service.plan import FOREIGN, Damage, Found, Service
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import MANIFEST, MARK, Desired, Layout, Refused

# Rights below the root: the group reads secrets and runs the binary, others nothing.
DIRECTORY_MODE = 0o750
BINARY_MODE = 0o750
TEXT_MODE = 0o640
UNIT_MODE = 0o644
ROOT = "root"

PROPERTIES = (
    "ActiveState,SubState,MainPID,InvocationID,UnitFileState,NeedDaemonReload,ExecMainStartTimestampMonotonic,"
    "NRestarts,Result,ExecMainCode,ExecMainStatus"
)
# si_code of SIGCHLD, as systemd shows it in ExecMainCode.
_EXITED = "1"

LINKS = ("current", "previous", "staged")


def service(host: Looking, layout: Layout) -> Service:
    """What systemd and the process itself say."""
    ran = host.run(["systemctl", "show", layout.service, "--property=" + PROPERTIES])
    if ran.rc != 0:
        raise Refused("systemd doesn't answer on this host, and it is what runs %s: %s" % (layout.name, ran.said))
    shown = dict(line.split("=", 1) for line in ran.out.splitlines() if "=" in line)
    pid = int(shown.get("MainPID") or 0)
    code, status = shown.get("ExecMainCode", "0"), shown.get("ExecMainStatus", "0")
    return Service(
        active=shown.get("ActiveState", "inactive"),
        sub=shown.get("SubState", "dead"),
        pid=pid,
        invocation=shown.get("InvocationID", ""),
        enabled=shown.get("UnitFileState") == "enabled",
        needs_reload=shown.get("NeedDaemonReload") == "yes",
        started=int(shown.get("ExecMainStartTimestampMonotonic") or 0) / 1e6,
        restarts=int(shown.get("NRestarts") or 0),
        result=shown.get("Result", ""),
        died_of="" if code == "0" else ("exit status " if code == _EXITED else "signal ") + status,
        running=_generation_of_process(host, pid) if pid and shown.get("ActiveState") != "deactivating" else None,
    )


def found(host: Looking, desired: Desired) -> Found:
    """Everything the plan needs to know."""
    layout = desired.layout
    gid = host.gid(desired.group)
    generations = sorted(
        (n for n in host.names(layout.generations) if not n.startswith(".")), key=lambda n: _changed(host, layout.generation(n))
    )
    present = desired.generation in generations
    damage = _damage(host, desired, gid) if present else ()
    lacks_binary = desired.binary is not None and (not present or any(d.name == desired.binary.name for d in damage))
    record = recorded(host, layout)
    wanted_record = record_of(desired)
    unit = host.read(layout.unit)
    directories = [layout.root, layout.generations] + ([desired.directory] if present else [])
    current, previous, staged = (_link(host, layout, name) for name in LINKS)
    return Found(
        service=service(host, layout),
        unit=None if unit is None else unit.decode(errors="replace"),
        current=current,
        previous=previous,
        staged=staged,
        root_ok=all(_has(host.stat(d), DIRECTORY_MODE, gid) for d in directories),
        generations=tuple(generations),
        leftovers=_hidden(host, layout.generations) + _hidden(host, desired.directory),
        damage=damage,
        outside=tuple(_outside(host, desired)),
        links=tuple(path for path, target in desired.links if not _linked(host, path, desired.fill(target))),
        unwanted=tuple(sorted(set(record["files"] + record["links"]) - set(wanted_record["files"] + wanted_record["links"]))),
        recorded=all(set(wanted_record[kind]) <= set(record[kind]) for kind in wanted_record),
        distrusted=(host.read(layout.distrusted) or b"").decode(errors="replace"),
        twin=_twin(host, desired, generations, gid) if lacks_binary else None,
        image=desired.image is None or image.present(host, desired.image),
    )


def record_of(desired: Desired) -> Dict[str, List[str]]:
    return {"files": sorted(f.path for f in desired.outside), "links": sorted(path for path, _target in desired.links)}


def recorded(host: Looking, layout: Layout) -> Dict[str, List[str]]:
    """What earlier runs put outside of the root."""
    record = _json(host.read(layout.record))
    return {kind: list(record.get(kind) or ()) for kind in ("files", "links", "made")}


def manifest(host: Looking, directory: str) -> Mapping[str, Any]:
    return _json(host.read(posixpath.join(directory, MANIFEST)))


def identity(stat: Stat) -> Dict[str, int]:
    """Tells whether a binary is still the file that was checked, without reading its 40 MB again."""
    return {"size": stat.size, "mtime_ns": stat.mtime_ns, "inode": stat.inode}


def _json(data: Optional[bytes]) -> Mapping[str, Any]:
    # An edited or cut file is drift like any other: it counts as missing and is written again.
    try:
        parsed = json.loads(data or b"{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _generation_of_process(host: Looking, pid: int) -> Optional[str]:
    environ = host.read("/proc/%d/environ" % pid)
    if environ is None:
        return None
    values = dict(pair.split("=", 1) for pair in environ.decode(errors="replace").split("\0") if "=" in pair)
    return values.get(MARK, FOREIGN)


def _hidden(host: Looking, directory: str) -> Tuple[str, ...]:
    """What an interrupted run left: nothing else here has a name that begins with a dot."""
    return tuple(posixpath.join(directory, name) for name in host.names(directory) if name.startswith("."))


def _changed(host: Looking, path: str) -> int:
    stat = host.stat(path)
    return stat.mtime_ns if stat else 0


def _link(host: Looking, layout: Layout, name: str) -> Optional[str]:
    target = host.target(layout.link(name))
    return None if target is None else posixpath.basename(target)


def _has(stat: Optional[Stat], mode: int, gid: Optional[int]) -> bool:
    return stat is not None and (stat.mode, stat.uid, stat.gid) == (mode, 0, gid)


def _damage(host: Looking, desired: Desired, gid: Optional[int]) -> Tuple[Damage, ...]:
    damage = []
    for name, content in desired.texts.items():
        path = posixpath.join(desired.directory, name)
        data = host.read(path)
        if data != content:
            damage.append(Damage(name, "missing" if data is None else "edited"))
        elif not _has(host.stat(path), TEXT_MODE, gid):
            damage.append(Damage(name, "attributes"))
    known = manifest(host, desired.directory)
    same = known.get("generation") == desired.generation
    if desired.binary:
        stat = host.stat(desired.program)
        same = same and stat is not None and known.get("binary") == identity(stat)
        if stat is None or stat.kind != "file":
            damage.append(Damage(desired.binary.name, "missing"))
        elif not same and host.digest(desired.program) != desired.binary.sha256:
            damage.append(Damage(desired.binary.name, "edited"))
        elif not _has(stat, BINARY_MODE, gid):
            damage.append(Damage(desired.binary.name, "attributes"))
    # The daemon never reads it, so that one is never `edited`: it would cost a restart.
    return tuple(damage if same else damage + [Damage(MANIFEST, "missing")])


def _twin(host: Looking, desired: Desired, generations: List[str], gid: Optional[int]) -> Optional[str]:
    """The same binary in another generation: neither sent nor stored a second time."""
    for generation in generations:
        known = manifest(host, desired.layout.generation(generation))
        path = posixpath.join(desired.layout.generation(generation), str(known.get("program")))
        stat = host.stat(path)
        same = desired.binary and known.get("sha256") == desired.binary.sha256
        # A hard link shares its owner: with another group the two generations can't share a file.
        if same and generation != desired.generation and stat and known.get("binary") == identity(stat) and stat.gid == gid:
            return path
    return None


def _outside(host: Looking, desired: Desired) -> List[Damage]:
    damage = []
    for wanted in desired.outside:
        data = host.read(wanted.path)
        if data != wanted.content.encode():
            damage.append(Damage(wanted.path, "missing" if data is None else "edited"))
        elif not _has(host.stat(wanted.path), wanted.mode, host.gid(ROOT)):
            damage.append(Damage(wanted.path, "attributes"))
    return damage


def _linked(host: Looking, path: str, target: str) -> bool:
    stat = host.stat(path)
    if stat and stat.kind != "link":
        raise Refused("%s is a %s, and a link to %s belongs there: move it away." % (path, stat.kind, target))
    return host.target(path) == target

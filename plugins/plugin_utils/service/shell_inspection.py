# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A look at one daemon by a shell line, for the run that finds everything as it should be.

The module costs a host 200 ms, most of which is the start of Python and the reading of Ansible's library; a shell line costs 10. What it
prints is judged on the controller by the code that the module itself uses. Whatever isn't exactly as desired is the module's to look at
again, and to do. Contents don't travel: a file that has the digest of what is desired has its content.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
import shlex
import stat as modes
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.service import image, inspect, plan
from ansible_collections.horaedb.cluster.plugins.module_utils.service import run as service_run
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Looking, Ran, Stat
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import MANIFEST, MARK, Desired, Layout

# Every line is a word and what it announces; a path comes last, because it may have blanks in it.
_SCRIPT = """
export LC_ALL=C
seen='stat %%f %%u %%g %%s %%.9Y %%i %%n'
stat -c "$seen" -- %(paths)s 2>/dev/null
find %(folders)s -mindepth 1 -maxdepth 1 -exec stat -c "$seen" {} + 2>/dev/null
find %(links)s -maxdepth 0 -type l -printf 'link %%p\\t%%l\\n' 2>/dev/null
sha256sum -- %(digests)s 2>/dev/null | sed 's/^/digest /'
for file in %(texts)s; do [ -f "$file" ] && echo "text $(base64 -w 0 "$file") $file"; done
for group in %(group)s root; do echo "group $(getent group $group | cut -d: -f3) $group"; done
[ ! -e %(lock)s ] || flock --nonblock %(lock)s true || echo busy
shown=$(systemctl show %(service)s --property=%(properties)s)
echo "$shown" | sed 's/^/show /'
pid=$(echo "$shown" | sed -n 's/^MainPID=//p')
%(image)s
[ "${pid:-0}" != 0 ] && tr '\\0' '\\n' <"/proc/$pid/environ" | sed -n 's/^%(mark)s=/generation /p'
echo over
"""


class NotSeen(Failure):
    """Something else than the shell has looked at is asked for: the module has to look itself."""

    kind = "daemon.not_seen"


def script(desired: Desired, provides: Sequence[str] = ()) -> str:
    """What to run as root on the host. provides: paths that packages are there for."""
    layout = desired.layout
    outside = [wanted.path for wanted in desired.outside]
    links = [path for path, _target in desired.links]

    def words(paths: Sequence[str]) -> str:
        return " ".join(shlex.quote(path) for path in paths)

    return _SCRIPT % {
        "paths": words([layout.root, layout.generations, *outside, *links, *provides]),
        "folders": words([layout.generations, desired.directory]),
        "links": words([*(layout.link(name) for name in inspect.LINKS), *links]),
        "digests": words([*(posixpath.join(desired.directory, name) for name in desired.texts), *outside, layout.unit]),
        "texts": words([posixpath.join(desired.directory, MANIFEST), layout.record, layout.distrusted]),
        "group": shlex.quote(desired.group),
        "lock": shlex.quote(layout.lock),
        "service": shlex.quote(layout.service),
        "properties": inspect.PROPERTIES,
        "mark": MARK,
        "image": words(image.question(desired.image)) + " >/dev/null 2>&1 && echo image" if desired.image else "",
    }


def unchanged(desired: Desired, options: Mapping[str, Any], said: str) -> Optional[Dict[str, Any]]:
    """The module's result where there is nothing to do, by what the script said; None where the module has to look."""
    try:
        host = _Seen(desired, said)
        found = inspect.found(host, desired)
        steps = plan.plan(desired, found, options["state"], options["force"], options["keep"])
        missing = [package for package in options["packages"] if host.stat(package["provides"]) is None]
        return None if steps or missing else service_run.outcome(host, desired, found, steps)
    except (NotSeen, ValueError, LookupError):
        return None


class _Seen(Looking):
    """The host as the script saw it. It can't change anything."""

    def __init__(self, desired: Desired, said: str) -> None:
        """Raises ValueError or LookupError for what the script doesn't print."""
        lines = said.splitlines()
        if "over" not in lines:
            raise ValueError(said[-200:])
        if "busy" in lines:
            # Of a run whose controller died; the module waits for it.
            raise NotSeen(desired.layout.lock)
        told: Dict[str, List[str]] = {}
        for line in lines:
            word, _blank, rest = line.partition(" ")
            told.setdefault(word, []).append(rest)
        self._layout: Layout = desired.layout
        self._directory = desired.directory
        self._stats = dict(_stat(line) for line in told.get("stat", ()))
        self._targets = dict(line.split("\t", 1) for line in told.get("link", ()))
        # sha256sum writes two blanks between the digest and the path.
        self._digests = {path: digest for digest, path in (line.split("  ", 1) for line in told.get("digest", ()))}
        self._texts = {path: base64.b64decode(text) for text, path in (line.split(" ", 1) for line in told.get("text", ()))}
        self._gids = {group: gid for gid, group in (line.split(" ", 1) for line in told.get("group", ()))}
        self._shown = "\n".join(told.get("show", ()))
        # One that isn't there, or whose engine doesn't answer, is the module's to ask for.
        self._image = image.question(desired.image) if desired.image and "image" in told else []
        self._generation = "".join("%s=%s\0" % (MARK, line) for line in told.get("generation", ()))
        contents = [*desired.texts.values(), *(wanted.content.encode() for wanted in desired.outside)]
        self._contents = {hashlib.sha256(content).hexdigest(): content for content in contents}

    def read(self, path: str) -> Optional[bytes]:
        if path.startswith("/proc/"):
            return self._generation.encode()
        if path in self._digests:
            content = self._contents.get(self._digests[path])
            if content is None:
                raise NotSeen(path)
            return content
        # One that isn't there is missing only where it may be.
        if path in self._texts or path == self._layout.distrusted:
            return self._texts.get(path)
        raise NotSeen(path)

    def stat(self, path: str) -> Optional[Stat]:
        if path not in self._stats:
            raise NotSeen(path)
        return self._stats[path]

    def names(self, path: str) -> List[str]:
        if path not in (self._layout.generations, self._directory):
            raise NotSeen(path)
        return sorted(posixpath.basename(one) for one in self._stats if posixpath.dirname(one) == path)

    def target(self, path: str) -> Optional[str]:
        return self._targets.get(path)

    def gid(self, group: str) -> Optional[int]:
        return int(self._gids[group])

    def run(self, argv: Sequence[str], limit: float = 0) -> Ran:
        if self._image and list(argv) == self._image:
            return Ran(0, "", "")
        if list(argv[:2]) != ["systemctl", "show"]:
            raise NotSeen("%s, in %g s" % (" ".join(argv), limit))
        return Ran(0, self._shown, "")

    def digest(self, path: str) -> str:
        raise NotSeen(path)


def _stat(line: str) -> Tuple[str, Stat]:
    mode, uid, gid, size, mtime, inode, path = line.split(" ", 6)
    seconds, _point, nanoseconds = mtime.partition(".")
    kinds = {modes.S_IFREG: "file", modes.S_IFDIR: "directory", modes.S_IFLNK: "link"}
    bits = int(mode, 16)
    stat = Stat(
        mode=modes.S_IMODE(bits),
        uid=int(uid),
        gid=int(gid),
        size=int(size),
        mtime_ns=int(seconds) * 10**9 + int(nanoseconds),
        inode=int(inode),
        kind=kinds.get(modes.S_IFMT(bits), "other"),
    )
    return path, stat

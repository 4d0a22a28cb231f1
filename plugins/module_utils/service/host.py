# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The host as the transaction sees it: a few primitives, each of which can fail or be the last one before a kill."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import stat as modes
import subprocess
import time
from dataclasses import dataclass
from typing import IO, Any, ContextManager, Dict, List, Optional, Protocol, Sequence

from ansible_collections.horaedb.cluster.plugins.module_utils.common import atomic_write, digest
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused

# As timeout(1) and shells answer.
TIMED_OUT = 124
CANNOT_RUN = 127

_PLAIN = {"LC_ALL": "C", "SYSTEMD_COLORS": "0"}


@dataclass(frozen=True)
class Stat:
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    inode: int
    kind: str


@dataclass(frozen=True)
class Ran:
    rc: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Standard error first: that is where programs complain."""
        return "\n".join(part for part in (self.err.strip(), self.out.strip()) if part)


class Looking(Protocol):
    """What it takes to know what is on a host."""

    def read(self, path: str) -> Optional[bytes]: ...

    def stat(self, path: str) -> Optional[Stat]: ...

    def names(self, path: str) -> List[str]: ...

    def target(self, path: str) -> Optional[str]: ...

    def digest(self, path: str) -> str: ...

    def gid(self, group: str) -> Optional[int]: ...

    def run(self, argv: Sequence[str], limit: float = 0) -> Ran: ...


class Host(Looking, Protocol):
    """`write`, `symlink` and `rename` are atomic; everything belongs to root and to `group`."""

    def tail(self, path: str, offset: int, limit: int) -> bytes: ...

    def free(self, path: str) -> int: ...

    def mkdir(self, path: str, mode: int, group: str) -> None: ...

    def write(self, path: str, data: bytes, mode: int, group: str) -> None: ...

    def copy(self, source: str, path: str, mode: int, group: str) -> str: ...

    def hardlink(self, source: str, path: str) -> None: ...

    def own(self, path: str, mode: int, group: str) -> None: ...

    def symlink(self, target: str, path: str) -> None: ...

    def rename(self, source: str, path: str) -> None: ...

    def remove(self, path: str) -> None: ...

    def run_as(self, user: str, group: str, argv: Sequence[str], limit: float) -> Ran: ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class TargetHost:
    """The real one, on top of an AnsibleModule."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def read(self, path: str) -> Optional[bytes]:
        try:
            with open(path, "rb") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            return None

    def tail(self, path: str, offset: int, limit: int) -> bytes:
        """What was appended after `offset`, or to a file that was cut since; at most the last `limit` bytes."""
        try:
            with open(path, "rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(offset if offset <= size else 0, size - limit))
                return stream.read(limit)
        except FileNotFoundError:
            return b""

    def stat(self, path: str) -> Optional[Stat]:
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        kinds = {modes.S_IFREG: "file", modes.S_IFDIR: "directory", modes.S_IFLNK: "link"}
        return Stat(
            mode=modes.S_IMODE(found.st_mode),
            uid=found.st_uid,
            gid=found.st_gid,
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            inode=found.st_ino,
            kind=kinds.get(modes.S_IFMT(found.st_mode), "other"),
        )

    def names(self, path: str) -> List[str]:
        try:
            return sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def target(self, path: str) -> Optional[str]:
        return os.readlink(path) if os.path.islink(path) else None

    def digest(self, path: str) -> str:
        return digest.sha256_of(path)

    def gid(self, group: str) -> Optional[int]:
        try:
            return grp.getgrnam(group).gr_gid
        except KeyError:
            return None

    def free(self, path: str) -> int:
        """Bytes that root may still write on the filesystem that holds, or will hold, `path`."""
        while not os.path.exists(path):
            path = os.path.dirname(path)
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def mkdir(self, path: str, mode: int, group: str) -> None:
        os.makedirs(path, mode=0o755, exist_ok=True)
        self.own(path, mode, group)

    def write(self, path: str, data: bytes, mode: int, group: str) -> None:
        with self._replacing(path, mode, group) as stream:
            stream.write(data)

    def copy(self, source: str, path: str, mode: int, group: str) -> str:
        """Returns the digest of what was written, so that nothing can change between the check and the use."""
        with open(source, "rb") as reader, self._replacing(path, mode, group) as writer:
            return digest.sha256_of_stream(reader, writer.write)

    def hardlink(self, source: str, path: str) -> None:
        temporary = atomic_write.beside(path)
        self.remove(temporary)
        os.link(source, temporary)
        os.replace(temporary, path)

    def own(self, path: str, mode: int, group: str) -> None:
        self._attributes(path, path, mode, group)

    def symlink(self, target: str, path: str) -> None:
        temporary = atomic_write.beside(path)
        self.remove(temporary)
        os.symlink(target, temporary)
        os.replace(temporary, path)

    def rename(self, source: str, path: str) -> None:
        os.rename(source, path)

    def remove(self, path: str) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)

    def run(self, argv: Sequence[str], limit: float = 0) -> Ran:
        """`limit` in seconds; a program that takes longer is killed."""
        bound = ["timeout", "--kill-after=2", "%g" % limit] if limit else []
        try:
            return Ran(*self._module.run_command(bound + list(argv), environ_update=_PLAIN, errors="replace", handle_exceptions=False))
        except OSError as error:
            return Ran(CANNOT_RUN, "", "%s: %s" % (argv[0], error.strerror))

    # Not run_command() with setpriv or timeout in front: those hand a file that the kernel refuses over to a shell, line by line.
    def run_as(self, user: str, group: str, argv: Sequence[str], limit: float) -> Ran:
        """As `user` where that exists, as root otherwise."""
        try:
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=dict(os.environ, **_PLAIN),
                start_new_session=True,
                **self._identity(user, group),
            )
        except OSError as error:
            return Ran(CANNOT_RUN, "", "%s: %s" % (argv[0], error.strerror))
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Ran(TIMED_OUT, "", "")
        return Ran(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _replacing(self, path: str, mode: int, group: str) -> ContextManager[IO[bytes]]:
        return atomic_write.replacing(path, lambda temporary: self._attributes(temporary, path, mode, group))

    def _identity(self, user: str, group: str) -> Dict[str, Any]:
        gid = self.gid(group)
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            return {}
        if gid is None:
            return {}
        return {"user": entry.pw_uid, "group": gid, "extra_groups": os.getgrouplist(user, entry.pw_gid)}

    def _attributes(self, path: str, final: str, mode: int, group: str) -> None:
        gid = self.gid(group)
        if gid is None:
            raise Refused("group %s doesn't exist on this host: create it, or let a sysusers file among `files` do it." % group)
        os.chown(path, 0, gid)
        os.chmod(path, mode)
        if self._module.selinux_enabled():
            self._module.set_context_if_different(path, self._module.selinux_default_context(final), False)

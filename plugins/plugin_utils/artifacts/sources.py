# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Programs as files on the controller: from there, from an address, or from several.

Runs on the controller only, in one process per host at a time: whatever is fetched or hashed is fetched or hashed once, under a lock.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import pathlib
import stat
import urllib.error
import urllib.parse
from dataclasses import dataclass, field
from typing import IO, Any, Callable, ContextManager, List, Mapping, Optional, Protocol, Sequence, TypeVar

from ansible_collections.horaedb.cluster.plugins.module_utils.common import file_lock
from ansible_collections.horaedb.cluster.plugins.module_utils.common.atomic_write import replacing, unnamed
from ansible_collections.horaedb.cluster.plugins.module_utils.common.digest import sha256_of
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused

_CHUNK = 1 << 20
_TIMEOUT = 30.0

T = TypeVar("T")


class Artifact(Protocol):
    """`sha256` costs nothing where it is known beforehand (the size may be unknown: 0); `local` makes sure of a file with that digest."""

    def sha256(self) -> str: ...

    def size(self) -> int: ...

    def local(self) -> pathlib.Path: ...

    def remarks(self) -> List[str]:
        """What an operator should know of it although it can be had."""


def cache_dir(environ: Mapping[str, str]) -> pathlib.Path:
    home = environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(home) / "horaedb.cluster"


@dataclass(frozen=True)
class LocalFile:
    """A file on the controller."""

    path: pathlib.Path
    expected: Optional[str]
    cache: pathlib.Path

    def sha256(self) -> str:
        got = digest_of(self.path, self.cache)
        if self.expected and got != self.expected:
            raise Refused(
                "binary.checksum says sha256:%s, but %s on the controller has sha256:%s: it is another file than was meant."
                % (self.expected, self.path, got)
            )
        return got

    def size(self) -> int:
        return self.path.stat().st_size

    def local(self) -> pathlib.Path:
        self.sha256()
        return self.path

    def remarks(self) -> List[str]:
        return []


@dataclass(frozen=True)
class Download:
    """A file behind http, https or file, which is known by its digest. Fetched only when it isn't here."""

    url: str
    expected: str
    cache: pathlib.Path
    open_url: Callable[..., Any]

    def sha256(self) -> str:
        return self.expected

    def size(self) -> int:
        return 0

    def local(self) -> pathlib.Path:
        with locked(self.cache / "artifacts" / self.expected):
            return kept(self.cache, self.expected) or keep(self.cache, self._fetch, self._check)

    def remarks(self) -> List[str]:
        return []

    def _fetch(self, stream: IO[bytes]) -> None:
        fetch(self.url, stream, self.open_url)

    def _check(self, got: str) -> None:
        if got != self.expected:
            raise Refused(
                "%s answered a file with sha256:%s, but binary.checksum says sha256:%s: correct the checksum, or don't trust the source."
                % (shown(self.url), got, self.expected)
            )


@dataclass(frozen=True)
class Unchecked:
    """A file behind an address that nothing vouches for, since the operator wanted it so. Fetched once in each run."""

    url: str
    run: str
    cache: pathlib.Path
    open_url: Callable[..., Any]

    def sha256(self) -> str:
        return once_in_a_run(self.cache, self.run, self.url, lambda: self._fetched().name)

    def size(self) -> int:
        return 0

    def local(self) -> pathlib.Path:
        sha256 = self.sha256()
        path = kept(self.cache, sha256) or self._fetched()
        if path.name != sha256:
            raise Refused("%s answered another file than before in the same run: try again." % shown(self.url))
        return path

    def remarks(self) -> List[str]:
        return ["%s was taken unchecked. What it answered has the checksum sha256:%s; write that down." % (shown(self.url), self.sha256())]

    def _fetched(self) -> pathlib.Path:
        return keep(self.cache, lambda stream: fetch(self.url, stream, self.open_url))


@dataclass(frozen=True)
class Mirrors:
    """Several sources of one program, tried in their order."""

    sources: Sequence[Artifact]
    failures: List[str] = field(default_factory=list)

    def sha256(self) -> str:
        return self._first(lambda source: source.sha256())

    def size(self) -> int:
        return 0

    def local(self) -> pathlib.Path:
        sha256 = self.sha256()

        def same(source: Artifact) -> pathlib.Path:
            path = source.local()
            if source.sha256() != sha256:
                raise Refused("a mirror has another program, with sha256:%s instead of sha256:%s." % (source.sha256(), sha256))
            return path

        return self._first(same)

    def remarks(self) -> List[str]:
        return ["A mirror failed, and the next one was asked. %s" % failure for failure in self.failures] + self._first(
            lambda source: source.remarks()
        )

    def _first(self, ask: Callable[[Artifact], T]) -> T:
        failures = []
        for source in self.sources:
            try:
                found = ask(source)
            except Refused as refused:
                failures.append(str(refused))
                continue
            self.failures.extend(failure for failure in failures if failure not in self.failures)
            return found
        raise Refused("none of %d mirrors has it: %s" % (len(self.sources), " ".join(failures)))


def fetch(url: str, stream: IO[bytes], open_url: Callable[..., Any]) -> None:
    """All of what an address answers."""
    try:
        with open_url(url, timeout=_TIMEOUT, http_agent="horaedb.cluster") as answer:
            for chunk in iter(lambda: answer.read(_CHUNK), b""):
                stream.write(chunk)
            length = int(answer.headers.get("Content-Length") or stream.tell())
    except urllib.error.HTTPError as error:
        raise Refused("%s answers %d %s: check the address." % (shown(url), error.code, error.reason)) from error
    except urllib.error.URLError as error:
        raise Refused("the controller can't fetch %s: %s." % (shown(url), _plain(error.reason))) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Refused("the controller can't fetch %s: %s." % (shown(url), _plain(error))) from error
    if stream.tell() < length:
        raise Refused("%s broke off after %d of %d bytes: try again." % (shown(url), stream.tell(), length))


def kept(cache: pathlib.Path, sha256: str) -> Optional[pathlib.Path]:
    """The file with that digest, when an earlier run has left it, and nobody has spoilt it."""
    path = cache / "artifacts" / sha256
    return path if path.exists() and digest_of(path, cache) == sha256 else None


def keep(cache: pathlib.Path, write: Callable[[IO[bytes]], None], check: Optional[Callable[[str], None]] = None) -> pathlib.Path:
    """A file of the cache, named by the digest of what was written. `check` may refuse the digest."""
    folder = cache / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    with unnamed(str(folder)) as (stream, name):
        write(stream)
        stream.flush()
        got = sha256_of(name)
        if check:
            check(got)
        os.replace(name, folder / got)
    return folder / got


def once_in_a_run(cache: pathlib.Path, run: str, what: str, ask: Callable[[], str]) -> str:
    """An answer that may be another one tomorrow, but is the same for all hosts of a run."""
    note = cache / "runs" / hashlib.sha256(what.encode()).hexdigest()
    with locked(note):
        asked_by, _space, known = note.read_text(encoding="ascii").partition(" ") if note.exists() else ("", "", "")
        if not run or asked_by != run:
            known = ask()
            with replacing(str(note)) as stream:
                stream.write(("%s %s" % (run, known)).encode())
    return known


def digest_of(path: pathlib.Path, cache: pathlib.Path) -> str:
    """The digest of a local file; remembered by path, size, time and inode, since every host's process asks for it."""
    try:
        found = path.stat()
    except OSError as error:
        raise Refused("binary: %s on the controller: %s." % (path, error.strerror)) from error
    if not stat.S_ISREG(found.st_mode):
        raise Refused("binary: %s on the controller is not a regular file." % path)
    key = json.dumps([str(path.resolve()), found.st_size, found.st_mtime_ns, found.st_ino])
    note = cache / "digests" / hashlib.sha256(key.encode()).hexdigest()
    with locked(note):
        if note.exists():
            return note.read_text()
        try:
            digest = sha256_of(str(path))
        except OSError as error:
            raise Refused("binary: %s on the controller: %s." % (path, error.strerror)) from error
        with replacing(str(note)) as stream:
            stream.write(digest.encode())
    return digest


def shown(url: str) -> str:
    """The address without a user name and a password in it, and without a query, which may hold a token."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _plain(reason: object) -> str:
    return str(getattr(reason, "strerror", None) or reason).rstrip(".")


def locked(path: pathlib.Path) -> ContextManager[int]:
    """Whoever holds it fetches or hashes one file; both have an end, so that waiting has one too."""
    return file_lock.locked("%s.lock" % path)

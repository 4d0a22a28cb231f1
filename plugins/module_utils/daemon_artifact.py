# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""From a reference to a file on the controller. The only place that knows which kinds of reference there are.

Runs on the controller only, in one process per host at a time: whatever is fetched or hashed is fetched or hashed once, under a lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import stat
import tempfile
import urllib.error
import urllib.parse
from dataclasses import dataclass
from typing import IO, Any, Callable, Iterator, Mapping, Optional, Protocol

from .daemon_desired import Refused, sha256_of

_CHUNK = 1 << 20
_TIMEOUT = 30.0


class Artifact(Protocol):
    """`sha256` and `size` cost nothing (the size may be unknown: 0); `local` makes sure of a file with that digest."""

    def sha256(self) -> str: ...

    def size(self) -> int: ...

    def local(self) -> pathlib.Path: ...


def artifact(binary: Mapping[str, Any], cache: pathlib.Path, open_url: Callable[..., Any]) -> Artifact:
    """`src` has been looked up already, as Ansible looks up files; `open_url` is Ansible's."""
    src, url, checksum = binary.get("src"), binary.get("url"), binary.get("checksum")
    if bool(src) == bool(url):
        raise Refused("binary: exactly one of src and url says where %s comes from." % binary.get("name"))
    expected = sha256_of(checksum, "binary.checksum") if checksum else None
    if src:
        return LocalFile(pathlib.Path(src), expected, cache)
    if expected is None:
        raise Refused("binary.checksum is missing: a file from a URL is only taken when its sha256:<hex> is known.")
    return Download(str(url), expected, cache, open_url)


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
        return self.path


@dataclass(frozen=True)
class Download:
    """A file behind http, https or file. Fetched only when a host lacks it."""

    url: str
    expected: str
    cache: pathlib.Path
    open_url: Callable[..., Any]

    def sha256(self) -> str:
        return self.expected

    def size(self) -> int:
        return 0

    def local(self) -> pathlib.Path:
        path = self.cache / "artifacts" / self.expected
        with _locked(path):
            if path.exists() and digest_of(path, self.cache) == self.expected:
                return path
            self._fetch(path)
        return path

    def _fetch(self, path: pathlib.Path) -> None:
        with _replacing(path) as stream:
            got = self._download(stream)
            if got != self.expected:
                raise Refused(
                    "%s answered a file with sha256:%s, but binary.checksum says sha256:%s: correct the checksum, or don't trust the source."
                    % (shown(self.url), got, self.expected)
                )

    def _download(self, stream: IO[bytes]) -> str:
        digest = hashlib.sha256()
        try:
            with self.open_url(self.url, timeout=_TIMEOUT, http_agent="horaedb.cluster") as answer:
                for chunk in iter(lambda: answer.read(_CHUNK), b""):
                    digest.update(chunk)
                    stream.write(chunk)
                length = int(answer.headers.get("Content-Length") or stream.tell())
        except urllib.error.HTTPError as error:
            raise Refused("binary.url: %s answers %d %s: check the address." % (shown(self.url), error.code, error.reason)) from error
        except urllib.error.URLError as error:
            raise Refused("binary.url: the controller can't fetch %s: %s." % (shown(self.url), _plain(error.reason))) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Refused("binary.url: the controller can't fetch %s: %s." % (shown(self.url), _plain(error))) from error
        if stream.tell() < length:
            raise Refused("binary.url: %s broke off after %d of %d bytes: try again." % (shown(self.url), stream.tell(), length))
        return digest.hexdigest()


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
    with _locked(note):
        if note.exists():
            return note.read_text()
        digest = hashlib.sha256()
        try:
            with path.open("rb") as stream:
                for chunk in iter(lambda: stream.read(_CHUNK), b""):
                    digest.update(chunk)
        except OSError as error:
            raise Refused("binary: %s on the controller: %s." % (path, error.strerror)) from error
        with _replacing(note) as stream:
            stream.write(digest.hexdigest().encode())
    return digest.hexdigest()


def shown(url: str) -> str:
    """The address without a user name and a password in it, and without a query, which may hold a token."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _plain(reason: object) -> str:
    return str(getattr(reason, "strerror", None) or reason).rstrip(".")


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    """Whoever holds it fetches or hashes one file; both have an end, so that waiting has one too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open("%s.lock" % path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _replacing(path: pathlib.Path) -> Iterator[IO[bytes]]:
    """The name appears when everything went well; a kill leaves only a temporary file."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""From the blobs of an image to its layers: OCI layouts, as a folder or in a tar archive, and what `docker save` writes.

Nothing is believed: each blob that is read has the digest by which it was named.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import posixpath
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Protocol

from ansible_collections.horaedb.cluster.plugins.module_utils.common.digest import sha256_of_stream
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused

# Indexes, manifests and configurations are some kilobytes.
_LIMIT = 4 << 20
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_TAG_NAME = "org.opencontainers.image.ref.name"


class Files(Protocol):
    """The files of an image, wherever they lie."""

    def has(self, name: str) -> bool: ...

    def open(self, name: str) -> IO[bytes]: ...


class Folder:
    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def has(self, name: str) -> bool:
        return (self._path / name).is_file()

    def open(self, name: str) -> IO[bytes]:
        return (self._path / name).open("rb")


class Archive:
    """An open tar archive. It says itself what is wrong with it, as an OSError or a TarError."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._members = {posixpath.normpath(member.name): member for member in archive}

    def has(self, name: str) -> bool:
        return name in self._members

    def open(self, name: str) -> IO[bytes]:
        # `docker save` of old makes a symlink of a layer that it has written already.
        stream = self._archive.extractfile(self._members[name])
        if stream is None:
            raise Refused("%s in the archive is not a file." % name)
        return stream


@dataclass(frozen=True)
class Layer:
    """`sha256` is that of the file as it lies there. A size of -1 isn't known."""

    files: Files
    name: str
    sha256: str
    size: int = -1

    def __str__(self) -> str:
        return "layer sha256:%s" % self.sha256

    def verified(self) -> IO[bytes]:
        """Open, at its start, and of the digest that it should have."""
        return _verified(self.files, self.name, self.sha256, self.size, str(self))


def layers_of(files: Files, tag: str, digest: str, architecture: str) -> list[Layer]:
    """The lowest first. Raises Refused when there is no such image, or none for the architecture."""
    try:
        if files.has("index.json"):
            return _of_layout(files, tag, digest, architecture)
        if files.has("manifest.json"):
            return _of_docker(files, tag, digest, architecture)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refused("its manifest isn't one: %s %s." % (type(error).__name__, error)) from error
    raise Refused("there is neither an index.json nor a manifest.json in it: it is no image.")


def _of_layout(files: Files, tag: str, digest: str, architecture: str) -> list[Layer]:
    top = list(_read(files, "index.json").get("manifests") or ())
    chosen = _deep(files, top, digest) if digest else _tagged(top, tag)
    manifest = _document(files, chosen)
    if _is_index(chosen, manifest):
        manifest = _document(files, _for_platform(manifest["manifests"], architecture))
    _fits(_document(files, manifest["config"]), architecture)
    return [_layer(files, entry) for entry in manifest["layers"]]


def _tagged(entries: Sequence[Mapping[str, Any]], tag: str) -> Mapping[str, Any]:
    names = [str((entry.get("annotations") or {}).get(_TAG_NAME, "")) for entry in entries]
    found = [entry for entry, name in zip(entries, names, strict=True) if not tag or name == tag or name.endswith(":" + tag)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(filter(None, names)) or "none has a name"
    meant = "is " + tag if tag else "may be meant"
    raise Refused("%s of its %d images %s (%s)." % ("more than one" if found else "none", len(entries), meant, there))


def _deep(files: Files, entries: Sequence[Mapping[str, Any]], digest: str) -> Mapping[str, Any]:
    """The one with the digest, at the top or in one of the indexes there."""
    inner: list[Mapping[str, Any]] = []
    for entry in entries:
        if entry.get("digest") == digest:
            return entry
        if _is_index(entry, {}):
            inner += _document(files, entry)["manifests"]
    for entry in inner:
        if entry.get("digest") == digest:
            return entry
    there = ", ".join(str(entry.get("digest")) for entry in entries)
    raise Refused("it holds %s, and %s is wanted: it is another image than was meant." % (there or "nothing", digest))


def _is_index(entry: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    return entry.get("mediaType") in _INDEXES or "manifests" in document


def _for_platform(entries: Sequence[Mapping[str, Any]], architecture: str) -> Mapping[str, Any]:
    platforms = [entry.get("platform") or {} for entry in entries]
    for entry, platform in zip(entries, platforms, strict=True):
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
            return entry
    there = sorted({"%s/%s" % (platform.get("os"), platform.get("architecture")) for platform in platforms})
    raise Refused("there is no image for linux/%s in it, but for %s." % (architecture, ", ".join(there)))


def _fits(config: Mapping[str, Any], architecture: str) -> None:
    built_for = config.get("architecture")
    if built_for and built_for != architecture:
        raise Refused("it is built for %s, and %s is wanted (horaedb_cluster_image_architecture)." % (built_for, architecture))


def _layer(files: Files, entry: Mapping[str, Any]) -> Layer:
    return Layer(files, _blob(entry["digest"]), _hex(entry["digest"]), int(entry["size"]))


def _of_docker(files: Files, tag: str, digest: str, architecture: str) -> list[Layer]:
    if digest:
        raise Refused("what `docker save` writes has no digest of its own; leave it out, and set the checksum of the program.")
    images = _read(files, "manifest.json")
    found = [image for image in images if not tag or any(name.endswith(":" + tag) for name in image.get("RepoTags") or ())]
    if len(found) != 1:
        there = ", ".join(name for image in images for name in image.get("RepoTags") or ())
        raise Refused("%d of its %d images are meant; there are: %s." % (len(found), len(images), there or "none with a name"))
    config = _read(files, found[0]["Config"])
    _fits(config, architecture)
    names, digests = found[0]["Layers"], config["rootfs"]["diff_ids"]
    if len(names) != len(digests):
        raise Refused("it lists %d layers, and digests of %d." % (len(names), len(digests)))
    return [Layer(files, name, _hex(digest)) for name, digest in zip(names, digests, strict=True)]


def _read(files: Files, name: str) -> Any:
    with _open(files, name, name) as stream:
        return _parsed(stream.read(_LIMIT), name)


def _document(files: Files, entry: Mapping[str, Any]) -> Any:
    name = str(entry["digest"])
    with _verified(files, _blob(name), _hex(name), int(entry.get("size", -1)), name) as stream:
        return _parsed(stream.read(_LIMIT), name)


def _parsed(text: bytes, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Refused("%s in it is not JSON." % name) from None


def _blob(digest: str) -> str:
    return "blobs/sha256/" + _hex(digest)


def _hex(digest: str) -> str:
    kind, _colon, text = str(digest).partition(":")
    if kind != "sha256" or len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise Refused("it names a blob by %r, which is not sha256: and 64 hexadecimal digits." % digest)
    return text


def _open(files: Files, name: str, what: str) -> IO[bytes]:
    if not files.has(name):
        raise Refused("%s is missing in it." % what)
    return files.open(name)


def _verified(files: Files, name: str, sha256: str, size: int, what: str) -> IO[bytes]:
    stream = _open(files, name, what)
    got = sha256_of_stream(stream)
    if got != sha256:
        seen = stream.tell()
        stream.close()
        length = "%d of %d bytes are there" % (seen, size) if 0 <= seen < size else "its content has sha256:%s" % got
        raise Refused("%s is damaged: %s." % (what, length))
    stream.seek(0)
    return stream


@contextlib.contextmanager
def archive_files(path: pathlib.Path) -> Iterator[Files]:
    """The files of an archive on the controller, while it is open."""
    try:
        with tarfile.open(path) as archive:
            yield Archive(archive)
    except (tarfile.TarError, EOFError) as error:
        raise Refused("it is no tar archive, or a part of one: %s." % error) from error

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""One file out of the layers of an image, as a container would see it. Nothing else is unpacked, and nothing is run."""

from __future__ import annotations

import contextlib
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_layers import Layer

_CHUNK = 1 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
_GONE, _EMPTIED = ".wh.", ".wh..wh..opq"
# As many as Linux follows.
_LINKS = 40


@dataclass(frozen=True)
class LayerEntry:
    """`number` is its place in the layer: a name may come twice there."""

    layer: int
    number: int
    kind: bytes
    target: str
    mode: int

    @property
    def is_link(self) -> bool:
        return self.kind == tarfile.SYMTYPE

    @property
    def is_folder(self) -> bool:
        return self.kind == tarfile.DIRTYPE


Tree = dict[str, LayerEntry]


def extract(layers: Sequence[Layer], path: str, write: Callable[[bytes], object]) -> None:
    """Raises Refused when there is no such program, or when a layer is not what it should be."""
    entry = _program(tree_of(layers), path)
    with _tar(layers[entry.layer]) as archive:
        for number, member in enumerate(archive):
            if number != entry.number:
                continue
            stream = archive.extractfile(member)
            while chunk := stream.read(_CHUNK) if stream else b"":
                write(chunk)
            return


def tree_of(layers: Sequence[Layer]) -> Tree:
    """All paths, each with the layer that has it."""
    tree: Tree = {}
    for number, layer in enumerate(layers):
        with _tar(layer) as archive:
            tree = _with_layer(tree, number, archive)
    return tree


def _with_layer(lower: Tree, number: int, archive: tarfile.TarFile) -> Tree:
    """What is said to be gone is gone from the layers below, whatever its place in this one."""
    own: Tree = {}
    gone, emptied = set(), set()
    for place, member in enumerate(archive):
        path = _path(member.name)
        folder, name = posixpath.split(path)
        if name == _EMPTIED:
            emptied.add(folder)
        elif name.startswith(_GONE):
            gone.add(posixpath.join(folder, name[len(_GONE) :]))
        elif member.islnk():
            # The file itself under another name; what becomes of the first name later doesn't matter.
            target = own.get(_path(member.linkname)) or lower.get(_path(member.linkname))
            if target:
                own[path] = target
        else:
            kind = tarfile.REGTYPE if member.isreg() else member.type
            own[path] = LayerEntry(number, place, kind, member.linkname, member.mode)
    emptied |= gone | {path for path, entry in own.items() if not entry.is_folder}
    kept = {path: entry for path, entry in lower.items() if path not in gone and not emptied.intersection(_above(path))}
    return {**kept, **own}


def _path(name: str) -> str:
    return posixpath.normpath("/" + name).lstrip("/")


def _above(path: str) -> Iterator[str]:
    while path:
        path = posixpath.dirname(path)
        yield path


def _program(tree: Tree, path: str) -> LayerEntry:
    found = _resolved(tree, path)
    entry = tree.get(found)
    if entry is None:
        others = sorted(
            "/" + other for other in tree if posixpath.basename(other) == posixpath.basename(path) and not tree[other].is_folder
        )
        raise Refused("there is no %s in it%s." % (path, "; there is %s" % ", ".join(others[:3]) if others else ""))
    if entry.kind != tarfile.REGTYPE:
        raise Refused("%s in it is not a file." % path)
    if not entry.mode & 0o111:
        raise Refused("%s in it can't be executed (mode %04o)." % (path, entry.mode & 0o7777))
    return entry


def _resolved(tree: Tree, path: str) -> str:
    """Where symbolic links lead, inside of the image."""
    rest, here, links = path.split("/")[::-1], "", 0
    while rest:
        part = rest.pop()
        entry = tree.get(posixpath.join(here, part))
        if part in ("", "."):
            continue
        if part == "..":
            here = posixpath.dirname(here)
        elif entry and entry.is_link:
            links += 1
            if links > _LINKS:
                raise Refused("%s in it leads in a circle." % path)
            here = "" if entry.target.startswith("/") else here
            rest += entry.target.split("/")[::-1]
        else:
            here = posixpath.join(here, part)
    return here


@contextlib.contextmanager
def _tar(layer: Layer) -> Iterator[tarfile.TarFile]:
    with layer.verified() as stream:
        start = stream.read(len(_ZSTD))
        stream.seek(0)
        if start == _ZSTD and "zst" not in tarfile.TarFile.OPEN_METH:
            raise Refused(
                "%s is compressed with zstd, which this Python can't read: use Python 3.14 on the controller, or an image with gzip."
                % layer
            )
        try:
            with tarfile.open(fileobj=stream, mode="r:*") as archive:
                yield archive
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise Refused("%s can't be unpacked: %s." % (layer, error)) from error

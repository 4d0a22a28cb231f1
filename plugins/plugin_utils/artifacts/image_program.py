# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A program that lies in an image. Pulled once for all hosts; only the program itself is kept, by the image's digest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from ansible_collections.horaedb.cluster.plugins.module_utils.common.atomic_write import replacing
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts import sources
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_layers import Files, Folder, archive_files, layers_of
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_reference import ImageReference
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_tree import extract
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.skopeo import Skopeo


@dataclass(frozen=True)
class ImageProgram:
    """`path` is the program's in the image. `run` names the run of ansible-playbook: a tag is asked for once in it."""

    reference: ImageReference
    path: str
    expected: str | None
    cache: pathlib.Path
    client: Skopeo
    run: str

    def sha256(self) -> str:
        if self.expected:
            return self.expected
        note = self._note()
        return note.read_text(encoding="ascii") if note.exists() else self.local().name

    def size(self) -> int:
        return 0

    def local(self) -> pathlib.Path:
        note = self._note()
        with sources.locked(note):
            if note.exists():
                kept = sources.kept(self.cache, note.read_text(encoding="ascii"))
                if kept:
                    return self._checked(kept)
            path = sources.keep(self.cache, self._extract)
            with replacing(str(note)) as stream:
                stream.write(path.name.encode())
        return self._checked(path)

    def remarks(self) -> list[str]:
        if self.reference.archive or self.reference.digest:
            return []
        exact = self.reference.at(self._digest())
        return ["%s is a tag, which may be another image tomorrow. To pin what it is today, write %s." % (self.reference, exact)]

    def _checked(self, path: pathlib.Path) -> pathlib.Path:
        if self.expected and path.name != self.expected:
            raise Refused(
                "binary.checksum says sha256:%s, but %s in %s has sha256:%s: it is another file than was meant."
                % (self.expected, self.path, self.reference, path.name)
            )
        return path

    def _digest(self) -> str:
        """Of the image; of the whole file where it is an archive."""
        if self.reference.archive:
            return sources.digest_of(pathlib.Path(self.reference.name), self.cache)
        if self.reference.digest:
            return self.reference.digest
        return sources.once_in_a_run(self.cache, self.run, str(self.reference), lambda: self.client.digest(self.reference))

    def _note(self) -> pathlib.Path:
        # Of an archive it matters which of its images is meant; in a registry the digest says it all.
        which = str(self.reference) if self.reference.archive else ""
        key = json.dumps([self._digest(), which, self.path, self.client.architecture])
        return self.cache / "images" / hashlib.sha256(key.encode()).hexdigest()

    def _extract(self, stream: IO[bytes]) -> None:
        # Under the lock of the note, so whatever lies there is left by a run that was killed.
        scratch = self._note().with_suffix(".part")
        try:
            with self._files(scratch) as files:
                layers = layers_of(files, self.reference.tag if self.reference.archive else "", self._in_files(), self.client.architecture)
                extract(layers, self.path, stream.write)
        except Refused as refused:
            said = str(refused)
            raise Refused(said if said.startswith(str(self.reference)) else "%s: %s" % (self.reference, said)) from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _in_files(self) -> str:
        # skopeo has compared it already, and may have written another form of the manifest.
        return self.reference.digest if self.reference.archive else ""

    @contextlib.contextmanager
    def _files(self, scratch: pathlib.Path) -> Iterator[Files]:
        if self.reference.archive:
            with archive_files(pathlib.Path(self.reference.name)) as files:
                yield files
            return
        shutil.rmtree(scratch, ignore_errors=True)
        self.client.pull(self.reference.at(self._digest()), scratch)
        yield Folder(scratch)

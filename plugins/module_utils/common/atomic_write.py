# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Files that are there whole or not at all, whatever ends the process or the power."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import IO, Callable, Iterator, Tuple

_PREFIX = ".new-"


def _nothing(temporary: str) -> None:
    """The new file stays as it was made: only its owner may read it."""


def beside(path: str) -> str:
    """A name that a later run writes over, so that a kill leaves at most one; everything that reads such folders skips hidden files."""
    return os.path.join(os.path.dirname(path), _PREFIX + os.path.basename(path))


# Not Ansible's atomic_move(): it opens a NEW file to everyone the umask allows before its mode can be set, and these files may hold secrets.
@contextlib.contextmanager
def replacing(path: str, prepare: Callable[[str], None] = _nothing) -> Iterator[IO[bytes]]:
    """What is written appears at `path` when all of it is on the disk. `prepare` gives the new file its owner and mode before that."""
    temporary = beside(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            # A rename may reach the disk before the data does, and a power cut in between would leave an empty file with a good name.
            os.fsync(stream.fileno())
        prepare(temporary)
        os.replace(temporary, path)
    except Exception:
        os.unlink(temporary)
        raise


@contextlib.contextmanager
def unnamed(folder: str) -> Iterator[Tuple[IO[bytes], str]]:
    """A new file and its present name, for one whose name depends on its content. The caller renames it or takes it away."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=_PREFIX)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream, name
    except BaseException:
        os.unlink(name)
        raise

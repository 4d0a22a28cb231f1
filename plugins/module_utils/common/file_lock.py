# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A lock that is a file: it vanishes with the process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Iterator, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure

_POLL = 0.2
_SHOWN = 200


class Busy(Failure):
    """Somebody else holds it still. `holder`: what that one wrote into the file."""

    kind = "file_lock.busy"

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextlib.contextmanager
def locked(path: str, flags: int = os.O_RDWR | os.O_CREAT, timeout: Optional[float] = None, mode: int = 0o600, folder: int = 0o755) -> Iterator[int]:
    """Holds it, and yields its descriptor.

    `flags` are those of os.open: without O_CREAT a FileNotFoundError where there is none. `timeout` in seconds, after which Busy is raised; None waits
    for ever. `mode` and `folder` are those of a file and of a folder that are made.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        descriptor = _open(path, flags, mode, folder)
        if descriptor is None:
            continue
        try:
            if _taken(descriptor, path, wait=deadline is None):
                yield descriptor
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise Busy(os.pread(descriptor, _SHOWN, 0).decode(errors="replace"))
        finally:
            os.close(descriptor)
        if deadline is not None:
            time.sleep(_POLL)


def _open(path: str, flags: int, mode: int, folder: int) -> Optional[int]:
    """None when the folder was taken away in between; raises FileNotFoundError when nothing is to be made."""
    try:
        if flags & os.O_CREAT:
            os.makedirs(os.path.dirname(path), mode=folder, exist_ok=True)
        return os.open(path, flags, mode)
    except FileNotFoundError:
        if flags & os.O_CREAT:
            return None
        raise


def _taken(descriptor: int, path: str, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its former holder may have removed the file, with its folder, while this one waited for it.
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except (BlockingIOError, FileNotFoundError):
        return False

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""One transaction per daemon and host at a time.

A module whose controller was killed goes on to its end on the host; the next run waits for it here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import Iterator

from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused

_POLL = 0.2


@contextlib.contextmanager
def locked(path: str, timeout: float, create: bool = True, trace: bool = True) -> Iterator[None]:
    """Holds the lock at `path`. Without `create` only where there is one; with `trace` it says who holds it."""
    if create:
        os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
    elif not os.path.exists(path):
        yield
        return
    flags = (os.O_RDWR if trace else os.O_RDONLY) | (os.O_CREAT if create else 0)
    deadline = time.monotonic() + timeout
    while True:
        descriptor = os.open(path, flags, 0o600)
        try:
            if _taken(descriptor, path):
                if trace:
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, ("pid %d since %s" % (os.getpid(), time.strftime("%Y-%m-%d %H:%M:%S %Z"))).encode())
                yield
                return
            if time.monotonic() >= deadline:
                holder = os.read(descriptor, 200).decode(errors="replace") or "another process"
                raise Refused(
                    "another run is at work on %s: %s holds %s and didn't let go within %g s. Wait for it to end, or look at that "
                    "process; the lock vanishes with it." % (os.path.dirname(path), holder, path, timeout)
                )
        finally:
            os.close(descriptor)
        time.sleep(_POLL)


def _taken(descriptor: int, path: str) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its former holder may have removed the file together with everything else (state absent).
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except (BlockingIOError, FileNotFoundError):
        return False

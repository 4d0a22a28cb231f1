# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""One transaction per daemon and host at a time.

A module whose controller was killed goes on to its end on the host; the next run waits for it here.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Iterator

from ansible_collections.horaedb.cluster.plugins.module_utils.common import file_lock
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused


@contextlib.contextmanager
def locked(path: str, timeout: float, create: bool = True, trace: bool = True) -> Iterator[None]:
    """Holds the lock at `path`. Without `create` only where there is one; with `trace` it says who holds it."""
    if not create and not os.path.exists(path):
        yield
        return
    flags = (os.O_RDWR if trace else os.O_RDONLY) | (os.O_CREAT if create else 0)
    try:
        with file_lock.locked(path, flags, timeout, folder=0o750) as descriptor:
            if trace:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, ("pid %d since %s" % (os.getpid(), time.strftime("%Y-%m-%d %H:%M:%S %Z"))).encode(), 0)
            yield
    except file_lock.Busy as busy:
        raise Refused(
            "another run is at work on %s: %s holds %s and didn't let go within %g s. Wait for it to end, or look at that "
            "process; the lock vanishes with it." % (os.path.dirname(path), busy.holder or "another process", path, timeout)
        ) from None

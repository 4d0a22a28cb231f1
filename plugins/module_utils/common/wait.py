# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Waiting, bounded and on the host: one execution of a module instead of one for every look."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Optional, Protocol


class Clock(Protocol):
    """What waiting needs of the module `time`."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


@dataclass(frozen=True)
class Waited:
    """`missing` is None when what was waited for came, else what was missing at the last look."""

    missing: Optional[str]
    elapsed: float


def wait(
    poll: Callable[[float], Optional[str]],
    timeout: float,
    interval: float,
    times: int = 1,
    clock: Clock = time,
) -> Waited:
    """Calls poll(seconds since the start) every `interval` until it has returned None `times` times in a row.

    The interval is from start to start, so that slow looks don't slow down the rhythm. It looks at
    least once, and one last time at the end of `timeout`.
    """
    start = clock.monotonic()
    end = start + timeout
    in_a_row = 0
    last = False
    while True:
        looked = clock.monotonic()
        missing = poll(looked - start)
        in_a_row = in_a_row + 1 if missing is None else 0
        now = clock.monotonic()
        if in_a_row >= times:
            return Waited(None, now - start)
        if last or now >= end:
            return Waited(missing or "it was ready only %d of %d times in a row" % (in_a_row, times), now - start)
        last = looked + interval >= end
        clock.sleep(max(0.0, (end if last else looked + interval) - now))

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Durations and sizes, written as HoraeDB reads them."""

from __future__ import annotations

import re
from typing import Dict, Union

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m(?!s))?(?:([0-9]+)s)?(?:([0-9]+)ms)?")
# All of them powers of 1024, KB too; a small letter is none of them.
_BYTES: Dict[str, int] = {"B": 1}
for _power, _letter in enumerate("KMGTP", 1):
    _BYTES.update(dict.fromkeys((_letter, _letter + "B", _letter + "iB"), 1024**_power))
_SIZE = re.compile(r"([0-9]+)(%s)" % "|".join(_BYTES))


def seconds(duration: str) -> float:
    """A duration ("1h30m", units d h m s ms, each once, descending) in seconds; ValueError otherwise."""
    match = _DURATION.fullmatch(duration)
    if not duration or match is None:
        raise ValueError("%r is not a duration" % duration)
    return sum(float(number) * _SECONDS[unit] for number, unit in zip(match.groups(), _SECONDS) if number is not None)


def size(value: Union[int, str]) -> int:
    """A size (a number of bytes, or a text such as 64MiB) in bytes; ValueError otherwise."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("%r is not a size" % (value,))
    return int(match.group(1)) * _BYTES[match.group(2)]

"""Durations and sizes as config.toml and table options write them."""

from __future__ import annotations

import re

DURATION = re.compile(r"(?=.)(\d+d)?(\d+h)?(\d+m(?!s))?(\d+s)?(\d+ms)?")
SIZE = re.compile(r"(\d+)(?:B|([KMGTP])(?:i?B)?)?")
_MILLISECONDS = {"d": 86400000, "h": 3600000, "m": 60000, "s": 1000, "ms": 1}


def to_milliseconds(duration: str) -> int:
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in re.findall(r"(\d+)(ms|[dhms])", duration))


def seconds(duration: str) -> float:
    return to_milliseconds(duration) / 1000


def size(text: str) -> int:
    """Bytes. Raises ValueError."""
    found = SIZE.fullmatch(text)
    if not found:
        raise ValueError("not a size: %s" % text)
    return int(found.group(1)) << (10 * (" KMGTP".index(found.group(2)) if found.group(2) else 0))

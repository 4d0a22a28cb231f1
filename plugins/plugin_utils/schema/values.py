# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Whether one value is what its key wants: in the file, and as a text of the environment."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.horaedb.cluster.plugins.module_utils.common.units import seconds, size
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.keys import Key

_LONGEST = 60
_CREDENTIALS = re.compile(r"//[^/@\s]*@")
# TOML's numbers have 63 bits.
_MOST = {"int": 2**63 - 1, "uint": 2**63 - 1, "u32": 2**32 - 1, "port": 65535}
_LEAST = {"int": -(2**63), "uint": 0, "u32": 0, "port": 1}
# What Go's strconv.ParseBool takes.
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _tries(parse: Callable[[Any], Any], value: Any) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _is_url(value: str) -> bool:
    """http://host:port and nothing else."""
    try:
        url = urlsplit(value)
        return url.scheme == "http" and bool(url.hostname) and bool(url.port) and url.path in ("", "/") and not url.query + url.fragment
    except ValueError:
        return False


def _is_address(value: str) -> bool:
    """A host name or an address, and no port behind it, no scheme before it."""
    return bool(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", value))


_TEXTS: dict[str, tuple[Callable[[str], bool], str]] = {
    "text": (bool, "a text"),
    "duration": (
        lambda value: _tries(seconds, value),
        "a duration: a text such as 30s or 1h30m, units d h m s ms, each once and in this order",
    ),
    "ipv4": (lambda value: _tries(ipaddress.IPv4Address, value), "an IPv4 address; HoraeDB takes neither names nor IPv6 there"),
    "address": (_is_address, "a name or an IPv4 address without a port"),
    "meta_url": (_is_url, "exactly one http://host:port"),
    "urls": (lambda value: all(_is_url(one.strip()) for one in value.split(",")), "URLs http://host:port with commas between them"),
    "root_path": (lambda value: value.startswith("/"), "a path that begins with /"),
}


def wanted(key: Key) -> str:
    """What the key takes, in words."""
    if key.type in _TEXTS:
        return _TEXTS[key.type][1] + (" that is not empty" if key.filled and key.type == "text" else "")
    if key.type == "choice":
        return "one of %s (case counts)" % ", ".join(key.choices)
    words = {
        "bool": "true or false",
        "float": "a number" + _range(key),
        "size": "a size: a number of bytes, or a text such as 64MiB with B, K, M, G, T or P and B or iB, in this case",
        "texts": "a list of texts" + (" that is not empty" if key.filled else ""),
        "u32s": "a list of whole numbers",
        "any": "anything",
    }
    return words.get(key.type) or "a whole number" + _range(key)


def _bounds(key: Key) -> tuple[float, float]:
    low = _LEAST.get(key.type, float("-inf")) if key.min is None else key.min
    return low, _MOST.get(key.type, float("inf")) if key.max is None else key.max


def _range(key: Key) -> str:
    low, high = _bounds(key)
    if high in (_MOST["int"], float("inf")):
        return "" if low < 0 else " of %g or more" % low
    return " between %s and %s" % (low, high)


def fits(key: Key, value: Any) -> bool:
    """Whether the daemon takes this value of TOML."""
    if key.type == "any":
        return True
    if key.type == "text":
        return isinstance(value, str) and bool(value.strip() or not key.filled)
    if key.type in _TEXTS:
        return isinstance(value, str) and _TEXTS[key.type][0](value)
    low, high = _bounds(key)
    checks: dict[str, Callable[[Any], bool]] = {
        "bool": lambda one: isinstance(one, bool),
        "choice": lambda one: isinstance(one, str) and one in key.choices,
        "size": lambda one: _tries(size, one),
        "float": lambda one: (_is_int(one) or isinstance(one, float)) and low <= one <= high,
        "texts": lambda one: _all(one, lambda item: isinstance(item, str) and bool(item.strip())) and (bool(one) or not key.filled),
        "u32s": lambda one: _all(one, lambda item: _is_int(item) and 0 <= item <= _MOST["u32"]),
    }
    check = checks.get(key.type)
    return _is_int(value) and low <= value <= high if check is None else check(value)


def _all(value: Any, fitting: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(fitting(item) for item in value)


def from_text(key: Key, text: str) -> Any:
    """The value that a text of the environment means. Raises ValueError where the daemon could not read it."""
    value: Any = text
    if key.type == "bool":
        if text not in _TRUE + _FALSE:
            raise ValueError
        value = text in _TRUE
    elif key.type in _MOST:
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise ValueError
        value = int(text)
    elif key.type == "texts":
        value = [item.strip() for item in text.split(",")]
    if not fits(key, value):
        raise ValueError
    return value


def hint(key: Key, value: Any) -> str:
    """What the mistake is likely to be, as a sentence, or nothing."""
    if isinstance(value, str):
        if key.type == "size" and value.isdigit():
            return "Without quotes it is a number of bytes."
        number = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value)
        if (key.type in _MOST or key.type == "float") and number or key.type == "bool" and value.lower() in ("true", "false"):
            return "Take the quotes away."
        same = [choice for choice in key.choices if choice.lower() == value.lower()]
        if same:
            return "Write %s." % same[0]
        if key.type == "texts":
            return "Make it a list, even of one."
    elif key.type in _TEXTS and isinstance(value, (int, float)):
        return "Write it with its unit, as a text." if key.type == "duration" else "Put it into quotes."
    return ""


def shown(key: Key, value: Any) -> str:
    """The value for an operator's eyes. Never one of a key that is secret."""
    if key.secret:
        return "a secret (not shown)"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, bool):
        return str(value).lower()
    text = masked(repr(value))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def masked(text: str) -> str:
    """Without the user and password that a URL may carry."""
    return _CREDENTIALS.sub("//********@", text)

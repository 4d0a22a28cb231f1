# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Keeps secrets out of whatever an operator is shown: diffs, messages, the tail of a daemon's log."""

from __future__ import annotations

import json
import re
from typing import Sequence, Set

MASK = "********"

# A value may be a TOML string of any kind, one inside another string (a file that is quoted in an error), an array, or a bare word as in logs and
# in an environment. Rust's Debug form of a configuration (key_secret: "...") is written as TOML's strings are.
_VALUE = (
    r'\\"(?:\\\\\\"|[^"\\]|\\[^"])*\\"'
    r'|"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\''
    r'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''
    r"|\[[^\]]*\]"
    r'|[^\s,;}\])"\']+'
)
_KEYED = re.compile(
    r"""([\w.-]*(?:key_id|key_secret|secret|password|passwd|token|credential)[\w.-]*\\?["']?\s*[:=]\s*(?:Some\()?)(%s)""" % _VALUE,
    re.IGNORECASE,
)
_RUST = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}

# A secret this short is found in every other word; masking it would hide the message, and it is no secret.
_SHORTEST = 4


class Redactor:
    """`mask` hides the values of keys that sound secret, and every given secret wherever it stands."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        spellings: Set[str] = set()
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                # In a config or a log the same secret stands in its escaped form, and twice escaped where a file is quoted in an error.
                escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], _in_rust(secret)}
                spellings.update({secret}, escaped, (json.dumps(text, ensure_ascii=False)[1:-1] for text in escaped))
        self._secrets = sorted(spellings, key=len, reverse=True)

    def mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return _KEYED.sub(_masked, text)


def _in_rust(secret: str) -> str:
    """As Rust's Debug form has it: other control characters than in JSON, everything else as it is."""
    return "".join(_RUST.get(char) or ("\\u{%x}" % ord(char) if ord(char) < 32 or ord(char) == 127 else char) for char in secret)


def _masked(found: re.Match[str]) -> str:
    # Quotes are kept, so that a masked TOML file still looks like one.
    quote = found.group(2)[0] if found.group(2)[0] in "\"'" else ""
    return found.group(1) + quote + MASK + quote

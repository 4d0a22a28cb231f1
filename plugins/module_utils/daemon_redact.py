# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Keeps secrets out of whatever an operator is shown: diffs, messages, a daemon's last words."""

from __future__ import annotations

import json
import re
from typing import Sequence, Set

MASK = "********"

# A value may be a TOML string of any kind, an array, or a bare word as in logs and in an environment.
_VALUE = (
    r'"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\''
    r'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''
    r"|\[[^\]]*\]"
    r'|[^\s,;}\])"\']+'
)
_KEYED = re.compile(
    r"""([\w.-]*(?:key_id|key_secret|secret|password|passwd|token|credential)[\w.-]*["']?\s*[:=]\s*(?:Some\()?)(%s)""" % _VALUE,
    re.IGNORECASE,
)
# A secret this short is found in every other word; masking it would hide the message, and it is no secret.
_SHORTEST = 4


class Redactor:
    """`mask` hides the values of keys that sound secret, and every given secret wherever it stands."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        spellings: Set[str] = set()
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                # In a config or a log the same secret stands in its escaped form.
                spellings.update((secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]))
        self._secrets = sorted(spellings, key=len, reverse=True)

    def mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return _KEYED.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    # Quotes are kept, so that a masked TOML file still looks like one.
    quote = found.group(2)[0] if found.group(2)[0] in "\"'" else ""
    return found.group(1) + quote + MASK + quote

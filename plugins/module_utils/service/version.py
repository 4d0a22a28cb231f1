# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What is shown of the version that a binary says of itself."""

from __future__ import annotations


def version_text(said: str, digest: str) -> str:
    """What a binary says of itself, without the labels that its build left empty; where nothing is left but its name, the digest tells it apart.

    A plain build of HoraeMeta says `HoraeMeta Server`, `Git commit:`, `Git branch:` and `Build date:`.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if not line.endswith(":")]
    if told == lines or len(told) > 1:
        return "\n".join(told)
    name = told[0] + ", " if told else ""
    return "%sno version in the build (sha256 %s)" % (name, digest[:12])

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What a file's content is known by."""

from __future__ import annotations

import hashlib
from typing import IO, Callable, Optional

_CHUNK = 1 << 20


def sha256_of(path: str) -> str:
    """In hexadecimal; raises OSError."""
    with open(path, "rb") as stream:
        return sha256_of_stream(stream)


def sha256_of_stream(stream: IO[bytes], write: Optional[Callable[[bytes], object]] = None) -> str:
    """From where it stands to its end. `write` gets each piece that was counted in, so that nothing can change between the check and the use."""
    digest = hashlib.sha256()
    for chunk in iter(lambda: stream.read(_CHUNK), b""):
        digest.update(chunk)
        if write:
            write(chunk)
    return digest.hexdigest()

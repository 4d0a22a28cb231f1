# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A snapshot of the etcd inside HoraeMeta, as `etcdctl snapshot save` would take it: streamed, checked, and put in place whole."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
from typing import Callable, Iterator, List

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import SNAPSHOT
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import BadAnswer, Unreachable, split
from ansible_collections.horaedb.cluster.plugins.module_utils.common.atomic_write import replacing
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure

# etcd ends the stream with the SHA-256 of everything before it.
DIGEST = 32
# Seconds without a single piece. The whole may take as long as it needs.
PATIENCE = 30.0
NAME = re.compile(r"\d{8}T\d{6}Z\.snapshot\Z")


class Spoiled(Failure):
    """The stream isn't a whole snapshot. As text: one sentence."""

    kind = "snapshot.spoiled"


def save(base: str, folder: str, name: str) -> int:
    """Saves to `folder`/`name` and returns the size in bytes; raises CallFailed, Spoiled and OSError, and leaves nothing then."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with replacing(os.path.join(folder, name)) as stream:
        return _write(base, stream.write)


def spare(names: List[str], keep: int) -> List[str]:
    """The oldest snapshots beyond `keep`. Files of other names are somebody else's."""
    ours = sorted(name for name in names if NAME.match(name))
    return ours[: max(0, len(ours) - keep)]


def _write(base: str, write: Callable[[bytes], int]) -> int:
    digest, size, held = hashlib.sha256(), 0, b""
    for piece in _pieces(base + SNAPSHOT):
        write(piece)
        size += len(piece)
        held += piece
        digest.update(held[:-DIGEST])
        held = held[-DIGEST:]
    if size <= DIGEST or held != digest.digest():
        raise Spoiled("%s sent %d bytes that aren't a whole snapshot: their checksum is wrong. Nothing was saved" % (base, size))
    return size


def _pieces(url: str) -> Iterator[bytes]:
    host, port, path = split(url)
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("POST", path, b"{}", {"Connection": "close"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise BadAnswer(url, "answered HTTP %d" % answer.status, answer.status)
        for line in answer:
            said = json.loads(line)
            if "result" not in said:
                raise BadAnswer(url, "stopped with %s" % json.dumps(said)[:300], answer.status)
            yield base64.b64decode(said["result"].get("blob", ""))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreachable(url, str(error) or type(error).__name__) from error
    finally:
        connection.close()

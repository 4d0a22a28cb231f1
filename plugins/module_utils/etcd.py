# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The etcd inside HoraeMeta, through the JSON gateway on its client port.

The gateway writes numbers as strings, leaves out fields that are zero, and
takes keys and values in base64.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Callable, Optional, Tuple, TypeVar

from ansible_collections.horaedb.cluster.plugins.module_utils.client import Client, understood

Read = TypeVar("Read")


@dataclass(frozen=True)
class Status:
    """One member's own state."""

    member_id: int
    leader_id: int
    applied: int
    learner: bool
    version: str


@dataclass(frozen=True)
class EtcdMember:
    """An entry of the member list.

    A member that was added and never started has no name yet. One that never started since the cluster was made
    has its name from the others' configuration, and no client URL: that is what it announces itself.
    """

    id: int
    name: str
    learner: bool
    peer_urls: Tuple[str, ...] = ()
    client_urls: Tuple[str, ...] = ()

    @property
    def started(self) -> bool:
        """It was there once: etcd refuses to make it anew from an empty directory."""
        return bool(self.client_urls)


@dataclass(frozen=True)
class Stored:
    """A value and the revision that last changed it: what `replace` compares."""

    value: str
    revision: int


class Etcd:
    """Every method raises client.CallFailed when it gets no good answer."""

    def __init__(self, base: str, client: Client) -> None:
        self._base = base
        self._client = client

    def health(self) -> None:
        """Raises unless the member is healthy, which includes that it sees a quorum."""
        answer = self._client.get(self._base + "/health")
        document = answer.json()
        if not isinstance(document, dict) or document.get("health") != "true":
            raise answer.bad("says that it isn't healthy: %s" % answer.text)

    def status(self) -> Status:
        """Answered by a learner and without a quorum too."""
        return self._ask("/v3/maintenance/status", {}, _status)

    def members(self) -> Tuple[EtcdMember, ...]:
        """The members as the quorum sees them; a learner refuses to say."""
        return self._ask("/v3/cluster/member/list", {}, lambda said: tuple(_member(entry) for entry in said["members"]))

    def get(self, key: str) -> Optional[Stored]:
        return self._ask("/v3/kv/range", {"key": _base64(key)}, _stored)

    def replace(self, key: str, value: str, revision: int) -> bool:
        """Writes only if the key was last changed by `revision` (0: only if it doesn't exist); False when it was not."""
        transaction = {
            "compare": [{"key": _base64(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}],
            "success": [{"request_put": {"key": _base64(key), "value": _base64(value)}}],
        }
        return self._ask("/v3/kv/txn", transaction, lambda said: said.get("succeeded") is True)

    def _ask(self, path: str, body: Any, read: Callable[[Any], Read]) -> Read:
        url = self._base + path
        return understood(url, self._client.call("POST", url, body).json(), read)


def _status(said: Any) -> Status:
    return Status(
        member_id=int(said["header"]["member_id"]),
        leader_id=int(said.get("leader", 0)),
        applied=int(said.get("raftAppliedIndex", 0)),
        learner=said.get("isLearner") is True,
        version=str(said.get("version", "")),
    )


def _member(said: Any) -> EtcdMember:
    return EtcdMember(
        id=int(said["ID"]),
        name=str(said.get("name", "")),
        learner=said.get("isLearner") is True,
        peer_urls=tuple(str(url) for url in said.get("peerURLs", ())),
        client_urls=tuple(str(url) for url in said.get("clientURLs", ())),
    )


def _stored(said: Any) -> Optional[Stored]:
    for entry in said.get("kvs", []):
        return Stored(base64.b64decode(entry.get("value", "")).decode(), int(entry["mod_revision"]))
    return None


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

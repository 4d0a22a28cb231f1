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
from typing import Any, Callable, Dict, Optional, Tuple, TypeVar

from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import Client, understood

Read = TypeVar("Read")

# A stream of pieces in base64 (etcd_snapshot.py).
SNAPSHOT = "/v3/maintenance/snapshot"


@dataclass(frozen=True)
class Status:
    """One member's own state. `term` numbers leaderships."""

    member_id: int
    leader_id: int
    applied: int
    learner: bool
    version: str
    term: int = 0


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
    """A value and the revision that last changed it: what `replace` compares. `lease` is 0 for a value that stays.

    HoraeMeta's own values aren't text: `raw` is as they are.
    """

    value: str
    revision: int
    lease: int = 0

    @property
    def raw(self) -> bytes:
        return self.value.encode(errors="surrogateescape")


class Etcd:
    """Every method raises http.CallFailed when it gets no good answer."""

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
        return self._ask("/v3/kv/range", {"key": _base64(key)}, _first)

    def range(self, prefix: str) -> Dict[str, Stored]:
        """All keys that begin with `prefix`, in their order."""
        return self._ask("/v3/kv/range", {"key": _base64(prefix), "range_end": _base64(_after(prefix))}, _all)

    def between(self, first: str, last: str) -> Dict[str, Stored]:
        """All keys from `first` to `last`, both included, in their order."""
        return self._ask("/v3/kv/range", {"key": _base64(first), "range_end": _base64(last + "\0")}, _all)

    def put(self, key: str, value: str, lease: int = 0) -> None:
        self._ask("/v3/kv/put", {"key": _base64(key), "value": _base64(value), "lease": str(lease)}, lambda said: said["header"])

    def replace(self, key: str, value: str, revision: int, lease: int = 0) -> bool:
        """Writes only if the key was last changed by `revision` (0: only if it doesn't exist); False when it was not."""
        put = {"request_put": {"key": _base64(key), "value": _base64(value), "lease": str(lease)}}
        return self._ask("/v3/kv/txn", _if_unchanged(key, revision, put), lambda said: said.get("succeeded") is True)

    def create(self, key: str, value: str, lease: int = 0) -> bool:
        """Writes only if the key doesn't exist."""
        return self.replace(key, value, 0, lease)

    def delete(self, key: str) -> None:
        self._ask("/v3/kv/deleterange", {"key": _base64(key)}, lambda said: said["header"])

    def remove(self, key: str, revision: int) -> bool:
        """Deletes only if the key was last changed by `revision`; False when it was not."""
        delete = {"request_delete_range": {"key": _base64(key)}}
        return self._ask("/v3/kv/txn", _if_unchanged(key, revision, delete), lambda said: said.get("succeeded") is True)

    def grant(self, seconds: int) -> int:
        """A new lease: what is put with it goes when nobody has kept it alive for so long."""
        return self._ask("/v3/lease/grant", {"TTL": str(seconds)}, lambda said: int(said["ID"]))

    def keepalive(self, lease: int) -> int:
        """Gives a lease its whole time again. Returns the seconds, 0 when it has run out already."""
        return self._ask("/v3/lease/keepalive", {"ID": str(lease)}, lambda said: int(said["result"].get("TTL", 0)))

    def time_to_live(self, lease: int) -> Tuple[int, int]:
        """Seconds that are left of a lease, and those that it was granted; below 1 and 0 for one that has run out."""
        return self._ask("/v3/lease/timetolive", {"ID": str(lease)}, lambda said: (int(said.get("TTL", 0)), int(said.get("grantedTTL", 0))))

    def revoke(self, lease: int) -> None:
        """Ends a lease, and removes what was put with it."""
        self._ask("/v3/lease/revoke", {"ID": str(lease)}, lambda said: said["header"])

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
        term=int(said.get("raftTerm", 0)),
    )


def _member(said: Any) -> EtcdMember:
    return EtcdMember(
        id=int(said["ID"]),
        name=str(said.get("name", "")),
        learner=said.get("isLearner") is True,
        peer_urls=tuple(str(url) for url in said.get("peerURLs", ())),
        client_urls=tuple(str(url) for url in said.get("clientURLs", ())),
    )


def _stored(entry: Any) -> Stored:
    return Stored(base64.b64decode(entry.get("value", "")).decode(errors="surrogateescape"), int(entry["mod_revision"]), int(entry.get("lease", 0)))


def _first(said: Any) -> Optional[Stored]:
    return next((_stored(entry) for entry in said.get("kvs", [])), None)


def _all(said: Any) -> Dict[str, Stored]:
    return {base64.b64decode(entry["key"]).decode(): _stored(entry) for entry in said.get("kvs", [])}


def _if_unchanged(key: str, revision: int, then: Any) -> Any:
    return {
        "compare": [{"key": _base64(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}],
        "success": [then],
    }


def _after(prefix: str) -> str:
    """The first key behind all that begin with `prefix`; its last character is never the last one there is."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

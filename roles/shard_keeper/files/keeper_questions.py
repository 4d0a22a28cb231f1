# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, see LICENSE
# SPDX-License-Identifier: Apache-2.0
"""What the keeper asks, over HTTP: its own member, the others, and the data nodes."""

from __future__ import annotations

import base64
import errno
import http.client
import json
import socket
import time
from dataclasses import replace
from typing import Any, Callable, Dict, FrozenSet, Optional, Tuple
from urllib.parse import urlsplit

from keeper_decisions import LeaderKey, Member, Other, Own, Settings

# Trouble of this host's own, which says nothing about the node that was asked.
OWN_TROUBLE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EPERM)
MAX_BODY = 16 * 1024 * 1024


class Trouble(Exception):
    """No usable answer, as a sentence. `late`: there was none in time. `gone`: nothing listens there."""

    def __init__(self, text: str, late: bool = False, gone: bool = False) -> None:
        super().__init__(text)
        self.late, self.gone = late, gone


class CannotTell(Exception):
    """The question could not even be put: it says nothing about who was asked."""


class Questions:
    """HTTP requests that share one budget of time. Proxies of the environment are never used."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._end = time.monotonic() + timeout

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout()
        return left

    def ask(self, method: str, url: str, body: Any = None) -> Tuple[int, bytes]:
        """Raises Trouble where there is no answer in HTTP, CannotTell for this host's own troubles. A body that breaks off is empty."""
        parts = urlsplit(url)
        try:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self._left())
            try:
                data = None if body is None else json.dumps(body).encode()
                connection.request(method, parts.path or "/", data, {"Connection": "close"})
                connection.sock.settimeout(self._left())
                response = connection.getresponse()
                try:
                    return response.status, response.read(MAX_BODY)
                except (OSError, http.client.HTTPException):
                    return response.status, b""
            finally:
                connection.close()
        except socket.gaierror as error:
            raise CannotTell("%s: the name can't be resolved" % url) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in OWN_TROUBLE:
                raise CannotTell("%s: %s" % (url, error)) from error
            late = isinstance(error, socket.timeout)
            says = "nothing within %g s" % self._timeout if late else str(error) or type(error).__name__
            raise Trouble("%s: %s" % (url, says), late, isinstance(error, ConnectionRefusedError)) from error

    def json(self, method: str, url: str, body: Any, read: Callable[[Any], Any]) -> Any:
        """`read` of the document of an answer with status 200; Trouble for anything else."""
        status, text = self.ask(method, url, body)
        try:
            if status == 200:
                return read(json.loads(text))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Trouble("%s answered what isn't understood (%s: %s)" % (url, type(error).__name__, error)) from None
        raise Trouble("%s answered HTTP %d: %s" % (url, status, text[:200].decode("utf-8", "replace").strip()))

    def healthy(self, member: Member) -> bool:
        """By etcd's word, which needs a quorum; HoraeMeta says success without."""
        status, text = self.ask("GET", member.etcd + "/health")
        return status == 200 and b'"true"' in text

    def status(self, member: Member) -> Dict[str, Any]:
        return dict(self.json("POST", member.etcd + "/v3/maintenance/status", {}, dict))

    def leader_url(self, member: Member) -> str:
        """Whom the member itself takes for HoraeMeta's leader: HTTP 500 while it knows of none."""
        status, text = self.ask("GET", member.api + "/debug/leader")
        return str(json.loads(text).get("data") or "") if status == 200 and text.startswith(b"{") else ""

    def etcd(self, member: Member, path: str, body: Any) -> Dict[str, Any]:
        return dict(self.json("POST", member.etcd + "/v3/" + path, body, dict))


def encoded(text: str) -> str:
    """As etcd's gateway takes keys and values."""
    return base64.b64encode(text.encode()).decode()


def decoded(text: str) -> bytes:
    return base64.b64decode(text)


def enveloped(document: Any) -> Any:
    """What is in HoraeMeta's envelope."""
    if document["status"] != "success":
        raise ValueError("status %s" % document["status"])
    return document.get("data")


def _view(document: Any) -> Dict[int, Tuple[str, ...]]:
    view: Dict[int, Tuple[str, ...]] = {}
    for entry in enveloped(document)["NodeShards"] or []:
        shard, name = int(entry["ShardInfo"]["ID"]), str(entry["ShardNode"]["NodeName"])
        view[shard] = view.get(shard, ()) + ((name,) if name else ())
    return {shard: names for shard, names in view.items() if names}


def words(settings: Settings, questions: Questions) -> Own:
    """What the own member says of itself at once, also when it hangs. The gateway writes numbers as strings and leaves zeros out."""
    member, asked = settings.member, time.monotonic()
    said = questions.status(member)
    between = time.monotonic()
    leader_url = questions.leader_url(member)
    head = said.get("header", {})
    return Own(
        asked=asked,
        id=int(head.get("member_id", 0)),
        etcd_leader=int(said.get("leader", 0)),
        term=int(said.get("raftTerm", 0)),
        applied=int(said.get("raftAppliedIndex", 0)),
        leader_url=leader_url,
        took=max(between - asked, time.monotonic() - between),
    )


def ask_own(settings: Settings) -> Own:
    """Raises Trouble or CannotTell."""
    member = settings.member
    own = words(settings, Questions(settings.timeout))
    named = own.names(member)
    if own.etcd_leader == 0:
        # Nothing that needs a quorum is answered, and waiting for it would hide how long that has been so.
        return own
    questions, began = Questions(2 * settings.timeout), time.monotonic()
    if not (own.leads_etcd or named) or not questions.healthy(member):
        return own
    # Its etcd read a key for that, and had a majority confirm it, as for everything that a new leader loads.
    own = replace(own, healthy=True, took=max(own.took, time.monotonic() - began))
    if own.leads_etcd:
        locked, key = questions.json("POST", member.etcd + "/v3/kv/txn", _both_keys(settings), _locked_and_leader)
        own = replace(own, locked=locked, key=key)
    if not named:
        return own
    try:
        # From a budget of its own: whether the leader hangs is told by this question alone.
        listed = Questions(settings.timeout).json("GET", member.api + "/api/v1/clusters", None, lambda said: list(enveloped(said) or []))
    except Trouble as trouble:
        if trouble.late:
            return replace(own, hangs=True)
        raise
    types = {str(entry["Name"]): str(entry["TopologyType"]) for entry in listed}
    if not own.leads_etcd or settings.cluster not in types:
        return own
    view = questions.json("POST", member.api + "/api/v1/getNodeShards", {"ClusterName": settings.cluster}, _view)
    return replace(own, topology_type=types[settings.cluster], view=view)


def _both_keys(settings: Settings) -> Dict[str, Any]:
    """The operation lock and the leader key in one question."""
    return {"success": [{"request_range": {"key": encoded(key)}} for key in (settings.lock_key, settings.leader_key)]}


def _locked_and_leader(document: Any) -> Tuple[bool, Optional[LeaderKey]]:
    lock, leader = (answer["response_range"].get("kvs", []) for answer in document["responses"])
    keys = [LeaderKey(_member_id(decoded(entry["value"])), int(entry.get("lease", 0))) for entry in leader]
    return bool(lock), keys[0] if keys else None


def _member_id(record: bytes) -> int:
    """Field 2 of HoraeMeta's protobuf message Member: name = 1, id = 2, endpoint = 3, leader_priority = 4. Raises ValueError."""

    def varint(at: int) -> Tuple[int, int]:
        value = shift = 0
        while True:
            value |= (record[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not record[at - 1] & 0x80:
                return value, at

    at = 0
    try:
        while at < len(record):
            tag, at = varint(at)
            value, at = varint(at)
            if tag == 2 << 3:
                return value
            if tag & 7 == 2:
                at += value
    except IndexError:
        pass
    raise ValueError("the leader key has no member's id in it")


def ask_other(settings: Settings, member: Member) -> Other:
    """Raises Trouble or CannotTell."""
    asked, questions = time.monotonic(), Questions(settings.timeout)
    said = questions.status(member)
    return Other(
        at=asked,
        etcd_leader=int(said.get("leader", 0)),
        applied=int(said.get("raftAppliedIndex", 0)),
        voting=said.get("isLearner") is not True,
        healthy=questions.healthy(member),
        names_itself=member.is_at(questions.leader_url(member)),
    )


def ask_node(settings: Settings, name: str) -> FrozenSet[int]:
    """The shards that the node calls Ready. Any answer in HTTP is a sign of life; raises Trouble without one."""
    _status, text = Questions(settings.timeout).ask("GET", settings.nodes[name] + "/debug/shards")
    try:
        return frozenset(int(entry["id"]) for entry in json.loads(text) if entry["status"] == "Ready")
    except (KeyError, TypeError, ValueError):
        return frozenset()

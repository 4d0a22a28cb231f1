"""etcd's JSON gateway: keys and values are base64, numbers are strings."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Union

from common.http import Answer, Unreachable, call


class EtcdError(Exception):
    """etcd answered, and said no."""


def b64(text: Union[str, bytes]) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def unb64(text: str) -> str:
    return base64.b64decode(text).decode()


def prefix_end(prefix: str) -> str:
    """The key just after every key with this prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


@dataclass(frozen=True)
class KeyValue:
    key: str
    raw: bytes
    create_revision: int
    lease: int

    @property
    def value(self) -> str:
        return self.raw.decode()


@dataclass(frozen=True)
class Status:
    member: int
    leader: int


class Etcd:
    """Asks the endpoints in turn, beginning with the one that answered last."""

    def __init__(self, endpoints: Sequence[str], timeout: float = 5.0) -> None:
        self._endpoints = [e if "://" in e else "http://" + e for e in endpoints]
        self._timeout = timeout
        self._lock = threading.Lock()

    def post(self, path: str, body: Dict[str, Any]) -> Dict[str, Any]:
        answer = self._ask(path, body)
        if answer.status != 200:
            try:
                raise EtcdError(str(answer.json()["error"]))
            except (ValueError, KeyError):
                raise EtcdError("HTTP %d" % answer.status) from None
        return dict(answer.json())

    def _ask(self, path: str, body: Dict[str, Any]) -> Answer:
        last = Unreachable("no endpoint")
        with self._lock:
            endpoints = list(self._endpoints)
        for endpoint in endpoints:
            try:
                answer = call("POST", endpoint + path, body, self._timeout)
            except Unreachable as error:
                last = error
                continue
            with self._lock:
                self._endpoints.sort(key=lambda e: e != endpoint)
            return answer
        raise last

    def status(self) -> Status:
        answer = self.post("/v3/maintenance/status", {})
        return Status(int(answer["header"]["member_id"]), int(answer.get("leader", 0)))

    def range(self, key: str, prefix: bool = False) -> List[KeyValue]:
        body = {"key": b64(key)}
        if prefix:
            body["range_end"] = b64(prefix_end(key))
        found = self.post("/v3/kv/range", body).get("kvs", [])
        return [
            KeyValue(unb64(kv["key"]), base64.b64decode(kv.get("value", "")), int(kv["create_revision"]), int(kv.get("lease", 0)))
            for kv in found
        ]

    def get(self, key: str) -> Optional[KeyValue]:
        found = self.range(key)
        return found[0] if found else None

    def txn(self, success: List[Dict[str, Any]], compare: Optional[List[Dict[str, Any]]] = None) -> bool:
        return bool(self.post("/v3/kv/txn", {"compare": compare or [], "success": success}).get("succeeded", False))

    def create(self, key: str, value: bytes, lease: int) -> bool:
        """Writes the key unless it exists."""
        return self.txn([put(key, value, lease)], [{"key": b64(key), "target": "CREATE", "result": "EQUAL", "create_revision": "0"}])

    def delete(self, key: str, prefix: bool = False) -> None:
        body = {"key": b64(key)}
        if prefix:
            body["range_end"] = b64(prefix_end(key))
        self.post("/v3/kv/deleterange", body)

    def grant(self, ttl: int) -> int:
        return int(self.post("/v3/lease/grant", {"TTL": str(ttl)})["ID"])

    def keepalive(self, lease: int) -> int:
        """The new TTL; 0 when the lease is gone."""
        return int(self.post("/v3/lease/keepalive", {"ID": str(lease)}).get("result", {}).get("TTL", 0))

    def remaining(self, lease: int) -> int:
        """Seconds left; below 1 when the lease is gone."""
        return int(self.post("/v3/lease/timetolive", {"ID": str(lease)}).get("TTL", 0))

    def revoke(self, lease: int) -> None:
        self.post("/v3/lease/revoke", {"ID": str(lease)})


def put(key: str, value: Union[str, bytes], lease: int = 0) -> Dict[str, Any]:
    """A put as part of a transaction."""
    return {"request_put": {"key": b64(key), "value": b64(value), "lease": str(lease)}}


def drop(key: str) -> Dict[str, Any]:
    """A delete as part of a transaction."""
    return {"request_delete_range": {"key": b64(key)}}

"""The object store: what was flushed. Keys hold no node id."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Optional, Protocol, Tuple

from common.http import Unreachable, call

from horaedb.signing import s3_headers
from horaedb.wal import sync_write

# NoMeta gives up on an object store that does not answer after about this long.
FIRST_CONTACT = 7.0


class StoreError(Exception):
    """The store was not reached, or refused."""


class Store(Protocol):
    def put(self, key: str, data: bytes) -> None: ...

    def get(self, key: str) -> Optional[bytes]: ...


class LocalStore:
    def __init__(self, data_dir: str) -> None:
        self._root = os.path.join(data_dir, "store")
        os.makedirs(self._root, exist_ok=True)
        if not os.access(self._root, os.W_OK):
            raise PermissionError(13, "Permission denied", self._root)

    def _path(self, key: str) -> str:
        return os.path.join(self._root, key)

    def put(self, key: str, data: bytes) -> None:
        try:
            os.makedirs(os.path.dirname(self._path(key)), exist_ok=True)
            sync_write(self._path(key) + ".new", data)
            os.replace(self._path(key) + ".new", self._path(key))
        except OSError as error:
            raise StoreError(str(error)) from error

    def get(self, key: str) -> Optional[bytes]:
        try:
            with open(self._path(key), "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None


class BucketStore:
    """S3 in path style and signed, or OSS unsigned. No scheme means https, which no test server speaks: it fails as the real one does."""

    def __init__(self, settings: Dict[str, Any], timeout: float) -> None:
        self._settings = settings
        endpoint = str(settings["endpoint"])
        self._secure = not endpoint.startswith("http://")
        self._base = "%s/%s/%s" % (endpoint.rstrip("/"), settings["bucket"], str(settings["prefix"]).strip("/"))
        self._timeout = timeout

    def _ask(self, method: str, key: str, data: Optional[bytes] = None) -> Tuple[int, bytes]:
        if self._secure:
            raise StoreError("error sending request for url (https://%s): no TLS on the other side" % self._base.split("://")[-1])
        try:
            url = "%s/%s" % (self._base, key)
            signed = s3_headers(method, url, data or b"", self._settings, time.time()) if self._settings["type"] == "S3" else {}
            answer = call(method, url, data, self._timeout, "application/octet-stream", signed)
        except Unreachable as error:
            raise StoreError(str(error)) from error
        return answer.status, answer.body

    def put(self, key: str, data: bytes) -> None:
        status, body = self._ask("PUT", key, data)
        if status >= 300:
            raise StoreError("PUT %s: status %d, %s" % (key, status, body[:200].decode(errors="replace")))

    def get(self, key: str) -> Optional[bytes]:
        status, body = self._ask("GET", key)
        if status == 404:
            return None
        if status >= 300:
            raise StoreError("GET %s: status %d" % (key, status))
        return body

    def reach(self) -> None:
        """Raises StoreError when nobody answers there at all."""
        self._ask("GET", "")


def open_store(settings: Dict[str, Any], timeout: float) -> Store:
    """Raises OSError when a local directory can't be written."""
    return LocalStore(settings["data_dir"]) if settings["type"] == "Local" else BucketStore(settings, timeout)

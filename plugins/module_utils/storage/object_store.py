# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""An object store as HoraeDB will use it: S3 in path style, whoever serves it, and Aliyun OSS. What it is asked, and how."""

from __future__ import annotations

import ipaddress
import re
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Tuple
from urllib.parse import urlsplit

from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.storage import connection, signing
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.connection import StorageAnswer
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.signing import Query

KEYS = ("endpoint", "bucket", "prefix", "region", "key_id", "key_secret")

# Objects of the collection's own lie inside of the prefix, where HoraeDB's credentials have to reach anyway. HoraeDB's first
# step below it is the number of a space, so a name with a dot is none of its own, and in a listing it comes first.
OWN = ".horaedb-cluster-"
OWNER = OWN + "owner"
PROBE = OWN + "check-"


class BadEndpoint(Failure):
    """An endpoint that HoraeDB would misunderstand. As text: the end of a sentence that begins with it, without a full stop."""

    kind = "storage.bad_endpoint"


@dataclass(frozen=True)
class Endpoint:
    secure: bool
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """The Host header."""
        host = "[%s]" % self.host if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else "%s:%d" % (host, self.port)

    @property
    def url(self) -> str:
        return "%s://%s" % ("https" if self.secure else "http", self.netloc)


def endpoint_of(text: str, bucket: str) -> Endpoint:
    """As HoraeDB reads it: https without a scheme, and a first label that is the bucket's name is not part of it. Raises BadEndpoint."""
    scheme, separator, rest = text.partition("://")
    parts = urlsplit(text if separator else "https://" + text)
    try:
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise BadEndpoint("has no valid port") from None
    if separator and scheme not in ("http", "https"):
        raise BadEndpoint("begins with %s://; HoraeDB knows http:// and https://" % scheme)
    if not host or re.search(r"\s", rest or text) or "@" in parts.netloc:
        raise BadEndpoint("names no host")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadEndpoint("has a path, which would put the objects into another place than you mean")
    if bucket and host.startswith(bucket.lower() + "."):
        host = host[len(bucket) + 1 :]
    secure = parts.scheme == "https"
    return Endpoint(secure, host, port or (443 if secure else 80))


@dataclass(frozen=True)
class Store:
    """`key_secret` is in here: never print one."""

    kind: str
    endpoint: Endpoint
    bucket: str
    prefix: str
    region: str
    key_id: str
    key_secret: str
    timeout: float
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, table: Mapping[str, Any], timeout: float) -> Store:
        """From [analytic.storage.object_store]; raises BadEndpoint."""
        text: Dict[str, str] = {key: str(table.get(key) or "").strip() for key in KEYS}
        return cls(
            kind=str(table["type"]),
            endpoint=endpoint_of(text["endpoint"], text["bucket"]),
            bucket=text["bucket"],
            prefix=text["prefix"].strip("/"),
            region=text["region"],
            key_id=text["key_id"],
            key_secret=text["key_secret"],
            timeout=timeout,
        )

    @property
    def place(self) -> str:
        """Bucket and prefix, by which an operator names it."""
        return "/".join(filter(None, [self.bucket, self.prefix]))

    @property
    def signed(self) -> bool:
        """Without keys HoraeDB takes the credentials of its environment, which can't be tried from here."""
        return bool(self.key_id and self.key_secret)

    def key(self, name: str) -> str:
        return "/".join(filter(None, [self.prefix, name]))

    def ask(self, method: str, key: str = "", query: Query = (), body: bytes = b"") -> StorageAnswer:
        """Raises connection.Broken."""
        host, netloc, path = self._where(key)
        now = self.clock()
        if self.kind == "Aliyun":
            headers = dict(signing.oss(method, self.bucket, key, self.key_id, self.key_secret, now), host=netloc)
        else:
            credentials = (self.region, self.key_id, self.key_secret)
            headers = signing.sigv4(method, netloc, path, query, body, *credentials, now)
        if not self.signed:
            del headers["authorization"]
        wire = connection.reach(host, self.endpoint.port, self.timeout)
        try:
            if self.endpoint.secure:
                wire = connection.secured(wire, host)
            asked = path + ("?" + signing.query_of(query) if query else "")
            return connection.ask(wire, method, asked, headers, body, self.timeout)
        finally:
            wire.close()

    def listing(self) -> StorageAnswer:
        """The first names below the prefix; the collection's own come first."""
        below = self.prefix + "/" if self.prefix else ""
        query = [("prefix", below), ("max-keys", "50")]
        return self.ask("GET", query=query if self.kind == "Aliyun" else [("list-type", "2"), *query])

    def _where(self, key: str) -> Tuple[str, str, str]:
        """Host to connect to, Host header and path. OSS takes the bucket in the host's name, unless the host is an address."""
        host = self.endpoint.host
        if self.kind != "Aliyun" or _is_address(host):
            parts = [self.bucket, key] if key else [self.bucket]
            return host, self.endpoint.netloc, signing.path_of(*parts) + ("/" if self.kind == "Aliyun" and not key else "")
        there = Endpoint(self.endpoint.secure, "%s.%s" % (self.bucket, host), self.endpoint.port)
        return there.host, there.netloc, signing.path_of(key)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def names_in(listing: bytes) -> Tuple[str, ...]:
    """The keys of a listing, without those of the collection's own."""
    found = re.findall(r"<Key>([^<]*)</Key>", listing.decode("utf-8", "replace"))
    return tuple(key for key in found if not key.rpartition("/")[2].startswith(OWN))


def said(answer: StorageAnswer, name: str) -> str:
    """What an error document says under this name; S3 and OSS write the same one."""
    found = re.search(r"<%s>([^<]*)</%s>" % (name, name), answer.body.decode("utf-8", "replace"))
    return found.group(1).strip() if found else ""

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Tries an object store from a data node as HoraeDB will use it: list, write, read back, delete one small object.

HoraeDB itself starts on a store that is unreachable or has no such bucket, and acknowledges rows that its first flush
then loses. So each thing that can be wrong is looked for here, and told apart.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Finding
from ansible_collections.horaedb.cluster.plugins.module_utils.storage import owner_mark
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.connection import Broken, RequestStep, StorageAnswer
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.object_store import (
    OWNER,
    PROBE,
    BadEndpoint,
    Store,
    endpoint_of,
    names_in,
    said,
)

TABLE = "horaedb_object_store"

# Seconds. S3 refuses a signature that is 15 minutes off; what is off by one minute is on its way there.
SKEW_REFUSED, SKEW_TOLD = 900, 60

_CA_STORES = (
    "Debian: /usr/local/share/ca-certificates, then update-ca-certificates; RHEL: /etc/pki/ca-trust/source/anchors, then update-ca-trust"
)

# Error codes by what they mean; S3's and OSS's.
_NO_BUCKET = ("NoSuchBucket",)
_UNKNOWN_KEY = ("InvalidAccessKeyId", "InvalidAccessKey")
_WRONG_SECRET = ("SignatureDoesNotMatch",)
_REGION = ("AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "InvalidRegion", "IllegalLocationConstraintException")
_CLOCK = ("RequestTimeTooSkewed", "RequestExpired")


@dataclass
class TriedStore:
    """`holds`: whether objects lie below the prefix, None when that wasn't seen. `owner`: the mark of a cluster, None without one."""

    place: str = ""
    findings: List[Finding] = field(default_factory=list)
    holds: Optional[bool] = None
    owner: Optional[Dict[str, Any]] = None


class _Refused(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.rule)
        self.finding = finding


def finding(rule: str, what: str, change: str, severity: str = "error") -> Finding:
    """The host is added by whoever knows its name in the inventory."""
    return Finding(rule, (), what, change, severity)


def attempt(table: Mapping[str, Any], write: bool, timeout: float) -> TriedStore:
    """Never raises for what the store or the network does. Without `write` nothing is left there, not even for a moment."""
    tried = TriedStore()
    try:
        store = _store(table, timeout)
        tried.place = "%s %s %s" % (store.kind, store.endpoint.url, store.place)
        _Attempt(store, tried).run(write)
    except _Refused as refused:
        tried.findings.append(refused.finding)
    return tried


def claim(table: Mapping[str, Any], mark: Mapping[str, Any], timeout: float) -> Optional[Finding]:
    """Writes whose the prefix is, and reads it back."""
    try:
        store = _store(table, timeout)
        attempted = _Attempt(store, TriedStore())
        text = owner_mark.to_bytes(mark)
        attempted.ask("write", "PUT", store.key(OWNER), text)
        attempted.compare(OWNER, text)
    except _Refused as refused:
        return refused.finding
    return None


def _store(table: Mapping[str, Any], timeout: float) -> Store:
    for key in ("endpoint", "bucket"):
        if not str(table.get(key) or "").strip():
            raise _Refused(finding("store.missing", "%s.%s is empty." % (TABLE, key), "Set %s.%s." % (TABLE, key)))
    try:
        return Store.of(table, timeout)
    except BadEndpoint as bad:
        what = "%s.endpoint %r %s." % (TABLE, str(table["endpoint"]), bad)
        raise _Refused(finding("store.url", what, "Set %s.endpoint to http://host:port or https://host." % TABLE)) from None


class _Attempt:
    def __init__(self, store: Store, tried: TriedStore) -> None:
        self._store = store
        self._tried = tried
        self._clock_seen = False

    def run(self, write: bool) -> None:
        store, tried = self._store, self._tried
        if store.kind == "Aliyun":
            what = "the object store is Aliyun OSS, and HoraeDB 2.1.0 seems to name the bucket twice there."
            tried.findings.append(finding("store.aliyun", what, "See a flush succeed, or take OSS's own S3 interface (type S3).", WARNING))
        if not store.signed:
            self._unsigned()
            return
        listing = self.ask("list", "GET")
        if b"ListBucketResult" not in listing.body:
            raise _Refused(self._unknown("list", "isn't an object store: a listing has no ListBucketResult"))
        tried.holds = bool(names_in(listing.body))
        tried.owner = owner_mark.of_answer(self.ask("read", "GET", store.key(OWNER), may_miss=True))
        if write:
            self._probe()

    def _unsigned(self) -> None:
        """The store has to be there all the same, but what it says about strangers is no evidence."""
        self._answer("GET", "")
        what = "%s.key_id or key_secret is empty: HoraeDB takes credentials from its environment, which can't be tried." % TABLE
        self._tried.findings.append(finding("store.unsigned", what, "Set %s.key_id and key_secret, or see to the environment of the hosts." % TABLE, WARNING))

    def _probe(self) -> None:
        name, content = PROBE + secrets.token_hex(8), secrets.token_hex(8).encode()
        self.ask("write", "PUT", self._store.key(name), content)
        try:
            self.compare(name, content)
        finally:
            self.ask("delete", "DELETE", self._store.key(name))

    def compare(self, name: str, content: bytes) -> None:
        if self.ask("read", "GET", self._store.key(name)).body != content:
            raise _Refused(
                finding(
                    "store.changed",
                    "what was written to %s of %s came back as something else." % (self._store.key(name), self._store.endpoint.url),
                    "Look for a cache or a proxy in front of it, and take %s.endpoint past it." % TABLE,
                )
            )

    def ask(self, doing: str, method: str, key: str = "", body: bytes = b"", may_miss: bool = False) -> StorageAnswer:
        """The answer of a success, or of a missing object where that may be; raises _Refused."""
        answer = self._answer(method, key, body)
        self._look_at_the_clock(answer)
        if answer.status // 100 == 2 or (may_miss and answer.status == 404 and said(answer, "Code") not in _NO_BUCKET):
            return answer
        raise _Refused(self._refusal(doing, answer))

    def _answer(self, method: str, key: str, body: bytes = b"") -> StorageAnswer:
        store = self._store
        try:
            return store.ask(method, key, body=body) if key else store.listing()
        except Broken as broken:
            raise _Refused(self._broken(broken)) from None

    def _broken(self, broken: Broken) -> Finding:
        at, url, here = self._store.endpoint, self._store.endpoint.url, "%s.endpoint" % TABLE
        if broken.step is RequestStep.NAME:
            change = "Correct %s, or the hosts' DNS; try there: getent hosts %s." % (here, at.host)
            return finding("store.name", "the name of the object store %s can't be resolved: %s." % (url, broken), change)
        if broken.step is RequestStep.CONNECT:
            change = "Start it, open the way to port %d in firewalls, or correct %s; try there: curl -v %s." % (at.port, here, url)
            return finding("store.connect", "the object store %s can't be reached: %s." % (url, broken), change)
        if broken.step in (RequestStep.TLS, RequestStep.TRUST):
            change = "Write http:// in %s if it has no TLS, or correct its port." % here
            if broken.step is RequestStep.TRUST:
                change = "Put the certificate of its CA into the hosts' system store (%s), or correct the name in %s." % (_CA_STORES, here)
            return finding("store.tls", "no TLS with the object store %s: %s." % (url, broken), change)
        hint = "" if at.secure else " Write https:// if it wants TLS."
        return finding("store.answer", "the object store %s gave no answer: %s." % (url, broken), "Look into its log, or correct %s.%s" % (here, hint))

    def _look_at_the_clock(self, answer: StorageAnswer) -> None:
        if self._clock_seen or "date" not in answer.headers:
            return
        self._clock_seen = True
        try:
            skew = self._store.clock() - parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (TypeError, ValueError, IndexError, OverflowError):
            return
        if abs(skew) < SKEW_TOLD:
            return
        severity = WARNING if abs(skew) < SKEW_REFUSED else "error"
        late = "ahead of" if skew > 0 else "behind"
        # Rounded, so that hosts of one time server say the same.
        what = "the clock is %d min %s that of the object store %s, which refuses requests from 15 min on." % (
            round(abs(skew) / 60),
            late,
            self._store.endpoint.url,
        )
        told = finding("store.clock", what, "Set the clock, with a time service (systemctl enable --now systemd-timesyncd, or chrony).", severity)
        if severity == WARNING:
            self._tried.findings.append(told)
        else:
            raise _Refused(told)

    def _refusal(self, doing: str, answer: StorageAnswer) -> Finding:
        store, code = self._store, said(answer, "Code")
        url = store.endpoint.url
        if code in _NO_BUCKET:
            return finding(
                "store.bucket",
                "the object store %s has no bucket %s. HoraeDB would start, acknowledge rows, and lose them at its first flush." % (url, store.bucket),
                "Make it (aws --endpoint-url %s s3 mb s3://%s), or correct %s.bucket." % (url, store.bucket, TABLE),
            )
        if code in _UNKNOWN_KEY:
            return finding("store.key", "the object store %s doesn't know %s.key_id." % (url, TABLE), "Correct %s.key_id." % TABLE)
        if code in _WRONG_SECRET:
            return finding(
                "store.secret",
                "the object store %s says that the signature is wrong: %s.key_secret isn't the one of key_id." % (url, TABLE),
                "Correct %s.key_secret; look for spaces, and for a vault of another environment." % TABLE,
            )
        if code in _REGION or answer.status == 301:
            right = said(answer, "Region") or answer.headers.get("x-amz-bucket-region") or said(answer, "Endpoint")
            what = "%s.region is %r, and the object store %s says %s." % (TABLE, store.region, url, right or said(answer, "Message") or code or "otherwise")
            return finding("store.region", what, "Set %s.region to what it says, or correct %s.endpoint." % (TABLE, TABLE))
        if code in _CLOCK:
            return finding(
                "store.clock",
                "the object store %s says that the host's clock differs too much from its own." % url,
                "Set the clock, with a time service (systemctl enable --now systemd-timesyncd, or chrony).",
            )
        if answer.status in (401, 403):
            return finding(
                "store.denied",
                "the credentials in %s may not %s below %s of %s (%s)." % (TABLE, doing, store.place, url, code or "HTTP %d" % answer.status),
                "Allow it: HoraeDB has to list, read, write and delete below its prefix. Or correct %s.key_id." % TABLE,
            )
        said_ = ": ".join(filter(None, [code, said(answer, "Message")]))
        return self._unknown(doing, "answered HTTP %d%s" % (answer.status, " (%s)" % said_[:200] if said_ else ""))

    def _unknown(self, doing: str, why: str) -> Finding:
        what = "the object store %s %s, asked to %s below %s." % (self._store.endpoint.url, why, doing, self._store.place)
        return finding("store.answer", what, "Look into its log, or correct %s.endpoint." % TABLE)


def place_of(table: Mapping[str, Any]) -> str:
    """Where a table points to, for comparing data nodes; never fails."""
    try:
        where = endpoint_of(str(table.get("endpoint") or ""), str(table.get("bucket") or "")).url
    except BadEndpoint:
        where = str(table.get("endpoint"))
    return " ".join([str(table.get("type")), where, str(table.get("bucket")), str(table.get("prefix") or "").strip("/")])

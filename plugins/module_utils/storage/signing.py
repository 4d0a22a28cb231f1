# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Signatures of requests to object stores: AWS's version 4 and Aliyun OSS's version 1. Pure.

Own code, because a host has nothing but Python's standard library before anything is installed there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from email.utils import formatdate
from typing import Dict, Sequence, Tuple
from urllib.parse import quote

Query = Sequence[Tuple[str, str]]

# What RFC 3986 leaves unreserved, beside letters and digits.
_PLAIN = "-_.~"


def path_of(*parts: str) -> str:
    """An absolute path of these parts, encoded once, as S3 wants it; slashes inside of a part stay."""
    return "/" + "/".join(quote(part, safe=_PLAIN + "/") for part in parts)


def query_of(query: Query) -> str:
    """Sorted, as the signature wants it; it may go over the wire like that too."""
    return "&".join(sorted("%s=%s" % (quote(name, safe=_PLAIN), quote(value, safe=_PLAIN)) for name, value in query))


def sigv4(method: str, host: str, path: str, query: Query, body: bytes, region: str, key_id: str, key_secret: str, now: float) -> Dict[str, str]:
    """The headers of a signed request to S3. `path` is encoded; `host` is the Host header, with its port if it has one."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": moment}
    names = ";".join(sorted(headers))
    canonical = "\n".join([method, path, query_of(query), *("%s:%s" % pair for pair in sorted(headers.items())), "", names, digest])
    scope = "/".join([moment[:8], region, "s3", "aws4_request"])
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + key_secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return dict(
        headers,
        authorization="AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (key_id, scope, names, signature),
    )


def oss(method: str, bucket: str, key: str, key_id: str, key_secret: str, now: float) -> Dict[str, str]:
    """The headers of a signed request to Aliyun OSS without a body type. The parameters of a listing are not part of its signature."""
    date = formatdate(now, usegmt=True)
    text = "\n".join([method, "", "", date, "/%s/%s" % (bucket, key)])
    signature = base64.b64encode(hmac.new(key_secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return {"date": date, "authorization": "OSS %s:%s" % (key_id, signature)}

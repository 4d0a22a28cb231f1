"""Requests to S3 carry a signature, and a store that checks it refuses the others: version 4, for names of plain characters."""

from __future__ import annotations

import hashlib
import hmac
import time
import urllib.parse
from typing import Any, Dict, Mapping

SIGNED = "host;x-amz-content-sha256;x-amz-date"


def s3_headers(method: str, url: str, body: bytes, settings: Mapping[str, Any], now: float) -> Dict[str, str]:
    """Without keys none: the request is anonymous."""
    if not settings["key_id"]:
        return {}
    parts = urllib.parse.urlsplit(url)
    date, moment = time.strftime("%Y%m%d %Y%m%dT%H%M%SZ", time.gmtime(now)).split()
    digest = hashlib.sha256(body).hexdigest()
    request = f"{method}\n{parts.path}\n\nhost:{parts.netloc}\nx-amz-content-sha256:{digest}\nx-amz-date:{moment}\n\n{SIGNED}\n{digest}"
    scope = f"{date}/{settings['region']}/s3/aws4_request"
    signature = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{settings['key_secret']}".encode()
    for word in (*scope.split("/"), signature):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    said = f"Credential={settings['key_id']}/{scope}, SignedHeaders={SIGNED}, Signature={key.hex()}"
    return {"Host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": moment, "Authorization": f"AWS4-HMAC-SHA256 {said}"}

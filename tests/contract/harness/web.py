"""A client for the tests: keeps status, content type and body apart."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Mapping, Optional

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str
    text: str

    @property
    def body(self) -> Any:
        """JSON if it is JSON, else the text."""
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text


def ask(
    method: str, url: str, body: Any = None, raw: Optional[str] = None, headers: Optional[Mapping[str, str]] = None, timeout: float = 10
) -> Reply:
    """Raises OSError when there is no answer."""
    data = raw.encode() if raw is not None else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, dict(headers or {}), method=method)
    try:
        with OPENER.open(request, timeout=timeout) as answer:
            return Reply(answer.status, answer.headers.get("Content-Type", ""), answer.read().decode())
    except urllib.error.HTTPError as error:
        return Reply(error.code, error.headers.get("Content-Type", ""), _rest(error))
    except http.client.HTTPException as error:
        raise ConnectionError("%s: %r" % (url, error)) from error


def _rest(error: urllib.error.HTTPError) -> str:
    try:
        return error.read().decode()
    except http.client.HTTPException as cut:
        raise ConnectionError("%s: %r" % (error.url, cut)) from cut


def status_of(url: str, timeout: float = 2) -> int:
    """0 when there is no answer."""
    try:
        return ask("GET", url, timeout=timeout).status
    except OSError:
        return 0

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""One connection from a host to a piece of storage, step by step: the name, TCP, TLS, one HTTP answer.

Each step that fails is told apart from the others, because each has another remedy. Everything is bounded in time.
Proxies of the environment are never used: the daemon doesn't use them either.
"""

from __future__ import annotations

import enum
import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import at_once
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure

# A listing of twenty names and an object of a few bytes; anything longer is something else.
MAX_BODY = 1024 * 1024


class RequestStep(enum.Enum):
    """Of a request, in their order. TRUST: it speaks TLS, with a certificate that nobody here trusts."""

    NAME = "name"
    CONNECT = "connect"
    TLS = "tls"
    TRUST = "trust"
    ANSWER = "answer"


class Broken(Failure):
    """`step` is where it ended. As text: the reason, without a full stop."""

    kind = "storage.broken"

    def __init__(self, step: RequestStep, why: str) -> None:
        super().__init__(why)
        self.step = step


@dataclass(frozen=True)
class StorageAnswer:
    """`headers` have names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def reach(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection to the first address of `host` that takes one; raises Broken."""
    end = time.monotonic() + timeout
    failed: Optional[OSError] = None
    for family, kind, protocol, _name, address in _addresses(host, port, timeout):
        wire = socket.socket(family, kind, protocol)
        try:
            wire.settimeout(max(0.001, end - time.monotonic()))
            wire.connect(address)
            wire.settimeout(timeout)
            return wire
        except OSError as error:
            wire.close()
            failed = error
    raise Broken(RequestStep.CONNECT, reason(failed, timeout) if failed else "it has no address")


def _addresses(host: str, port: int, timeout: float) -> Any:
    """getaddrinfo, which can't be given a time: a resolver that answers nobody must not hold up a deployment."""

    def look() -> Any:
        try:
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            return error

    found = at_once({host: look}, timeout).get(host)
    if found is None:
        raise Broken(RequestStep.NAME, "no resolver answered within %g s" % timeout)
    if isinstance(found, Exception):
        raise Broken(RequestStep.NAME, str(getattr(found, "strerror", None) or found).rstrip(".").lower())
    return found


def secured(wire: socket.socket, host: str) -> ssl.SSLSocket:
    """TLS over it, the certificate checked against what the system trusts; raises Broken."""
    try:
        return ssl.create_default_context().wrap_socket(wire, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise Broken(RequestStep.TRUST, "its certificate isn't trusted: %s" % error.verify_message.rstrip(".")) from error
    except (OSError, ValueError) as error:
        why = reason(error, wire.gettimeout() or 0) if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else ""
        said = getattr(error, "reason", None)
        raise Broken(RequestStep.TLS, why or "it doesn't speak TLS (%s)" % (said or error)) from error


def ask(wire: socket.socket, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout: float) -> StorageAnswer:
    """One request and its answer over a connection that is closed afterwards; raises Broken."""
    connection = http.client.HTTPConnection(headers["host"])
    connection.sock = wire
    end = time.monotonic() + timeout
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in dict(headers, connection="close", **{"content-length": str(len(body))}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        pieces: List[bytes] = []
        while sum(map(len, pieces)) <= MAX_BODY:
            # Since Python 3.13 the read that uses up Content-Length closes the response, and the socket with it.
            if response.isclosed():
                break
            wire.settimeout(max(0.001, end - time.monotonic()))
            piece = response.read1(65536)
            if not piece:
                break
            pieces.append(piece)
        answer = StorageAnswer(response.status, _lower(response.getheaders()), b"".join(pieces))
        if response.length:
            # read1 takes an early end for the end.
            raise ValueError("its answer is cut off")
        return answer
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Broken(RequestStep.ANSWER, reason(error, timeout)) from error
    finally:
        connection.close()


def _lower(headers: Any) -> Dict[str, str]:
    return {name.lower(): value for name, value in headers}


def reason(error: Exception, timeout: float) -> str:
    if isinstance(error, socket.timeout):
        return "nothing came back within %g s" % timeout
    if isinstance(error, http.client.HTTPException) and not isinstance(error, ConnectionError):
        return "it doesn't speak HTTP (%s)" % type(error).__name__
    return str(getattr(error, "strerror", None) or error or type(error).__name__).rstrip(".").lower()

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What is waited for until a daemon is ready. Built from plain data, so that a task can say it.

ready:
{"kind": "http", "url": "http://192.0.2.21:5440/"}
{"kind": "tcp", "host": "192.0.2.21", "port": 8831}
{"kind": "member", "topology": {...}, "host": "meta1"}
{"kind": "node", "topology": {...}, "host": "db1"}
{"kind": "node_shards", "topology": {...}, "host": "db1", "expect": [0, 3]}

protection, of a data node:
{"topology": {...}, "host": "db1", "silent_after": 4, "in_step": true}
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Protocol

from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed, Client
from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import Clock

# Reading a cluster takes many more files, which the host has to unpack and compile, and most executions of a module that can wait have
# nothing to wait for: so cluster_waits is imported where it is needed.


class Wait(Protocol):
    def poll(self, elapsed: float, /) -> Optional[str]:
        """One step of the wait: None when it is over, else one sentence about what is missing.

        elapsed: seconds since what is waited for began, e.g. since the stop of a daemon that restarts.
        It never raises for what daemons do.
        """


class Protection(Protocol):
    def before_restart(self, clock: Clock, /) -> None:
        """Returns when it is time to stop the daemon."""


def until_ready(spec: Mapping[str, Any], protection: Optional[Mapping[str, Any]] = None) -> Wait:
    """Raises ValueError with a sentence when one isn't one of the above."""
    kind = spec.get("kind")
    fields = {name: value for name, value in spec.items() if name != "kind"}
    try:
        if kind == "http":
            return HttpWait(**fields)
        if kind == "tcp":
            return TcpWait(**fields)
        if kind in ("member", "node", "node_shards"):
            from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import cluster_waits

            return cluster_waits.until_ready(kind, cluster_waits.restart_protection(**protection) if protection else None, **fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("the readiness %s is wrong: %s" % (kind, error)) from None
    raise ValueError("there is no readiness of kind %s; there are http, tcp, member, node and node_shards" % kind)


def for_restart(protection: Mapping[str, Any]) -> Protection:
    """Raises ValueError with a sentence."""
    from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import cluster_waits

    try:
        return cluster_waits.restart_protection(**protection)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("the protection is wrong: %s" % error) from None


def until_protected(protection: Mapping[str, Any]) -> Wait:
    """Of a data node that is stopped. Raises ValueError with a sentence."""
    from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import cluster_waits

    try:
        return cluster_waits.stop_protection(protection["topology"], protection["host"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("the protection is wrong: %s" % error) from None


class HttpWait:
    """Until a GET answers 200."""

    def __init__(self, url: str) -> None:
        self._url = url

    def poll(self, _elapsed: float) -> Optional[str]:
        try:
            answer = Client().get(self._url)
        except CallFailed as error:
            return str(error)
        return None if answer.status == 200 else "%s answered HTTP %d" % (self._url, answer.status)


class TcpWait:
    """Until a TCP connection is accepted."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = int(port)

    def poll(self, _elapsed: float) -> Optional[str]:
        try:
            Client().connect(self._host, self._port)
        except CallFailed as error:
            return str(error)
        return None

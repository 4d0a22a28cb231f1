# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Probes: when is a daemon ready? Built from plain data, so that a task can say what to wait for.

{"kind": "http", "url": "http://192.0.2.21:5440/"}
{"kind": "tcp", "host": "192.0.2.21", "port": 8831}
{"kind": "member", "topology": {...}, "host": "meta1"}
{"kind": "node", "topology": {...}, "host": "db1"}
{"kind": "node_shards", "topology": {...}, "host": "db1", "expect": [0, 3], "protect_after": 4, "in_step": true}
{"kind": "away", "topology": {...}, "host": "db1"}
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Protocol

from ansible_collections.horaedb.cluster.plugins.module_utils.client import CallFailed, Client


class Probe(Protocol):
    def poll(self, elapsed: float, /) -> Optional[str]:
        """None when ready, else one sentence about what is missing.

        elapsed: seconds since what is waited for began, e.g. since the stop of a daemon that
        restarts. A probe may act on it (see node_shards). It never raises for what daemons do.
        """

    # A probe may have before_restart(clock) as well: it returns when it is time to stop the daemon.


def build(spec: Mapping[str, Any]) -> Probe:
    """Raises ValueError with a sentence when `spec` isn't one of the above."""
    kind = spec.get("kind")
    fields = {name: value for name, value in spec.items() if name != "kind"}
    try:
        if kind == "http":
            return HttpProbe(**fields)
        if kind == "tcp":
            return TcpProbe(**fields)
        if kind in ("member", "node", "node_shards", "away"):
            # Reading a cluster takes many more files, which the host has to unpack and compile, and
            # most executions of a module that can wait have nothing to wait for.
            from ansible_collections.horaedb.cluster.plugins.module_utils import readiness_cluster

            return readiness_cluster.build(kind, **fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("the readiness probe %s is wrong: %s" % (kind, error)) from None
    raise ValueError("there is no readiness probe of kind %s; there are http, tcp, member, node, node_shards and away" % kind)


class HttpProbe:
    """Ready when a GET answers 200."""

    def __init__(self, url: str) -> None:
        self._url = url

    def poll(self, _elapsed: float) -> Optional[str]:
        try:
            answer = Client().get(self._url)
        except CallFailed as error:
            return str(error)
        return None if answer.status == 200 else "%s answered HTTP %d" % (self._url, answer.status)


class TcpProbe:
    """Ready when a TCP connection is accepted."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = int(port)

    def poll(self, _elapsed: float) -> Optional[str]:
        try:
            Client().connect(self._host, self._port)
        except CallFailed as error:
            return str(error)
        return None

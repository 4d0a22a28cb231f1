# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""HoraeDB's HTTP API: every URL of a data node stands here."""

from __future__ import annotations

from typing import Dict

from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import Answer, Client, understood


class HoraeDB:
    """One data node. Every method raises http.CallFailed when it gets no good answer."""

    def __init__(self, base: str, client: Client) -> None:
        self._base = base
        self._client = client

    def healthy(self) -> bool:
        """Whether it greets as a node does that serves."""
        greeting = self._client.get(self._base + "/").json()
        return isinstance(greeting, dict) and greeting.get("status") == "ok"

    def shards(self) -> Dict[int, str]:
        """Shard -> its status, as the node itself sees it."""
        url = self._base + "/debug/shards"
        return understood(url, self._client.get(url).json(), lambda said: {int(one["id"]): str(one["status"]) for one in said})

    def sql(self, statement: str) -> Answer:
        """The answer, whatever its status: only Unreachable is raised."""
        # Without this content type the whole JSON document is taken for SQL.
        return self._client.call("POST", self._base + "/sql", {"query": statement}, {"Content-Type": "application/json"})

    def flush(self) -> Answer:
        """Writes all of its tables' memory to the storage: `failed` lists those that couldn't be. Only Unreachable is raised."""
        return self._client.call("POST", self._base + "/debug/flush_memtable")

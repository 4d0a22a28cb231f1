# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The proof that a cluster works: a row written, flushed to storage, and read through every data node.

A flush is part of it because HoraeDB acknowledges tables and rows even when its
object store is unreachable or the bucket is missing; only a flush shows that.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any, Callable, Dict, List, Optional, TypeVar

from ansible_collections.horaedb.cluster.plugins.module_utils.client import CallFailed, Client, Unreachable, at_once
from ansible_collections.horaedb.cluster.plugins.module_utils.gate import node_label
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Node, Topology

TABLE = "horaedb_cluster_smoke"

# One row, always the same key: every proof overwrites the row of the one before, so that nothing grows.
# No TTL, because the fixed time stamp would be past it.
CREATE = (
    "CREATE TABLE IF NOT EXISTS " + TABLE + " (name string TAG, nonce string NOT NULL, t timestamp NOT NULL, TIMESTAMP KEY(t)) "
    "ENGINE=Analytic with (enable_ttl='false')"
)
INSERT = "INSERT INTO " + TABLE + "(t,name,nonce) VALUES (1651737067000,'proof','%s')"
SELECT = "SELECT nonce FROM " + TABLE + " WHERE name = 'proof'"

# A statement is routed to the node that has the table's shard, and may make that node ask HoraeMeta:
# longer than one request, and as long as HoraeDB's own client waits for HoraeMeta by default.
SQL_TIMEOUT = 5.0

# A flush writes whatever a node has in memory: seconds where it has a lot and the object store is slow.
FLUSH_TIMEOUT = 60.0

# HoraeDB says 400 for a table it can't route to yet, and a client can't tell that from a table that is
# really missing. 5xx and 429 can pass as well; everything else would be answered the same next time.
PASSING = (400, 429, 500, 502, 503, 504)

Result = TypeVar("Result")


class NotProved(Exception):
    """Waiting doesn't change it. As text: one sentence."""


class _NotYet(Exception):
    """Waiting may change it. As text: one sentence."""


class Proof:
    """Goes on where it stopped: what was acknowledged once is not done again."""

    def __init__(self, topology: Topology, nonce: Optional[str] = None) -> None:
        self._nodes = topology.nodes
        self._nonce = nonce or secrets.token_hex(8)
        self._steps: List[Callable[[], None]] = [self._create, self._insert, self._flush, self._select]

    def poll(self, _elapsed: float) -> Optional[str]:
        """None when the cluster is proved, else what is missing; raises NotProved when waiting is of no use."""
        try:
            while self._steps:
                self._steps[0]()
                del self._steps[0]
        except _NotYet as missing:
            return str(missing)
        return None

    def _create(self) -> None:
        _sql(self._nodes[0], CREATE)

    def _insert(self) -> None:
        node = self._nodes[0]
        said = _sql(node, INSERT % self._nonce)
        if said != {"affected_rows": 1}:
            raise NotProved("INSERT through data node %s should have written one row and answered %s" % (node_label(node), said))

    def _flush(self) -> None:
        for node, failed in self._everywhere(_flush, FLUSH_TIMEOUT).items():
            if failed:
                raise NotProved(
                    "data node %s couldn't flush %s to its storage, and would lose it: look for the object store (endpoint, bucket, "
                    "credentials) or a full disk in its log" % (node_label(node), ", ".join(failed))
                )

    def _select(self) -> None:
        for node, said in self._everywhere(lambda node: _sql(node, SELECT), SQL_TIMEOUT).items():
            if said != {"rows": [{"nonce": self._nonce}]}:
                raise NotProved(
                    "SELECT through data node %s should have read back the row with nonce %s and answered %s"
                    % (node_label(node), self._nonce, said)
                )

    def _everywhere(self, ask: Callable[[Node], Result], timeout: float) -> Dict[Node, Result]:
        answers = at_once({node: partial(ask, node) for node in self._nodes}, timeout)
        for node in self._nodes:
            if node not in answers:
                raise _NotYet("data node %s has not answered within %g s" % (node_label(node), timeout))
        return answers


def _sql(node: Node, statement: str) -> Any:
    # Without this content type the whole JSON document is taken for SQL.
    return _post(node, "/sql", SQL_TIMEOUT, statement.split()[0], {"query": statement}, {"Content-Type": "application/json"})


def _flush(node: Node) -> List[str]:
    said = _post(node, "/debug/flush_memtable", FLUSH_TIMEOUT, "the flush")
    if not isinstance(said, dict) or not isinstance(said.get("failed"), list):
        raise NotProved("the flush of data node %s answered %s, without saying what failed" % (node_label(node), said))
    return [str(table) for table in said["failed"]]


def _post(node: Node, path: str, timeout: float, what: str, body: Any = None, headers: Optional[Dict[str, str]] = None) -> Any:
    try:
        answer = Client(timeout).call("POST", node.http + path, body, headers)
    except Unreachable as error:
        raise _NotYet("%s through data node %s got no answer: %s" % (what, node_label(node), error)) from error
    try:
        return answer.json()
    except CallFailed as error:
        sentence = "%s through data node %s failed: %s" % (what, node_label(node), error)
        if answer.status == 401:
            raise NotProved(sentence + ". HoraeDB asks for credentials: run without the proof (prove: false)") from error
        raise (_NotYet if answer.status in PASSING else NotProved)(sentence) from error

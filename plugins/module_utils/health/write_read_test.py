# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The write-read test of a cluster: a row is written, flushed to storage, and read through every data node.

A flush is part of it because HoraeDB acknowledges tables and rows even when its
object store is unreachable or the bucket is missing; only a flush shows that.

Its table stays. A run on a cluster that has it changes no table definition: an INSERT
is what shows whether the table is there, because HoraeDB refuses CREATE TABLE IF NOT
EXISTS of a table that exists, and each CREATE and DROP counts up the version of a shard,
which refuses others' statements meanwhile.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any, Callable, Dict, List, Optional, TypeVar

from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaedb import HoraeDB
from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import HoraeMeta
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import Answer, CallFailed, Client, Unreachable, at_once
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.health.checks import node_label
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Node, Topology

# A CREATE or DROP that was cut off in the middle can leave a table half made, in two ways that last:
# - HoraeMeta has mapped it to a shard whose node doesn't have it. CREATE is refused ("table already exists"), and at
#   the node's next restart the missing table keeps the whole shard from opening. What helps is HoraeMeta's DELETE of
#   its metadata, which touches no data. (Seen on real daemons: green after 15.5 s.)
# - A node has it, and HoraeMeta hasn't mapped it. The shard's version differs between the two, and every CREATE on that
#   shard is refused until the node is restarted; so is a DROP. Another name may come to another shard.
# The names are fixed, so that nothing is left behind by any number of runs.
TABLES = ("horaedb_cluster_smoke", "horaedb_cluster_smoke_2", "horaedb_cluster_smoke_3")

REMEDY = (
    "If CREATE TABLE is refused for other tables as well (Shard version mismatch), restart the data nodes one by one: "
    "ansible-playbook horaedb.cluster.restart --limit horaedb"
)

# How long a table may be neither there nor possible to create, in a cluster that is whole, before it is taken for
# half made.
HALF_MADE_AFTER = 15.0

# One row, always the same key: every test overwrites the row of the one before, so that nothing grows.
# No TTL: HoraeDB's default is 7 days, and it acknowledges older rows and never shows them.
CREATE = (
    "CREATE TABLE IF NOT EXISTS %s (name string TAG, nonce string NOT NULL, t timestamp NOT NULL, TIMESTAMP KEY(t)) "
    "ENGINE=Analytic with (enable_ttl='false')"
)
INSERT = "INSERT INTO %s(t,name,nonce) VALUES (1651737067000,'proof','%s')"
SELECT = "SELECT nonce FROM %s WHERE name = 'proof'"

# Another write-read test at the same time overwrites the row. How often this one may begin again.
ROUNDS = 5

# A statement is routed to the node that has the table's shard, and may make that node ask HoraeMeta:
# longer than one request, and as long as HoraeDB's own client waits for HoraeMeta by default.
SQL_TIMEOUT = 5.0

# A flush writes whatever a node has in memory: seconds where it has a lot and the object store is slow.
FLUSH_TIMEOUT = 60.0

# HoraeDB says 400 for a table it can't route to yet, and a client can't tell that from a table that is
# really missing. 5xx and 429 can pass as well; everything else would be answered the same next time.
PASSING = (400, 429, 500, 502, 503, 504)

Result = TypeVar("Result")


class NotProved(Failure):
    """Waiting doesn't change it. As text: one sentence."""

    kind = "cluster.not_proved"


class _NotYet(Exception):
    """Waiting may change it. As text: one sentence."""


class _Refused(_NotYet):
    """The node answered, and may answer otherwise later. `answer` is the whole answer: its cause stands at the end."""

    def __init__(self, sentence: str, answer: str) -> None:
        super().__init__(sentence)
        self._answer = answer.lower()

    def no_table(self) -> bool:
        """The node knows no such table. One whose shard is still opening is `not ready` instead."""
        return "not found" in self._answer

    def exists(self) -> bool:
        return "already exists" in self._answer


class Proof:
    """Goes on where it stopped: what was acknowledged once is not done again.

    `whole` says whether nothing is wrong with the cluster's shards: only then a table that can't be found is half made.
    """

    def __init__(self, topology: Topology, whole: Callable[[], bool], nonce: Optional[str] = None) -> None:
        self._topology = topology
        self._nodes = topology.nodes
        self._whole = whole
        self._nonce = nonce or secrets.token_hex(8)
        self._tables = list(TABLES)
        self._forgotten = ""  # the table whose metadata were deleted
        self._rounds = 0
        self._missing_since: Optional[float] = None
        self._elapsed = 0.0
        self._steps = self._all_steps()
        self.notes: List[str] = []  # what an operator has to know although the test passed

    def poll(self, elapsed: float) -> Optional[str]:
        """None when the cluster is proved, else what is missing; raises NotProved when waiting is of no use."""
        self._elapsed = elapsed
        try:
            while self._steps:
                self._steps[0]()
                del self._steps[0]
        except _NotYet as missing:
            return str(missing)
        return None

    def _all_steps(self) -> List[Callable[[], None]]:
        return [self._write, self._flush, self._select]

    def _write(self) -> None:
        try:
            self._insert()
        except _Refused as missing:
            if not missing.no_table():
                self._missing_since = None
                raise
            self._create()
            self._insert()
        self._missing_since = None

    def _insert(self) -> None:
        node = self._nodes[0]
        said = _sql(node, INSERT % (self._tables[0], self._nonce))
        if said != {"affected_rows": 1}:
            raise NotProved("INSERT through data node %s should have written one row and answered %s" % (node_label(node), said))

    def _create(self) -> None:
        if self._missing_since is None:
            self._missing_since = self._elapsed
        try:
            _sql(self._nodes[0], CREATE % self._tables[0])
        except _Refused as refused:
            if self._elapsed - self._missing_since >= HALF_MADE_AFTER and self._whole() and self._nobody_has_it():
                self._leave_half_made(refused)
            raise
        except _NotYet:
            # HoraeMeta doesn't answer, and then nothing is known about the table.
            self._missing_since = None
            raise

    def _nobody_has_it(self) -> bool:
        """Whether every node says so: else it is the first node that doesn't find its way."""

        def lacks(node: Node) -> bool:
            try:
                _sql(node, SELECT % self._tables[0])
            except _Refused as refused:
                return refused.no_table()
            except (NotProved, _NotYet):
                return False
            return False

        answers = at_once({node: partial(lacks, node) for node in self._nodes}, SQL_TIMEOUT)
        return len(answers) == len(self._nodes) and all(answers.values())

    def _leave_half_made(self, refused: _Refused) -> None:
        table = self._tables[0]
        why = "%s. %s" % (refused, REMEDY)
        if refused.exists() and self._forgotten != table:
            try:
                self._forget(table)
            except CallFailed as error:
                why = "its metadata couldn't be deleted in HoraeMeta: %s" % error
            else:
                self._forgotten = table
                self._missing_since = None
                self.notes.append(
                    "table %s of the write-read test was half made: HoraeMeta listed it, and the data node of its shard didn't have it. "
                    "Its metadata were deleted in HoraeMeta, and it is created again. %s" % (table, REMEDY)
                )
                return
        if len(self._tables) > 1:
            del self._tables[0]
            self._missing_since = None
            self.notes.append("table %s of the write-read test is half made and %s is used: %s" % (table, self._tables[0], why))

    def _forget(self, table: str) -> None:
        """Deletes what HoraeMeta knows of a table; raises CallFailed."""
        for member in self._topology.members[:-1]:
            try:
                HoraeMeta(member.api, Client()).delete_table(self._topology.cluster, table)
                return
            except Unreachable:
                continue
        HoraeMeta(self._topology.members[-1].api, Client()).delete_table(self._topology.cluster, table)

    def _flush(self) -> None:
        for node, failed in self._everywhere(_flush, FLUSH_TIMEOUT).items():
            if failed:
                raise NotProved(
                    "data node %s couldn't flush %s to its storage: look for the object store (endpoint, bucket, credentials) or a full disk "
                    "in its log. A flush that failed once fails until the node is restarted, "
                    "also when the storage is back: then run ansible-playbook horaedb.cluster.restart --limit %s"
                    % (node_label(node), ", ".join(failed), node.host)
                )

    def _select(self) -> None:
        for node, said in self._everywhere(lambda node: _sql(node, SELECT % self._tables[0]), SQL_TIMEOUT).items():
            if said == {"rows": [{"nonce": self._nonce}]}:
                continue
            sentence = "SELECT through data node %s should have read back the row with nonce %s and answered %s" % (
                node_label(node),
                self._nonce,
                said,
            )
            self._rounds += 1
            if not _other_row(said) or self._rounds == ROUNDS:
                raise NotProved(sentence)
            self._steps = self._all_steps()
            raise _NotYet(sentence)

    def _everywhere(self, ask: Callable[[Node], Result], timeout: float) -> Dict[Node, Result]:
        answers = at_once({node: partial(ask, node) for node in self._nodes}, timeout)
        for node in self._nodes:
            if node not in answers:
                raise _NotYet("data node %s has not answered within %g s" % (node_label(node), timeout))
        return answers


def _other_row(said: Any) -> bool:
    """Whether it is the row of another write-read test, or of an earlier one."""
    rows = said.get("rows") if isinstance(said, dict) else None
    return isinstance(rows, list) and len(rows) == 1 and isinstance(rows[0], dict) and isinstance(rows[0].get("nonce"), str)


def _sql(node: Node, statement: str) -> Any:
    return _document(node, statement.split()[0], lambda: HoraeDB(node.http, Client(SQL_TIMEOUT)).sql(statement))


def _flush(node: Node) -> List[str]:
    said = _document(node, "the flush", HoraeDB(node.http, Client(FLUSH_TIMEOUT)).flush)
    if not isinstance(said, dict) or not isinstance(said.get("failed"), list):
        raise NotProved("the flush of data node %s answered %s, without saying what failed" % (node_label(node), said))
    return [str(table) for table in said["failed"]]


def _document(node: Node, what: str, ask: Callable[[], Answer]) -> Any:
    try:
        answer = ask()
    except Unreachable as error:
        raise _NotYet("%s through data node %s got no answer: %s" % (what, node_label(node), error)) from error
    try:
        return answer.json()
    except CallFailed as error:
        sentence = "%s through data node %s failed: %s" % (what, node_label(node), error)
        if answer.status == 401:
            raise NotProved(sentence + ". HoraeDB asks for credentials: run without the proof (prove: false)") from error
        if answer.status in PASSING:
            raise _Refused(sentence, answer.text) from error
        raise NotProved(sentence) from error

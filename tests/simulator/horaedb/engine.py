"""Executes SQL: here, on the node that has the table, or through HoraeMeta."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from common.etcd import EtcdError
from common.http import Unreachable, call

from horaedb import query, sql
from horaedb.meta import MetaClient, MetaError
from horaedb.shards import Recovering, ShardError, ShardSet
from horaedb.sql import Create, Drop, Exists, Insert, Select, SqlError, Statement
from horaedb.table import Table, TableError

FORWARD_TIMEOUT = 5.0
NOT_FOUND = (
    "Internal err:Rpc error, code:500, message:Failed to create plan, err:Failed to create plan, "
    'err:Failed to generate datafusion plan, err:Execution error: Table is not found, "table:%s".'
)
NOT_READY = (
    "Internal err:Rpc error, code:500, err:Query failed, err:Failed to find table, table_name:%s. "
    "Caused by: Table is not ready, err:Invalid table status, status:Recovering sql:%s."
)
FAILED = "Internal err:Rpc error, code:500, err:Query failed, err:%s sql:%s."
CREATE_FAILED = "Failed to execute create table. Caused by: failed to create table by meta client, err:%s"
ALREADY_EXISTS = "Failed to execute create table. Caused by: Table already exists, table:%s"
DROP_FAILED = "Failed to execute drop table. Caused by: failed to drop table by meta client, err:%s"
UNREACHABLE = "Internal err:Rpc error, code:500, message:Failed to forward to %s, err:tcp connect error: %s."
BLOCKED = "Internal err:Rpc error, code:500, err:Query is blocked, err:Table operation is blocked, table:%s."
INVALID = "Internal err:Internal error, msg:parse table name, err:Invalid sql, sql:%s, err:sql parser error: %s."

Result = Dict[str, Any]


class QueryError(Exception):
    """The message of an HTTP 400."""


class Blocked:
    """/admin/block. Only stops statements asked of the very node that has the table."""

    def __init__(self, write: List[str], read: List[str], rules: List[Any]) -> None:
        self.write, self.read, self.rules = list(write), list(read), list(rules)

    def change(self, operation: str, write: List[str], read: List[str], rules: List[Any]) -> None:
        if operation == "Set":
            self.write, self.read, self.rules = list(write), list(read), list(rules)
        elif operation == "Add":
            self.write, self.read, self.rules = self.write + write, self.read + read, self.rules + rules
        else:
            self.write = [name for name in self.write if name not in write]
            self.read = [name for name in self.read if name not in read]
            self.rules = [rule for rule in self.rules if rule not in rules]

    def to_json(self) -> Result:
        return {"write_block_list": self.write, "read_block_list": self.read, "block_rules": self.rules}


class Engine:
    def __init__(self, node: str, shards: ShardSet, meta: Optional[MetaClient], blocked: Blocked) -> None:
        self._node = node
        self._shards = shards
        self._meta = meta
        self.blocked = blocked
        self.counters: Dict[str, int] = {"write": 0, "query": 0, "write_failed": 0, "query_failed": 0}

    def execute(self, text: str, forwarded: bool = False) -> Result:
        """Raises QueryError. A `forwarded` statement comes from another node and goes no further."""
        try:
            statement = sql.parse(text)
        except SqlError as error:
            raise QueryError(INVALID % (text, error)) from error
        kind = "write" if isinstance(statement, Insert) else "query"
        self.counters[kind] += 1
        try:
            return self._run(statement, text, forwarded)
        except QueryError:
            self.counters[kind + "_failed"] += 1
            raise

    def _run(self, statement: Statement, text: str, forwarded: bool) -> Result:
        if isinstance(statement, Create):
            return self._create(statement, text)
        if isinstance(statement, Drop):
            return self._drop(statement, text)
        if statement.table is None:
            if isinstance(statement, Select):
                return {"rows": query.constants(statement)}
            return {"rows": [{"Tables": table.name} for table in self._shards.tables()]}
        if not forwarded:
            owner = self.route(statement.table)
            if owner is not None and owner != self._node:
                return self._forward(owner, text)
            self._check_blocked(statement)
        return self._local(statement, text)

    def route(self, table: str) -> Optional[str]:
        """The node that HoraeMeta names for the table; None when it names none. Raises QueryError."""
        if self._meta is None:
            return self._node if self._shards.table(table) else None
        try:
            nodes: Dict[str, str] = self._meta.ask("route", {"tables": [table]})["nodes"]
        except MetaError as error:
            raise QueryError("Internal err:Rpc error, code:500, err:Failed to route tables, err:%s." % error) from error
        return nodes.get(table)

    def _forward(self, owner: str, text: str) -> Result:
        try:
            answer = call("POST", "http://%s/simulator/sql" % owner, {"query": text}, FORWARD_TIMEOUT)
        except Unreachable as error:
            raise QueryError(UNREACHABLE % (owner, error)) from error
        try:
            body = dict(answer.json())
        except ValueError as error:
            raise QueryError(UNREACHABLE % (owner, "not a data node: status %d" % answer.status)) from error
        if answer.status != 200:
            raise QueryError(str(body["error"]))
        return body

    def _check_blocked(self, statement: Statement) -> None:
        names = self.blocked.write if isinstance(statement, Insert) else self.blocked.read
        if statement.table in names:
            raise QueryError(BLOCKED % statement.table)

    def _table(self, name: str, text: str) -> Table:
        try:
            table = self._shards.table(name)
        except Recovering as error:
            raise QueryError(NOT_READY % (name, text)) from error
        if table is None:
            raise QueryError(NOT_FOUND % name)
        return table

    def _local(self, statement: Statement, text: str) -> Result:
        name = str(statement.table)
        if isinstance(statement, Exists):
            return {"rows": [{"result": 1 if self._shards.table(name) else 0}]}
        table = self._table(name, text)
        try:
            if isinstance(statement, Insert):
                return {"affected_rows": table.insert(statement.columns, statement.rows)}
            if isinstance(statement, Select):
                return {"rows": query.select(statement, table.schema.ordered(), table.rows())}
        except (TableError, OSError, Unreachable, EtcdError) as error:
            raise QueryError(FAILED % (error, text)) from error
        return {"rows": [_described(column, table) for column in table.schema.columns]}

    def _create(self, statement: Create, text: str) -> Result:
        body = {"name": statement.table, "schema": statement.schema.to_json()}
        try:
            created = self._meta.ask("create_table", body)["created"] if self._meta else self._create_alone(statement)
        except (MetaError, ShardError) as error:
            raise QueryError(FAILED % (CREATE_FAILED % error, text)) from error
        if not created and not statement.if_not_exists:
            raise QueryError(FAILED % (ALREADY_EXISTS % statement.table, text))
        return {"affected_rows": 0}

    def _create_alone(self, statement: Create) -> bool:
        if self._shards.table(statement.table):
            return False
        number = max((table.number for table in self._shards.tables()), default=-1) + 1
        self._shards.create_table(0, 0, number, statement.table, statement.schema.to_json())
        return True

    def _drop(self, statement: Drop, text: str) -> Result:
        try:
            dropped = self._meta.ask("drop_table", {"name": statement.table})["dropped"] if self._meta else self._drop_alone(statement)
        except (MetaError, ShardError) as error:
            raise QueryError(FAILED % (DROP_FAILED % error, text)) from error
        if not dropped and not statement.if_exists:
            raise QueryError(FAILED % (DROP_FAILED % "Table not found", text))
        return {"affected_rows": 0}

    def _drop_alone(self, statement: Drop) -> bool:
        found = self._shards.table(statement.table) is not None
        self._shards.drop_table(0, 0, statement.table)
        return found


def _described(column: Any, table: Table) -> Result:
    return {
        "name": column.name,
        "type": column.type,
        "is_primary": column.name in table.schema.primary,
        "is_nullable": column.nullable,
        "is_tag": column.tag,
        "is_dictionary": False,
    }

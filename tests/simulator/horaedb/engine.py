"""Executes SQL: here, on the node that has the table, or through HoraeMeta."""

from __future__ import annotations

import ipaddress
import json
from typing import Any, Dict, List, Optional

from common.etcd import EtcdError
from common.http import Unreachable, call

from horaedb import query, sql
from horaedb.meta import MetaClient, MetaError
from horaedb.shards import Recovering, ShardError, ShardSet
from horaedb.sql import Create, Drop, Exists, Insert, Select, SqlError, Statement
from horaedb.table import Table, TableError

FORWARD_TIMEOUT = 5.0
RPC = "Internal err:Rpc error, code:500, "
PLAN = "Failed to create plan"
NOT_FOUND = 'Failed to create plan, err:Failed to generate datafusion plan, err:Execution error: Table is not found, "table:%s"'
FIND = "Failed to find table, table_name:%s"
NOT_READY = "Table is not ready, err:Invalid table status, status:Recovering"
EXECUTE = "Failed to execute plan"
INTERPRETER = "Internal error, msg:Failed to execute interpreter, err:"
CREATE_FAILED = INTERPRETER + (
    "Failed to execute create table, err:Failed to create table by table manipulator, err:Failed to create table, "
    "msg:failed to create table by meta client, req:%s, err:%s"
)
CREATE_REQUEST = (
    'CreateTableRequest { schema_name: "public", name: %s, engine: %s, create_if_not_exist: %s, options: {%s}, partition_table_info: None }'
)
ALREADY_EXISTS = (
    INTERPRETER + "Failed to execute create table, err:Failed to create table by table manipulator, err:Table already exists, table:%s"
)
DROP_FAILED = INTERPRETER + (
    "Failed to execute drop table, err:Failed to drop table by table manipulator, err:Failed to drop table, "
    'msg:failed to drop table by meta client, req:DropTableRequest { schema_name: "public", name: %s, partition_table_info: None }, err:%s'
)
FAILED = INTERPRETER + "%s"
ROUTE_FAILED = "Failed to route tables, err:%s"
BLOCKED = "Query is blocked, err:Table operation is blocked, table:%s"
INVALID = "Internal err:Internal error, msg:parse table name, err:Invalid sql, sql:%s, err:sql parser error: %s."

Result = Dict[str, Any]


class QueryError(Exception):
    """What a statement fails of. The same failure is worded in one way by the node that has it, in another by one that passed the statement on."""

    def __init__(self, message: str, source: str = "", whole: str = "") -> None:
        super().__init__(message)
        self.message, self.source, self.whole = message, source, whole

    def here(self) -> str:
        """The message of an HTTP 400."""
        if self.whole:
            return self.whole
        cause = ("message:%s, err:%s" if self.source else "err:%s%s") % (self.message, self.source)
        return RPC + cause.rstrip(".") + "."

    def elsewhere(self, text: str) -> str:
        """The same, by the node that had passed it on. The cause stands at the end, before the statement."""
        cause = ". Caused by: " + self.source if self.source else ""
        return RPC + "err:Query failed, err:%s%s sql:%s." % (self.message, cause, text)


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
            raise QueryError("", whole=INVALID % (text, error)) from error
        kind = "write" if isinstance(statement, Insert) else "query"
        self.counters[kind] += 1
        try:
            return self._run(statement, text, forwarded)
        except QueryError:
            self.counters[kind + "_failed"] += 1
            raise

    def _run(self, statement: Statement, text: str, forwarded: bool) -> Result:
        if statement.table is None:
            if isinstance(statement, Select):
                return {"rows": query.constants(statement)}
            return {"rows": [{"Tables": table.name} for table in self._shards.tables()]}
        if not forwarded:
            owner = self.route(statement.table)
            if owner is not None and not self._is_here(owner):
                return self._forward(owner, text)
        if isinstance(statement, Create):
            return self._create(statement)
        if isinstance(statement, Drop):
            return self._drop(statement)
        if not forwarded:
            self._check_blocked(statement)
        return self._local(statement)

    def route(self, table: str) -> Optional[str]:
        """The node that HoraeMeta names for the table; None when it names none. Raises QueryError."""
        if self._meta is None:
            return self._node if self._shards.table(table) else None
        try:
            nodes: Dict[str, str] = self._meta.ask("route", {"tables": [table]})["nodes"]
        except MetaError as error:
            raise QueryError(ROUTE_FAILED % error) from error
        return nodes.get(table)

    def _is_here(self, owner: str) -> bool:
        """A node takes every loopback address for its own, if the port is its own."""
        if owner == self._node:
            return True
        host, _, port = owner.rpartition(":")
        return port == self._node.rpartition(":")[2] and _is_loopback(host)

    def _forward(self, owner: str, text: str) -> Result:
        try:
            answer = call("POST", "http://%s/simulator/sql" % owner, {"query": text}, FORWARD_TIMEOUT)
        except Unreachable as error:
            raise QueryError("Failed to connect endpoint, endpoint:http://%s, err:tcp connect error: %s" % (owner, error)) from error
        try:
            body = dict(answer.json())
        except ValueError as error:
            raise QueryError(
                "Failed to connect endpoint, endpoint:http://%s, err:not a data node: status %d" % (owner, answer.status)
            ) from error
        if answer.status != 200:
            failure = QueryError(str(body["message"]), str(body["source"]), str(body["whole"]))
            raise QueryError("", whole=failure.whole or failure.elsewhere(text))
        return body

    def _check_blocked(self, statement: Statement) -> None:
        names = self.blocked.write if isinstance(statement, Insert) else self.blocked.read
        if statement.table in names:
            raise QueryError(BLOCKED % statement.table)

    def _table(self, name: str) -> Table:
        try:
            table = self._shards.table(name)
        except Recovering as error:
            raise QueryError(FIND % name, NOT_READY) from error
        if table is None:
            raise QueryError(PLAN, NOT_FOUND % name)
        return table

    def _local(self, statement: Statement) -> Result:
        name = str(statement.table)
        if isinstance(statement, Exists):
            return {"rows": [{"result": 1 if self._shards.table(name) else 0}]}
        table = self._table(name)
        try:
            if isinstance(statement, Insert):
                return {"affected_rows": table.insert(statement.columns, statement.rows)}
            if isinstance(statement, Select):
                return {"rows": query.select(statement, table.schema.ordered(), table.rows())}
        except (TableError, OSError, Unreachable, EtcdError) as error:
            raise QueryError(EXECUTE, FAILED % error) from error
        return {"rows": [_described(column, table) for column in table.schema.columns]}

    def _create(self, statement: Create) -> Result:
        """A table that exists is refused in a cluster, whatever the statement says."""
        body = {"name": statement.table, "schema": statement.schema.to_json()}
        try:
            if self._meta:
                self._meta.ask("create_table", body)
            elif not self._create_alone(statement) and not statement.if_not_exists:
                raise QueryError(EXECUTE, ALREADY_EXISTS % statement.table)
        except MetaError as error:
            raise QueryError(EXECUTE, CREATE_FAILED % (_request(statement), error)) from error
        except ShardError as error:
            raise QueryError(EXECUTE, FAILED % error) from error
        return {"affected_rows": 0}

    def _create_alone(self, statement: Create) -> bool:
        if self._shards.table(statement.table):
            return False
        number = max((table.number for table in self._shards.tables()), default=-1) + 1
        self._shards.create_table(0, 0, number, statement.table, statement.schema.to_json())
        return True

    def _drop(self, statement: Drop) -> Result:
        try:
            if self._meta:
                self._meta.ask("drop_table", {"name": statement.table})
            else:
                self._drop_alone(statement)
        except (MetaError, ShardError) as error:
            raise QueryError(EXECUTE, DROP_FAILED % (json.dumps(statement.table), error)) from error
        return {"affected_rows": 0}

    def _drop_alone(self, statement: Drop) -> None:
        self._shards.drop_table(0, 0, statement.table)


def _request(statement: Create) -> str:
    options = ", ".join("%s: %s" % (json.dumps(name), json.dumps(value)) for name, value in statement.schema.options)
    words = json.dumps(statement.if_not_exists)
    return CREATE_REQUEST % (json.dumps(statement.table), json.dumps(statement.engine), words, options)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def _described(column: Any, table: Table) -> Result:
    return {
        "name": column.name,
        "type": column.type,
        "is_primary": column.name in table.schema.primary,
        "is_nullable": column.nullable,
        "is_tag": column.tag,
        "is_dictionary": False,
    }

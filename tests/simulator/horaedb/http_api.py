"""The http_port."""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Callable, Dict, Optional, Set

from common import flavour, log
from common.buildinfo import VERSION
from common.etcd import EtcdError
from common.http import JSON_TYPE, Request, Response, Routes, Unreachable, json_response, text_response

from horaedb import influx
from horaedb.config import Config
from horaedb.engine import Engine, QueryError
from horaedb.metrics import exposition
from horaedb.shards import ShardSet
from horaedb.store import StoreError
from horaedb.table import FlushFailed

WAL_STATS = (
    "[Data wal stats]:\nUnknown\n                \n\n------------------------------------------------------\n\n\n"
    "                [Manifest wal stats]:\nUnknown"
)
LEVELS = ("trace", "debug", "info")
BLOCK_FIELDS = ("operation", "write_block_list", "read_block_list", "block_rules")


class HttpError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.response = json_response({"code": code, "message": message}, code)


def missing(known: bool) -> Response:
    code, message = (405, "METHOD_NOT_ALLOWED") if known else (404, "NOT_FOUND")
    return HttpError(code, message).response


class HttpApi:
    def __init__(self, config: Config, shards: ShardSet, engine: Engine) -> None:
        self._config = config
        self._shards = shards
        self._engine = engine
        self._users = _users(config) if config["server.auth.enable"] else None
        self.routes = Routes(missing)
        for method, pattern, handle in (
            ("GET", "/", lambda _: json_response({"status": "ok"})),
            ("GET", "/metrics", lambda _: text_response(exposition(engine.counters))),
            ("GET", "/debug/config", lambda _: text_response(config.dump())),
            ("GET", "/debug/wal_stats", lambda _: text_response(WAL_STATS)),
            ("GET", "/debug/shards", self._list_shards),
            ("GET", "/debug/simulator", self._simulator),
            ("POST", "/debug/flush_memtable", self._flush),
            ("PUT", "/debug/log_level/:level", self._log_level),
            ("PUT", "/debug/slow_threshold/:seconds", lambda request: json_response(request.params[0])),
        ):
            self.routes.add(method, pattern, _guarded(handle))
        for method, pattern, handle in (
            ("POST", "/sql", self._sql),
            ("GET", "/route/:table", self._route),
            ("POST", "/admin/block", self._block),
            ("POST", "/influxdb/v1/write", self._influx),
        ):
            self.routes.add(method, pattern, _guarded(self._authorized(handle)))

    def _authorized(self, handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def serve(request: Request) -> Response:
            if self._users is not None and request.headers.get("authorization", "") not in self._users:
                raise HttpError(401, "Internal err:Rpc error, code:401, message:unauthorized.")
            return handle(request)

        return serve

    def _list_shards(self, _: Request) -> Response:
        if not self._config.with_meta:
            raise HttpError(400, "Internal err:not in cluster mode")
        return json_response(self._shards.listing())

    def _simulator(self, _: Request) -> Response:
        return json_response({"simulator": True, "daemon": "horaedb", "version": VERSION, "announce": flavour.announce("horaedb")})

    def _sql(self, request: Request) -> Response:
        text = request.body.decode(errors="replace")
        if request.headers.get("content-type", "").startswith(JSON_TYPE):
            try:
                text = str(json.loads(text)["query"])
            except (ValueError, KeyError, TypeError) as error:
                raise HttpError(400, "Request body deserialize error: %s" % error) from error
        return json_response(self._engine.execute(text))

    def _route(self, request: Request) -> Response:
        table = request.params[0]
        owner = self._engine.route(table)
        if owner is None:
            return json_response({"routes": []})
        addr, port = owner.rsplit(":", 1)
        return json_response({"routes": [{"table": table, "endpoint": {"addr": addr, "port": int(port)}}]})

    def _flush(self, _: Request) -> Response:
        outcome: Dict[str, Any] = {"success": [], "failed": []}
        for table in self._shards.tables():
            try:
                table.flush()
                outcome["success"].append(table.name)
            except (StoreError, FlushFailed, Unreachable, EtcdError, OSError) as error:
                log.error(
                    "flush %s failed, err:Failed to flush table, table:%s, err:%s" % (table.name, table.name, error),
                    "src/server/src/http.rs:511",
                )
                outcome["failed"].append(table.name)
        return json_response(outcome)

    def _log_level(self, request: Request) -> Response:
        level = request.params[0]
        if level not in LEVELS:
            raise HttpError(500, "Failed to handle update log level, err:Invalid level %s" % level)
        return json_response(level)

    def _block(self, request: Request) -> Response:
        try:
            body = json.loads(request.body)
            fields = [body[name] for name in BLOCK_FIELDS]
        except (ValueError, KeyError, TypeError) as error:
            raise HttpError(400, "Request body deserialize error: missing field %s" % error) from error
        self._engine.blocked.change(*fields)
        return json_response(self._engine.blocked.to_json())

    def _influx(self, request: Request) -> Response:
        try:
            for table, create, insert in influx.statements(request.body.decode(), int(time.time() * 1000)):
                if self._engine.route(table) is None:
                    self._engine.execute(create)
                self._engine.execute(insert)
        except influx.LineError as error:
            raise HttpError(500, str(error)) from error
        return json_response(None)


def _guarded(handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:
        try:
            return handle(request)
        except HttpError as error:
            return error.response
        except QueryError as error:
            return HttpError(400, error.here()).response

    return serve


def _users(config: Config) -> Optional[Set[str]]:
    """The Authorization headers that pass. Raises OSError."""
    with open(config["server.auth.source"], encoding="utf-8") as stream:
        pairs = [line.strip().replace(",", ":", 1) for line in stream if "," in line]
    return {"Basic " + base64.b64encode(pair.encode()).decode() for pair in pairs}

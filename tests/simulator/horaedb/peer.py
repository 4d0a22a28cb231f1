"""The grpc_port: orders from HoraeMeta's leader, and statements from other nodes."""

from __future__ import annotations

from typing import Any, Callable, Dict

from common import log
from common.http import Request, Response, decode_object, json_response

from horaedb.engine import Engine, QueryError
from horaedb.shards import ShardError, ShardSet


class Peer:
    def __init__(self, shards: ShardSet, engine: Engine) -> None:
        self._shards = shards
        self._engine = engine
        self._orders: Dict[str, Callable[[Dict[str, Any]], Dict[str, Any]]] = {
            "/simulator/open_shard": self._open,
            "/simulator/close_shard": self._close,
            "/simulator/create_table": self._create,
            "/simulator/drop_table": self._drop,
            "/simulator/sql": lambda body: engine.execute(str(body["query"]), forwarded=True),
        }

    def __call__(self, request: Request) -> Response:
        serve = self._orders.get(request.path)
        if serve is None:
            return json_response({"error": "unknown call %s" % request.path}, 404)
        try:
            return json_response(serve(decode_object(request.body)))
        except QueryError as error:
            return json_response({"message": error.message, "source": error.source, "whole": error.whole}, 400)
        except ShardError as error:
            log.error(str(error))
            return json_response({"error": str(error)}, 500)

    def _open(self, body: Dict[str, Any]) -> Dict[str, Any]:
        tables = [(int(table["id"]), str(table["name"])) for table in body["tables"]]
        self._shards.open(int(body["shard"]), int(body["version"]), tables)
        return {}

    def _close(self, body: Dict[str, Any]) -> Dict[str, Any]:
        self._shards.close(int(body["shard"]))
        return {}

    def _create(self, body: Dict[str, Any]) -> Dict[str, Any]:
        self._shards.create_table(int(body["shard"]), int(body["version"]), int(body["id"]), str(body["name"]), dict(body["schema"]))
        return {}

    def _drop(self, body: Dict[str, Any]) -> Dict[str, Any]:
        self._shards.drop_table(int(body["shard"]), int(body["version"]), str(body["name"]))
        return {}

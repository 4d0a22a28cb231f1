"""What data nodes ask a member: paths below /simulator/ on the client port, in place of gRPC.

Any member takes the request; one that does not lead passes it on to the leader's client URL.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from common import log
from common.etcd import EtcdError
from common.http import Request, Response, Unreachable, call, decode_object, json_response

from horaemeta import golang
from horaemeta.api import route_entry
from horaemeta.cluster import Cluster, ClusterError, TableExists, now_ms
from horaemeta.golang import MODULE, SOURCES
from horaemeta.leadership import Leadership
from horaemeta.manager import Manager

FORWARD_TIMEOUT = 20.0
NOT_FOUND, INTERNAL = 404, 500
# What the real one dies of when a request comes before it knows itself.
UNKNOWN_SELF = (
    (MODULE + "server/member.(*Member).GetLeaderAddr", SOURCES + "server/member/member.go:108"),
    (MODULE + "server.(*Server).GetLeader", SOURCES + "server/server.go:389"),
    (MODULE + "server/service/grpc.(*Service).getForwardedAddr", SOURCES + "server/service/grpc/forward.go:73"),
    (MODULE + "server/service/grpc.(*Service).getForwardedMetaClient", SOURCES + "server/service/grpc/forward.go:34"),
    (MODULE + "server/service/grpc.(*Service).NodeHeartbeat", SOURCES + "server/service/grpc/service.go:73"),
)


class RpcError(Exception):
    """An answer with a code and an error in its header. The real one says no more than which call it was, unless the text itself is the error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Rpc:
    def __init__(self) -> None:
        # The port is open before the member knows itself.
        self._manager: Optional[Manager] = None
        self._leadership: Optional[Leadership] = None
        self._calls: Dict[str, Callable[[Dict[str, Any]], Dict[str, Any]]] = {
            "/simulator/heartbeat": self._heartbeat,
            "/simulator/schema": self._schema,
            "/simulator/route": self._route,
            "/simulator/create_table": self._create_table,
            "/simulator/drop_table": self._drop_table,
        }

    def begin(self, manager: Manager, leadership: Leadership) -> None:
        self._manager, self._leadership = manager, leadership

    def __call__(self, request: Request) -> Response:
        if self._leadership is None:
            golang.nil_pointer(UNKNOWN_SELF)
        leader = self._leadership.known
        if leader is None:
            return _refusal(INTERNAL, _named(request))
        if not self._leadership.is_local(leader):
            try:
                answer = call("POST", leader.endpoint + request.path, request.body, FORWARD_TIMEOUT)
            except Unreachable as error:
                # gRPC's own failure, not an answer of HoraeMeta.
                return json_response({"transport": str(error)}, 503)
            return Response(answer.status, answer.body)
        serve = self._calls.get(request.path)
        if serve is None:
            return _refusal(INTERNAL, "unknown call %s" % request.path)
        try:
            return json_response(serve(decode_object(request.body)))
        except RpcError as error:
            return _refusal(error.code, str(error))
        except (ClusterError, EtcdError, Unreachable) as error:
            return _refusal(INTERNAL, str(error))

    def _cluster(self, body: Dict[str, Any], what: str) -> Cluster:
        assert self._manager is not None
        cluster = self._manager.get(str(body.get("cluster", "")))
        if cluster is None:
            raise RpcError(NOT_FOUND, what)
        return cluster

    def _heartbeat(self, body: Dict[str, Any]) -> Dict[str, Any]:
        assert self._manager is not None
        node, name = str(body["node"]), str(body.get("cluster", ""))
        shards = {int(shard): str(status) for shard, status in body["shards"].items()}
        heard = "{Node:{Name:%s LastTouchTime:%d State:1} ShardInfos:%s}" % (node, now_ms(), sorted(shards.items()))
        log.info("[NodeHeartbeat]", "grpc/service.go:101", clusterName=name, name=node, info=heard)
        if not self._manager.register(name, node, shards):
            raise RpcError(NOT_FOUND, "grpc heartbeat")
        return {}

    def _schema(self, body: Dict[str, Any]) -> Dict[str, Any]:
        self._cluster(body, "grpc alloc schema id")
        return {"id": 0}

    def _route(self, body: Dict[str, Any]) -> Dict[str, Any]:
        cluster = self._cluster(body, "grpc routeTables")
        found = {name: route_entry(cluster, name, "public") for name in body["tables"]}
        return {"nodes": {name: entry["NodeShards"][0]["ShardNode"]["NodeName"] for name, entry in found.items() if entry}}

    def _create_table(self, body: Dict[str, Any]) -> Dict[str, Any]:
        try:
            self._cluster(body, "(#404)cluster not found, cause:<nil>").create_table(str(body["name"]), dict(body["schema"]))
        except TableExists as error:
            raise RpcError(INTERNAL, str(error)) from error
        return {}

    def _drop_table(self, body: Dict[str, Any]) -> Dict[str, Any]:
        """A table that doesn't exist may have been dropped already: that is no error."""
        self._cluster(body, "drop table").drop_table(str(body["name"]))
        return {}


def _named(request: Request) -> str:
    return {"heartbeat": "grpc heartbeat", "schema": "grpc alloc schema id", "route": "grpc routeTables"}.get(
        request.path.rsplit("/", 1)[-1],
        "get forwarded horaemeta client: get forwarded addr: no leader found: (#500)get leader by querying leader key, cause:<nil>",
    )


def _refusal(code: int, message: str) -> Response:
    return json_response({"code": code, "error": message}, 500)

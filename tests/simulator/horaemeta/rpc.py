"""What data nodes ask a member: paths below /simulator/ on the client port, in place of gRPC.

Any member takes the request; one that does not lead passes it on to the leader's client URL.
"""

from __future__ import annotations

from typing import Any, Callable, Dict

from common.etcd import EtcdError
from common.http import Request, Response, Unreachable, call, decode_object, json_response

from horaemeta.api import route_entry
from horaemeta.cluster import Cluster, ClusterError
from horaemeta.leadership import Leadership
from horaemeta.manager import Manager

FORWARD_TIMEOUT = 20.0


class RpcError(Exception):
    """An answer with an error in its header."""


class Rpc:
    def __init__(self, manager: Manager, leadership: Leadership) -> None:
        self._manager = manager
        self._leadership = leadership
        self._calls: Dict[str, Callable[[Dict[str, Any]], Dict[str, Any]]] = {
            "/simulator/heartbeat": self._heartbeat,
            "/simulator/schema": self._schema,
            "/simulator/route": self._route,
            "/simulator/create_table": self._create_table,
            "/simulator/drop_table": self._drop_table,
        }

    def __call__(self, request: Request) -> Response:
        leader = self._leadership.known
        if leader is None:
            return _refusal("forward to leader: no leader found")
        if not self._leadership.is_local(leader):
            try:
                answer = call("POST", leader.endpoint + request.path, request.body, FORWARD_TIMEOUT)
            except Unreachable as error:
                return _refusal("forward to leader: %s" % error)
            return Response(answer.status, answer.body)
        serve = self._calls.get(request.path)
        if serve is None:
            return _refusal("unknown call %s" % request.path)
        try:
            return json_response(serve(decode_object(request.body)))
        except (RpcError, ClusterError, EtcdError, Unreachable) as error:
            return _refusal(str(error))

    def _cluster(self, body: Dict[str, Any]) -> Cluster:
        cluster = self._manager.get(str(body.get("cluster", "")))
        if cluster is None:
            raise RpcError("get cluster: (#404)cluster not found, cause:cluster name:%s" % body.get("cluster"))
        return cluster

    def _heartbeat(self, body: Dict[str, Any]) -> Dict[str, Any]:
        # A leader that is still loading takes heartbeats and forgets them.
        if self._manager.running:
            self._cluster(body).heartbeat(str(body["node"]), {int(shard): str(status) for shard, status in body["shards"].items()})
        return {}

    def _schema(self, body: Dict[str, Any]) -> Dict[str, Any]:
        self._cluster(body)
        return {"id": 0}

    def _route(self, body: Dict[str, Any]) -> Dict[str, Any]:
        cluster = self._cluster(body)
        found = {name: route_entry(cluster, name, "public") for name in body["tables"]}
        return {"nodes": {name: entry["NodeShards"][0]["ShardNode"]["NodeName"] for name, entry in found.items() if entry}}

    def _create_table(self, body: Dict[str, Any]) -> Dict[str, Any]:
        _, created = self._cluster(body).create_table(str(body["name"]), dict(body["schema"]))
        return {"created": created}

    def _drop_table(self, body: Dict[str, Any]) -> Dict[str, Any]:
        return {"dropped": self._cluster(body).drop_table(str(body["name"]))}


def _refusal(message: str) -> Response:
    return json_response({"error": message}, 500)

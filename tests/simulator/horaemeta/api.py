"""HoraeMeta's HTTP API: what every member answers, and what only the leader can."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, Optional, Tuple

from common import flavour
from common.buildinfo import VERSION
from common.http import Request, Response, Routes, Unreachable, call, json_response, text_response

from horaemeta import golang
from horaemeta.cluster import Cluster, ClusterError
from horaemeta.leadership import Leadership
from horaemeta.manager import EtcdTrouble, Manager
from horaemeta.scheduler import DynamicScheduler
from horaemeta.store import Table

# Affinities of both schedulers are listed, and only one of them heeds them.
NO_AFFINITIES: Dict[str, List[Any]] = {"Affinities": []}
# The real one waits for ever: a follower of a leader that hangs looks as dead.
FORWARD_TIMEOUT = 3600.0
TOPOLOGY_TYPES = ("static", "dynamic")
GO_TYPES = {str: "string", dict: "object", list: "array", bool: "bool", int: "number", float: "number"}


class ApiError(Exception):
    def __init__(self, code: int, error: str, message: str) -> None:
        super().__init__(message)
        self.response = json_response({"status": "error", "error": "(#%d)%s, cause:<nil>" % (code, error), "msg": message}, code)


def success(data: Any = None) -> Response:
    return json_response({"status": "success"} if data is None else {"status": "success", "data": data})


def missing(known: bool) -> Response:
    return text_response("Method Not Allowed\n", 405) if known else text_response("404 page not found\n", 404)


def parse(request: Request, expected: type = dict, go_type: str = "") -> Any:
    """The body, or the error that Go's decoder gives."""
    try:
        data = json.loads(request.body)
    except ValueError:
        raise ApiError(400, "parse request params", "unexpected EOF" if request.body else "EOF") from None
    if not isinstance(data, expected):
        found = GO_TYPES.get(type(data), "null")
        raise ApiError(400, "parse request params", "json: cannot unmarshal %s into Go value of type %s" % (found, go_type))
    if isinstance(data, dict):
        # Go matches field names in any case: the captures use both ClusterName and clusterName.
        return {name.lower(): value for name, value in data.items()}
    return data


def shard_info(shard: int, version: int) -> Dict[str, int]:
    return {"ID": shard, "Role": 1, "Version": version, "Status": 0}


def shard_node(shard: int, node: str) -> Dict[str, Any]:
    return {"ID": shard, "ShardRole": 1, "NodeName": node}


class Api:
    def __init__(self, manager: Manager, leadership: Leadership, http_port: int, limiter: Dict[str, Any]) -> None:
        self._manager = manager
        self._leadership = leadership
        self._http_port = http_port
        self._limiter = limiter
        self.routes = Routes(missing)
        self._add_routes()

    def _add_routes(self) -> None:
        self.local("GET", "/api/v1/health", lambda _: success())
        self.local("GET", "/debug/leader", self._leader)
        self.local("GET", "/debug/simulator", self._simulator)
        self.local("PUT", "/debug/simulator/hang_next_election", self._hang_next_election)
        self.local("PUT", "/debug/simulator/hang_next_transfer", self._hang_next_transfer)
        self.local("GET", "/debug/pprof/goroutine", self._goroutines)
        led: List[Tuple[str, str, Callable[[Request], Response]]] = [
            ("GET", "/api/v1/clusters", lambda _: success([c.model.info.to_json() for c in self._manager.all()])),
            ("POST", "/api/v1/clusters", self._create_cluster),
            ("PUT", "/api/v1/clusters/:name", self._update_cluster),
            ("POST", "/api/v1/getNodeShards", self._node_shards),
            ("DELETE", "/api/v1/nodeShards", self._drop_node_shards),
            ("POST", "/api/v1/getShardTables", self._shard_tables),
            ("POST", "/api/v1/route", self._route),
            ("POST", "/api/v1/table/query", self._query_table),
            ("DELETE", "/api/v1/table", self._drop_table),
            ("POST", "/api/v1/transferLeader", self._transfer_leader),
            ("GET", "/api/v1/clusters/:name/procedure", lambda request: success(self._named(request).procedures.running())),
            ("GET", "/api/v1/clusters/:name/shardAffinities", self._list_affinities),
            ("POST", "/api/v1/clusters/:name/shardAffinities", self._add_affinities),
            ("DELETE", "/api/v1/clusters/:name/shardAffinities", self._remove_affinities),
            ("GET", "/api/v1/flowLimiter", lambda _: success({key.title(): value for key, value in self._limiter.items()})),
            ("PUT", "/api/v1/flowLimiter", self._put_limiter),
            ("GET", "/debug/diagnose/:name/shards", self._diagnose),
            ("GET", "/debug/clusters/:name/enableSchedule", self._get_schedule),
            ("PUT", "/debug/clusters/:name/enableSchedule", self._put_schedule),
        ]
        for method, pattern, handle in led:
            self.routes.add(method, pattern, self._on_leader(handle))

    def local(self, method: str, pattern: str, handle: Callable[[Request], Response]) -> None:
        self.routes.add(method, pattern, lambda request: _answer(handle, request))

    def _on_leader(self, handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def serve(request: Request) -> Response:
            leader = self._leadership.known
            if leader is None:
                return ApiError(500, "forward to leader", "get forwarded addr: no leader found: (#500)get leader, cause:<nil>").response
            if self._leadership.is_local(leader):
                return _answer(handle, request)
            # The leader's HTTP port is taken to be the same as this member's own.
            url = "%s:%d%s" % (leader.endpoint.rsplit(":", 1)[0], self._http_port, request.path)
            try:
                answer = call(request.method, url, request.body, FORWARD_TIMEOUT)
            except Unreachable as error:
                return ApiError(500, "forward to leader", str(error)).response
            return Response(answer.status, answer.body, answer.content_type)

        return serve

    def _leader(self, _: Request) -> Response:
        leader = self._leadership.known
        if leader is None:
            raise ApiError(500, "get leader", "no leader found: (#500)get leader, cause:<nil>")
        return success(leader.endpoint)

    def _simulator(self, _: Request) -> Response:
        return json_response({"simulator": True, "daemon": "horaemeta", "version": VERSION, "announce": flavour.announce("horaemeta")})

    def _hang_next_election(self, _: Request) -> Response:
        self._manager.hang_next_election = True
        return success()

    def _hang_next_transfer(self, _: Request) -> Response:
        self._manager.hang_next_transfer = True
        return success()

    def _goroutines(self, _: Request) -> Response:
        """What tells a member that hangs from any other, for a reader of stacks."""
        return text_response(golang.goroutines(self._manager.stuck))

    def _named(self, request: Request) -> Cluster:
        """The cluster in the path."""
        return self._found(request.params[0])

    def _found(self, name: str) -> Cluster:
        cluster = self._manager.get(name)
        if cluster is None:
            raise ApiError(500, "get cluster", "clusterName: %s, err: (#404)cluster not found, cause:<nil>" % name)
        return cluster

    def _found_for(self, what: str, name: str) -> Cluster:
        """Calls that look the cluster up deeper down word the same mistake differently."""
        cluster = self._manager.get(name)
        if cluster is None:
            message = "get cluster: (#404)cluster not found, cause:cluster name:%s" % name
            raise ApiError(500, what, golang.caused(message, [golang.GET_CLUSTER]))
        return cluster

    def _create_cluster(self, request: Request) -> Response:
        body = parse(request)
        batch = int(body.get("procedureexecutingbatchsize", 0))
        if batch <= 0:
            raise ApiError(400, "invalid params to create cluster", "expect positive procedureExecutingBatchSize")
        name = str(body.get("name", ""))
        if self._manager.get(name):
            raise ApiError(500, "get cluster", "cluster: %s already exists" % name)
        kind = self._topology_type(body, 400, "parse request params")
        if int(body.get("nodecount", 0)) < 1:
            message = "(#400)create cluster, cause:nodeCount must > 0"
            inner = golang.method("cluster", "managerImpl.CreateCluster", "manager.go:113")
            raise ApiError(400, "create cluster", golang.caused(message, [inner]))
        cluster = self._manager.create(name, int(body["nodecount"]), int(body.get("shardtotal", 0)), kind, batch)
        return success(cluster.model.info.id)

    def _topology_type(self, body: Dict[str, Any], code: int, error: str) -> str:
        kind = str(body.get("topologytype", ""))
        if kind not in TOPOLOGY_TYPES:
            message = "could not be parsed to topologyType, rawString:%s: (#500)parse topology type, cause:<nil>" % kind
            raise ApiError(code, error, message)
        return kind

    def _update_cluster(self, request: Request) -> Response:
        body = parse(request)
        cluster = self._named(request)
        kind = self._topology_type(body, 500, "parse topology type")
        cluster.update(kind, int(body.get("procedureexecutingbatchsize", 0)))
        return success(cluster.model.info.id)

    def _node_shards(self, request: Request) -> Response:
        cluster = self._found_for("get node shards", str(parse(request).get("clustername", "")))
        view = cluster.snapshot()
        shards = [
            {"ShardInfo": shard_info(shard, cluster.shard_versions.get(shard, 0)), "ShardNode": shard_node(shard, node)}
            for shard, node in view.entries
        ]
        return success({"ClusterTopologyVersion": view.version, "NodeShards": shards})

    def _drop_node_shards(self, request: Request) -> Response:
        body = parse(request)
        gone = self._found(str(body.get("clustername", ""))).unmap(body.get("shardids") or [])
        return success([shard_node(shard, node) for shard, node in gone])

    def _shard_tables(self, request: Request) -> Response:
        body = parse(request)
        cluster = self._manager.get(str(body.get("clustername", "")))
        if cluster is None:
            raise ApiError(400, "parse request params", "(#404)cluster not found, cause:<nil>")
        asked = body.get("shardids") or []
        total = cluster.model.info.shard_total
        tables = {}
        # The real one makes room for the ids that were asked for, and appends to that: shard 0 always comes with them.
        for shard in sorted({0, *(s for s in asked if 0 <= s < total)}) if asked else range(total):
            info = shard_info(shard, cluster.shard_versions.get(shard, 0))
            tables[str(shard)] = {"Shard": info, "Tables": [table.to_json() for table in cluster.tables_of(shard)]}
        return success(tables)

    def _route(self, request: Request) -> Response:
        body = parse(request)
        cluster = self._found_for("route table", str(body.get("clustername", "")))
        entries = {}
        for name in body.get("table") or []:
            entry = route_entry(cluster, name, str(body.get("schemaname", "public")))
            if entry:
                entries[name] = entry
        return success({"ClusterViewVersion": cluster.snapshot().version, "RouteEntries": entries})

    def _query_table(self, request: Request) -> Response:
        body = parse(request)
        cluster = self._found_for("table", str(body.get("clustername", "")))
        names, ids = body.get("names") or [], body.get("ids") or []
        schema = str(body.get("schemaname", ""))
        if names and schema != "public":
            message = "metadata get tables: (#404)schema not found, cause:schema name%%!(EXTRA string=%s)" % schema
            inner = golang.method("cluster/metadata", "TableManagerImpl.getTables", "table_manager.go:359")
            raise ApiError(500, "table", golang.caused(message, [inner]))
        tables = [t for t in cluster.tables.values() if (t.name in names if names else t.id in ids)]
        return success([table.to_json() for table in tables])

    def _drop_table(self, request: Request) -> Response:
        body = parse(request)
        cluster = self._found_for("table", str(body.get("clustername", "")))
        try:
            cluster.forget_table(str(body.get("table", "")), str(body.get("schemaname", "public")))
        except ClusterError as error:
            raise ApiError(500, "table", str(error)) from error
        return success("success")

    def _transfer_leader(self, request: Request) -> Response:
        body = parse(request)
        cluster = self._found(str(body.get("clustername", "")))
        try:
            old, new = str(body.get("oldleadernodename", "")), str(body.get("newleadernodename", ""))
            cluster.transfer(int(body.get("shardid", 0)), old, new)
        except ClusterError as error:
            raise ApiError(500, "create procedure", str(error)) from error
        return success("success")

    def _dynamic(self, cluster: Cluster) -> Optional[DynamicScheduler]:
        return cluster.scheduler if isinstance(cluster.scheduler, DynamicScheduler) else None

    def _affine(self, request: Request, what: str) -> DynamicScheduler:
        scheduler = self._dynamic(self._named(request))
        if scheduler is None:
            message = "err: (#501)no, cause:static topology scheduler doesn't support shard affinity"
            inner = golang.method("coordinator/scheduler/static", "schedulerImpl.ListShardAffinityRule", "scheduler.go:131")
            raise ApiError(500, what, golang.caused(message, [inner]))
        return scheduler

    def _list_affinities(self, request: Request) -> Response:
        rules = sorted(self._affine(request, "list affinity rules").affinities.items())
        listed = {"Affinities": [{"shardID": shard, "numAllowedOtherShards": allowed} for shard, allowed in rules]}
        return success({"rebalanced_scheduler": listed, "reopen_scheduler": NO_AFFINITIES})

    def _add_affinities(self, request: Request) -> Response:
        rules = parse(request, list, "[]scheduler.ShardAffinity")
        scheduler = self._affine(request, "add affinity rule")
        scheduler.affinities.update({int(r["shardID"]): int(r.get("numAllowedOtherShards", 0)) for r in rules})
        return success()

    def _remove_affinities(self, request: Request) -> Response:
        shards = parse(request).get("shardids") or []
        scheduler = self._affine(request, "remove affinity rule")
        for shard in shards:
            scheduler.affinities.pop(int(shard), None)
        return success()

    def _put_limiter(self, request: Request) -> Response:
        body = parse(request)
        self._limiter.update({key: body[key] for key in self._limiter if key in body})
        return success("success")

    def _diagnose(self, request: Request) -> Response:
        unregistered, unready = self._named(request).model.diagnose()
        return success({"unregisteredShards": unregistered, "unreadyShards": {str(shard): state for shard, state in unready.items()}})

    def _schedule(self, request: Request, verb: str) -> DynamicScheduler:
        scheduler = self._dynamic(self._named(request))
        if scheduler is None:
            cause = "deploy mode could only %s when topology type is dynamic" % verb
            inner = golang.method(
                "coordinator/scheduler/manager", "schedulerManagerImpl.%sEnableSchedule" % verb.title(), "scheduler_manager.go:319"
            )
            message = "(#400)invalid topology type, cause:%s" % cause
            raise ApiError(500, "%s enableSchedule" % verb, golang.caused(message, [inner]))
        return scheduler

    def _get_schedule(self, request: Request) -> Response:
        return success(self._schedule(request, "get").frozen)

    def _put_schedule(self, request: Request) -> Response:
        self._named(request)
        wanted = parse(request).get("enable", False)
        if not isinstance(wanted, bool):
            kind = GO_TYPES.get(type(wanted), "null")
            message = "json: cannot unmarshal %s into Go struct field UpdateEnableScheduleRequest.enable of type bool" % kind
            raise ApiError(400, "parse request params", message)
        self._schedule(request, "update").frozen = wanted
        return success(wanted)


def route_entry(cluster: Cluster, name: str, schema: str) -> Optional[Dict[str, Any]]:
    """None unless the table exists and its shard has a node."""
    table: Optional[Table] = cluster.table(name, schema)
    node = cluster.node_of(table.shard) if table else None
    if table is None or node is None:
        return None
    info = shard_info(table.shard, cluster.shard_versions.get(table.shard, 0))
    return {"Table": table.to_json(), "NodeShards": [{"ShardInfo": info, "ShardNode": shard_node(table.shard, node)}]}


def _answer(handle: Callable[[Request], Response], request: Request) -> Response:
    try:
        return handle(request)
    except ApiError as error:
        return error.response
    except EtcdTrouble as error:
        return ApiError(500, "etcd", str(error)).response

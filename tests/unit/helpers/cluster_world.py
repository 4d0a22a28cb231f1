"""A cluster that is only its answers: HTTP servers on loopback for every member, its etcd, and every data node.

A test changes the state (who leads, what the view says, which host hangs or is gone) and looks at what
the code under test makes of it. The answers have the shapes of tests/captures.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, NamedTuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import Client
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Node, Topology

Reply = tuple[int, Any]


class Call(NamedTuple):
    """What somebody asked of the world."""

    host: str
    method: str
    path: str
    body: Any

    @property
    def verb(self) -> str:
        """The first word of an SQL statement, the path of everything else."""
        return str(self.body[1]["query"].split()[0]) if self.path == "/sql" else self.path


READY = "Ready"
SWALLOWED: Reply = (0, None)  # no answer at all, while other questions have one


class Server:
    """One port. `hang` swallows requests without an answer; stop() makes the port refuse."""

    def __init__(self, answer: Callable[[str, str, Any], Reply]) -> None:
        self.hang = False
        self._released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            wbufsize = -1  # head and body in one packet; as two, each answer would wait 40 ms for an acknowledgement

            def reply(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if outer.hang:
                    outer._released.wait(30)
                    self.close_connection = True
                    return
                kind = self.headers.get("Content-Type", "")
                body = json.loads(raw) if raw else None
                status, document = answer(self.command, self.path, body if self.path != "/sql" else (kind, body))
                if status == SWALLOWED[0]:
                    outer._released.wait(30)
                    self.close_connection = True
                    return
                data = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = reply

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if not self._released.is_set():
            self._released.set()
            self._server.shutdown()
            self._server.server_close()


@dataclass
class FakeMember:
    world: World
    host: str
    id: int
    applied: int = 1000
    healthy: bool = True
    alarmed: bool = False  # says with status 200 that it isn't healthy
    learner: bool = False
    names: str | None = None  # host that it takes for the leader, when that isn't the real one
    peer_url: str = ""

    def __post_init__(self) -> None:
        self.api = Server(self.answer_api)
        self.etcd = Server(self.answer_etcd)

    def model(self) -> Member:
        client = "http://192.0.2.%d:2379" % self.id
        return Member(
            host=self.host,
            name="name-" + self.host,
            address="127.0.0.1",
            http_port=self.api.port,
            client_port=self.etcd.port,
            peer_port=2380,
            data_dir="/var/lib/horaemeta",
            node_count=3,
            shard_total=8,
            topology_type=self.world.topology_type,
            cluster_name="defaultCluster",
            root_path="/horaedb",
            client_url=client,
            peer_url=client.replace("2379", "2380"),
            keeper_port=0,
        )

    def answer_api(self, method: str, path: str, body: Any) -> Reply:
        world = self.world
        world.calls.append(Call(self.host, method, path, body))
        if path in world.broken:
            return world.broken[path]
        if path == "/debug/leader":
            named = self.host if self.host in world.hangs else self.names or world.leader
            return ok("http://192.0.2.%d:2379" % world.members[named].id) if named else (500, {"status": "error", "error": "no leader found"})
        if path.startswith(("/api/v1/clusters", "/api/v1/getNodeShards", "/debug/diagnose")) and self.forwards_to() in world.hangs:
            return SWALLOWED
        if path == "/api/v1/clusters":
            if world.empty_lists:
                world.empty_lists -= 1
                return ok([])
            return ok(world.clusters)
        if path == "/api/v1/getNodeShards":
            return ok({"ClusterTopologyVersion": 1, "NodeShards": world.node_shards()})
        if path == "/debug/diagnose/defaultCluster/shards":
            return ok(world.diagnose)
        if path == "/debug/simulator" and world.simulator:
            return 200, {"simulator": True, "daemon": "horaemeta", "version": "2.1.0"}
        if path == "/api/v1/table" and method == "DELETE":
            return world.drop_metadata(body)
        if path == "/api/v1/etcd/moveLeader":
            return world.move(self.host, body["memberName"])
        return world.answer_more(self.host, method, path, body)

    def forwards_to(self) -> str:
        return self.host if self.host in self.world.hangs else self.names or self.world.leader

    def answer_etcd(self, method: str, path: str, body: Any) -> Reply:
        world = self.world
        world.etcd_calls.append(path)
        header = {"member_id": str(self.id), "revision": str(world.revision)}
        if path == "/health" and self.alarmed:
            return 200, {"health": "false", "reason": "ALARM NOSPACE"}
        if path == "/health":
            return (200, {"health": "true", "reason": ""}) if self.healthy else (503, {"health": "false", "reason": "NO LEADER"})
        if path == "/v3/maintenance/status":
            leader = {"leader": str(world.members[world.etcd_leader or world.leader].id)} if self.healthy else {}
            learner = {"isLearner": True} if self.learner else {}
            raft = {"raftAppliedIndex": str(self.applied), "raftTerm": str(world.term)}
            return 200, {"header": header, "version": "3.5.12", **raft, **leader, **learner}
        if path == "/v3/cluster/member/list":
            return 200, {"header": header, "members": [m.listed() for m in world.members.values()] + world.foreign_members}
        if world.real_etcd and path.startswith(("/v3/kv/", "/v3/lease/")):
            answer = Client(5).call(method, world.real_etcd + path, body)
            return answer.status, answer.body
        if path == "/v3/kv/range":
            return 200, {"header": header, **world.range(*(base64.b64decode(body.get(end, "")).decode() for end in ("key", "range_end")))}
        if path == "/v3/kv/txn":
            return 200, {"header": header, **world.transaction(body)}
        if path == "/v3/kv/put":
            world.put(base64.b64decode(body["key"]).decode(), base64.b64decode(body["value"]).decode())
            return 200, {"header": header}
        if path == "/v3/kv/deleterange":
            world.kv.pop(base64.b64decode(body["key"]).decode(), None)
            return 200, {"header": header}
        if path == "/v3/lease/revoke":
            return world.revoke(int(body["ID"]))
        if path == "/v3/lease/timetolive":
            left = world.leases.get(int(body["ID"]), -1)
            return 200, {"header": header, "ID": body["ID"], "TTL": str(left), "grantedTTL": "30"}
        raise AssertionError("nobody asks etcd for %s %s" % (method, path))

    def listed(self) -> dict[str, Any]:
        entry = {"ID": str(self.id), "name": "name-" + self.host, "peerURLs": ["http://192.0.2.%d:2380" % self.id]}
        return {**entry, "isLearner": True} if self.learner else entry

    def stop(self) -> None:
        self.api.stop()
        self.etcd.stop()


@dataclass
class FakeNode:
    world: World
    host: str
    server_addr: str
    shards: dict[int, str] = field(default_factory=dict)
    flush: Any = None
    sql: list[Reply] = field(default_factory=list)  # said, one by one, before the truth

    def __post_init__(self) -> None:
        self.http = Server(self.answer)
        self.grpc = socket.create_server(("127.0.0.1", 0))
        self.grpc_port: int = self.grpc.getsockname()[1]

    def model(self) -> Node:
        return Node(
            host=self.host,
            address="127.0.0.1",
            server_addr=self.server_addr,
            bind_addr="0.0.0.0",
            http_port=self.http.port,
            grpc_port=self.grpc_port,
            mysql_port=3307,
            postgresql_port=5433,
            data_dir="/var/lib/horaedb",
            cluster_name="defaultCluster",
            root_path="/horaedb",
            meta_addr="http://127.0.0.1:2379",
            etcd_addrs=("192.0.2.11:2379",),
            store="Local",
            store_dir="/var/lib/horaedb/store",
            wal="Local",
            wal_dir="/var/lib/horaedb/wal",
            lease="3s",
            lock_ttl=30,
        )

    @property
    def name(self) -> str:
        return self.model().name

    def answer(self, method: str, path: str, body: Any) -> Reply:
        self.world.calls.append(Call(self.host, method, path, body))
        self.world.before_answer(self.world.calls[-1])
        if path == "/":
            return 200, {"status": "ok"}
        if path == "/debug/shards":
            return 200, [{"id": shard, "role": "Leader", "version": 1, "status": status} for shard, status in self.shards.items()]
        if path == "/debug/flush_memtable":
            return 200, self.flush or {"success": ["t"], "failed": []}
        if path == "/sql":
            kind, document = body
            assert kind == "application/json", "HoraeDB takes the whole document for SQL without this content type"
            return self.sql.pop(0) if self.sql else self.world.query(document["query"])
        return 404, {"code": 404, "message": "NOT_FOUND"}

    def stop(self) -> None:
        self.http.stop()
        self.grpc.close()


class World:
    """Three members and three data nodes, all well, 8 shards spread over them."""

    def __init__(self, members: int = 3, nodes: int = 3, topology_type: str = "static") -> None:
        self.topology_type = topology_type
        self.calls: list[Call] = []
        self.etcd_calls: list[str] = []
        self.broken: dict[str, Reply] = {}
        self.empty_lists = 0
        self.simulator = False
        self.real_etcd = ""  # where keys and leases really are, for what needs more than the record
        self.foreign_members: list[dict[str, Any]] = []
        self.diagnose: dict[str, Any] = {"unregisteredShards": [], "unreadyShards": {}}
        self.move_answers: list[Reply] = []
        self.moves: list[tuple[str, str]] = []
        self.before_answer: Callable[[Call], None] = lambda _call: None  # a data node's, so that a test can change what it says
        self.revision = 10
        self.kv: dict[str, tuple[str, int]] = {}
        self.tables: dict[str, str | None] = {}  # table -> the one row that it has
        self.listed_only: set[str] = set()  # tables that HoraeMeta lists and no data node has
        self.refused_creates: dict[str, str] = {}  # table -> why no CREATE of it succeeds
        self.members = {"meta%d" % n: FakeMember(self, "meta%d" % n, 10 + n) for n in range(1, members + 1)}
        self.nodes = {"db%d" % n: FakeNode(self, "db%d" % n, "192.0.2.%d" % (20 + n)) for n in range(1, nodes + 1)}
        self.leader = "meta1"
        self.term = 7
        self.leases: dict[int, int] = {}  # lease -> seconds left
        self.locks: dict[str, int] = {}  # key -> lease
        self.revoked: list[int] = []
        # Members that deadlocked: each names itself for ever, and swallows what only a leader answers. So does who forwards to one.
        self.hangs: set[str] = set()
        self.etcd_leader = ""  # where HoraeMeta's leader is another one, or none
        self.hangs_when_elected = 0  # so many of the next new leaders
        self.clusters = [
            {
                "ID": 0,
                "Name": "defaultCluster",
                "MinNodeCount": nodes,
                "ShardTotal": 8,
                "TopologyType": topology_type,
                "ProcedureExecutingBatchSize": 4294967295,
            }
        ]
        self.view: list[tuple[int, str]] = []
        for shard in range(8):
            node = self.nodes["db%d" % (shard % nodes + 1)]
            node.shards[shard] = READY
            self.view.append((shard, node.name))

    @property
    def topology(self) -> Topology:
        return Topology(
            cluster="defaultCluster",
            topology_type=self.topology_type,
            shard_total=8,
            node_count=len(self.nodes),
            root_path="/horaedb",
            meta_endpoint="proxy",
            proxy_port=2379,
            members=tuple(member.model() for member in self.members.values()),
            nodes=tuple(node.model() for node in self.nodes.values()),
        )

    def node_shards(self) -> list[dict[str, Any]]:
        return [{"ShardInfo": {"ID": shard}, "ShardNode": {"ID": shard, "NodeName": name}} for shard, name in self.view]

    def move(self, asked: str, name: str) -> Reply:
        target = name.replace("name-", "")
        self.moves.append((asked, target))
        if self.move_answers:
            return self.move_answers.pop(0)
        if asked != (self.etcd_leader or self.leader):
            return 500, {"status": "error", "error": "(#500)move leader", "msg": "etcdserver: not leader"}
        self.leader, self.etcd_leader = target, ""
        self.term += 1
        if self.hangs_when_elected:
            self.hangs_when_elected -= 1
            self.hangs.add(target)
        return ok("ok")

    def answer_more(self, _host: str, _method: str, _path: str, _body: Any) -> Reply:
        """What a member's API has beyond what every test needs."""
        return 404, b"404 page not found\n"

    def range(self, key: str, end: str = "") -> dict[str, Any]:
        found = [self._stored(name) for name in sorted(self.kv) if (key <= name < end if end else name == key)]
        return {"kvs": found, "count": str(len(found))} if found else {}

    def _stored(self, key: str) -> dict[str, Any]:
        value, revision = self.kv[key]
        lease = {"lease": str(self.locks[key])} if key in self.locks else {}
        texts = {"key": base64.b64encode(key.encode()).decode(), "value": base64.b64encode(value.encode(errors="surrogateescape")).decode()}
        return {**texts, "mod_revision": str(revision), **lease}

    def put(self, key: str, value: str) -> None:
        self.revision += 1
        self.kv[key] = (value, self.revision)

    def revoke(self, lease: int) -> Reply:
        gone = [key for key, one in self.locks.items() if one == lease]
        for key in gone:
            self.kv.pop(key, None)
            del self.locks[key]
        self.revoked += [lease] if gone else []
        return (200, {"header": {}}) if gone else (404, {"error": "etcdserver: requested lease not found", "code": 5})

    def transaction(self, body: dict[str, Any]) -> dict[str, Any]:
        compare, put = body["compare"][0], body["success"][0]["request_put"]
        key = base64.b64decode(compare["key"]).decode()
        if int(compare["mod_revision"]) != self.kv.get(key, ("", 0))[1]:
            return {}
        self.revision += 1
        self.kv[key] = (base64.b64decode(put["value"]).decode(), self.revision)
        return {"succeeded": True}

    def query(self, statement: str) -> Reply:
        verb, rest = statement.split(" ", 1)
        table = next(word.split("(")[0] for word in rest.split() if word.startswith("horaedb_cluster_smoke"))
        if verb == "CREATE":
            if table in self.tables or table in self.listed_only:
                return refused(CREATE_EXISTS % table)
            if table in self.refused_creates:
                return refused(self.refused_creates[table])
            self.tables[table] = None
            return 200, {"affected_rows": 0}
        if table not in self.tables:
            return refused(NO_TABLE % table)
        if verb == "INSERT":
            self.tables[table] = statement.split("'")[-2]
            return 200, {"affected_rows": 1}
        return 200, {"rows": [{"nonce": self.tables[table]}]}

    def drop_metadata(self, body: dict[str, Any]) -> Reply:
        if body["table"] not in self.listed_only:
            return 500, {"status": "error", "error": "(#500)table error", "msg": "(#404)table not found, cause:<nil>\nserver.go:3311"}
        self.listed_only.discard(body["table"])
        return ok("ok")

    def stop(self) -> None:
        with ThreadPoolExecutor(len(self.members) + len(self.nodes)) as pool:
            list(pool.map(lambda thing: thing.stop(), [*self.members.values(), *self.nodes.values()]))


# As real HoraeDB 2.1.0 says it: the cause is at the end.
CREATE_EXISTS = (
    "Internal err:Rpc error, code:500, message:Failed to execute plan, err:Internal error, msg:Failed to execute interpreter, err:Failed to execute "
    "create table, err:Failed to create table by table manipulator, err:Failed to create table, msg:failed to create table by meta client, "
    'req:CreateTableRequest { schema_name: "public", name: "%s", engine: "Analytic", create_if_not_exist: true, '
    'options: {"enable_ttl": "false"}, partition_table_info: None }, err:Bad response, resp code:500, msg:table shard already exists: '
    "(#500)table already exists, cause:<nil>."
)
NO_TABLE = "Internal err:Rpc error, code:500, message:Failed to create plan, err:Table not found, table:%s"


def refused(message: str) -> Reply:
    return 400, {"code": 400, "message": message}


def ok(data: Any) -> Reply:
    return 200, {"status": "success", "data": data}

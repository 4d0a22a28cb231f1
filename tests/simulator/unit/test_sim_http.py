from __future__ import annotations

import base64
import json
import pathlib
from typing import Any, Dict, Optional

import pytest
from common.http import Request, Response
from horaedb.config import Config, load
from horaedb.engine import Blocked, Engine, QueryError
from horaedb.http_api import HttpApi
from horaedb.meta import AddressChoice
from horaedb.shards import ShardSet
from horaedb.store import LocalStore
from horaedb.wal import LocalWal

CREATE = "CREATE TABLE demo (name string TAG, value double NOT NULL, t timestamp NOT NULL, TIMESTAMP KEY(t)) ENGINE=Analytic WITH (enable_ttl='false')"
INSERT = "INSERT INTO demo(t, name, value) VALUES (1, 'a', 2)"


def config(root: pathlib.Path, text: str = "") -> Config:
    (root / "c.toml").write_text(text)
    return load(str(root / "c.toml"), {})


def api(root: pathlib.Path, text: str = "") -> HttpApi:
    """A node without HoraeMeta, with its one shard open."""
    shards = ShardSet(LocalWal(str(root)), LocalStore(str(root)))
    shards.open(0, 0, [])
    return HttpApi(config(root, text), shards, Engine("127.0.0.1:8831", shards, None, Blocked([], [], [])))


def post(api: HttpApi, path: str, body: Any, headers: Optional[Dict[str, str]] = None) -> Response:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return api.routes(Request("POST", path, raw, headers or {}))


def test_sql_as_text_and_as_json(tmp_path: pathlib.Path) -> None:
    node = api(tmp_path)
    assert post(node, "/sql", CREATE).status == 200
    assert json.loads(post(node, "/sql", INSERT).body) == {"affected_rows": 1}
    found = post(node, "/sql", {"query": "SELECT value FROM demo"}, {"content-type": "application/json"})
    assert json.loads(found.body) == {"rows": [{"value": 2.0}]}


def test_json_without_its_content_type_is_taken_as_sql(tmp_path: pathlib.Path) -> None:
    answer = post(api(tmp_path), "/sql", '{"query":"SELECT 1"}')
    assert answer.status == 400 and b"Expected an SQL statement, found: {" in answer.body


def test_a_blocked_table_refuses_writes_and_lets_reads_through(tmp_path: pathlib.Path) -> None:
    node = api(tmp_path)
    post(node, "/sql", CREATE)
    lists = {"operation": "Set", "write_block_list": ["demo"], "read_block_list": [], "block_rules": []}
    assert post(node, "/admin/block", lists).status == 200
    assert post(node, "/sql", INSERT).status == 400
    assert post(node, "/sql", "SELECT * FROM demo").status == 200
    assert post(node, "/admin/block", dict(lists, operation="Remove")).status == 200
    assert post(node, "/sql", INSERT).status == 200


def test_a_block_without_all_its_fields_is_refused(tmp_path: pathlib.Path) -> None:
    assert post(api(tmp_path), "/admin/block", {"operation": "Set"}).status == 400


@pytest.mark.parametrize(("user", "status"), [("ops:secret", 200), ("ops:wrong", 401), (None, 401)])
def test_auth_covers_sql_and_leaves_the_debug_pages_open(tmp_path: pathlib.Path, user: Optional[str], status: int) -> None:
    (tmp_path / "users").write_text("ops,secret\n")
    node = api(tmp_path, '[server.auth]\nenable = true\nauth_type = "file"\nsource = "%s"\n' % (tmp_path / "users"))
    headers = {"authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
    assert post(node, "/sql", "SHOW TABLES", headers).status == status
    assert node.routes(Request("GET", "/debug/config", b"")).status == 200


def test_shards_are_a_page_of_clusters_only(tmp_path: pathlib.Path) -> None:
    assert api(tmp_path).routes(Request("GET", "/debug/shards", b"")).status == 400


def test_a_name_with_several_addresses_does_not_help_in_time() -> None:
    choice, known = AddressChoice(), ["192.0.2.1", "192.0.2.2"]
    choice.failed(100)
    choice.failed(109)
    assert choice.of(known) == "192.0.2.1"
    choice.failed(111)
    assert choice.of(known) == "192.0.2.2"
    choice.worked()
    choice.failed(300)
    assert choice.of(known) == "192.0.2.2"


def test_a_failure_is_worded_otherwise_by_a_node_that_passed_the_statement_on() -> None:
    failure = QueryError("Failed to execute plan", "Internal error, err:Bad response, resp code:500, msg:x, cause:<nil>.")
    end = "Internal error, err:Bad response, resp code:500, msg:x, cause:<nil>."
    assert failure.here() == "Internal err:Rpc error, code:500, message:Failed to execute plan, err:" + end
    told = "Internal err:Rpc error, code:500, err:Query failed, err:Failed to execute plan. Caused by: %s sql:CREATE TABLE x." % end
    assert failure.elsewhere("CREATE TABLE x") == told


@pytest.mark.parametrize(
    ("owner", "here"),
    [("127.0.0.1:8831", True), ("127.9.9.9:8831", True), ("127.0.0.1:8832", False), ("10.0.0.1:8831", False), ("a.b:8831", False)],
)
def test_every_loopback_address_with_the_nodes_own_port_is_the_node(tmp_path: pathlib.Path, owner: str, here: bool) -> None:
    shards = ShardSet(LocalWal(str(tmp_path)), LocalStore(str(tmp_path)))
    assert Engine("10.0.0.2:8831", shards, None, Blocked([], [], []))._is_here(owner) is here

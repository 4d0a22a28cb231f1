"""The client says truthfully what happened, within its time, and never asks a proxy."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.api import http
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import Answer, BadAnswer, Client, Unreachable

from tests.unit.helpers.cluster_world import Server


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def serve():
    servers = []

    def start(status, body):
        servers.append(Server(lambda *_: (status, body)))
        return "http://127.0.0.1:%d/x" % servers[-1].port, servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:{closed}/", "connection refused"),
        ("http://does-not-exist.invalid:80/", "can't be resolved"),
        ("https://127.0.0.1:1/", "not an http:// address"),
        ("http://127.0.0.1:notaport/", "notaport"),
        ("nonsense", "not an http:// address"),
    ],
)
def test_nothing_there(url, why):
    url = url.replace("{closed}", str(refused_port()))
    with pytest.raises(Unreachable, match=why) as caught:
        Client(2).get(url)
    assert caught.value.url == url


def test_a_host_that_swallows_everything_costs_the_timeout_and_no_more(serve):
    url, server = serve(200, {})
    server.hang = True
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"nothing within 0.3 s"):
        Client(0.3).get(url)
    assert time.monotonic() - began < 1


def test_a_trickle_of_bytes_does_not_prolong_it():
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def trickle():
        wire, _address = listener.accept()
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not stop.wait(0.05):
            wire.sendall(b".")
        wire.close()

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    began = time.monotonic()
    with pytest.raises(Unreachable):
        Client(0.4).get("http://127.0.0.1:%d/" % listener.getsockname()[1])
    assert time.monotonic() - began < 1
    stop.set()
    thread.join(2)
    listener.close()


def test_the_budget_is_shared_by_all_requests(serve):
    url, server = serve(200, {})
    budget = Client(0.3)
    server.hang = True
    with pytest.raises(Unreachable):
        budget.get(url)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        budget.get(url)
    assert time.monotonic() - began < 0.1


def test_something_else_than_http():
    listener = socket.create_server(("127.0.0.1", 0))

    def greet():
        wire, _address = listener.accept()
        wire.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        wire.close()

    thread = threading.Thread(target=greet, daemon=True)
    thread.start()
    with pytest.raises(Unreachable, match="isn't speaking HTTP"):
        Client(1).get("http://127.0.0.1:%d/" % listener.getsockname()[1])
    thread.join(2)
    listener.close()


def test_an_endless_answer_is_cut(serve, monkeypatch):
    monkeypatch.setattr(http, "MAX_BODY", 1000)
    url, _server = serve(200, b"x" * 100_000)
    with pytest.raises(Unreachable, match="longer than 1000 bytes"):
        Client(1).get(url)


def test_the_environment_has_no_say(serve, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:%d" % refused_port())
    url, _server = serve(200, {"a": 1})
    assert Client(1).get(url).json() == {"a": 1}


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (
            500,
            b'{"status":"error","error":"(#500)get cluster","msg":"cluster not found"}',
            r"HTTP 500: \(#500\)get cluster: cluster not found",
        ),
        (400, b'{"code":400,"message":"Table is not found"}', "HTTP 400: Table is not found"),
        (404, b"404 page not found\n", "HTTP 404: 404 page not found"),
        (200, b"<html>", "isn't JSON: <html>"),
        (200, b"", "isn't JSON"),
    ],
)
def test_what_a_daemon_says_of_its_failure_is_passed_on(status, body, why):
    with pytest.raises(BadAnswer, match=why) as caught:
        Answer("http://192.0.2.11:8080/x", status, body).json()
    assert caught.value.status == status


EXISTS = (
    "Internal err:Rpc error, code:500, err:Query failed, err:Failed to execute plan. Caused by: Internal error, msg:Failed to execute interpreter, "
    "err:Failed to create table, msg:failed to create table by meta client, req:CreateTableRequest { "
    + "options: {}, " * 40
    + "}, err:Bad response, resp code:500, msg:table shard already exists: (#500)table already exists, cause:<nil>."
)


def test_the_cause_at_the_end_of_a_long_chain_is_kept():
    """Breaks when an answer is cut at its end, where HoraeDB has its cause."""
    with pytest.raises(BadAnswer) as caught:
        Answer("http://192.0.2.21:5440/sql", 400, json.dumps({"code": 400, "message": EXISTS}).encode()).json()
    said = str(caught.value)
    assert said.endswith("msg:table shard already exists: (#500)table already exists, cause:<nil>.")
    assert "HTTP 400: Internal err:Rpc error, code:500, err:Query failed" in said
    assert len(said) < 600 < len(EXISTS)


def test_nobody_gets_to_see_a_stack():
    """HoraeMeta's `msg` is its cause in one line, and then the stack of the process."""
    stack = "\ngithub.com/apache/incubator-horaedb-meta/pkg/coderr.(*codeError).WithCausef\n\t/build/error.go:91\nnet/http.(*conn).serve\n\t/go/server.go:3311"
    body = {"status": "error", "error": "(#500)get cluster", "msg": "get cluster: (#404)cluster not found, cause:cluster name:nope" + stack}
    with pytest.raises(BadAnswer) as caught:
        Answer("http://192.0.2.11:8080/x", 500, json.dumps(body).encode()).json()
    assert str(caught.value).endswith(": (#500)get cluster: get cluster: (#404)cluster not found, cause:cluster name:nope")


def test_jobs_that_hang_are_left_behind():
    release = threading.Event()
    began = time.monotonic()
    results = http.at_once({"slow": lambda: release.wait(20), "quick": lambda: True}, 0.1)
    assert results == {"quick": True}
    assert time.monotonic() - began < 1
    release.set()


def test_a_mistake_in_a_job_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        http.at_once({"a": lambda: 1 // 0}, 1)

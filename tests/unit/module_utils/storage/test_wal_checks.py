"""Brokers as a data node finds them: a double that is wrong in one way each, and a real one where a JVM is."""

from __future__ import annotations

import contextlib
import pathlib
import struct
import time
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.storage import kafka as storage_kafka
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.kafka import NotKafka
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.wal_checks import TriedWal, attempt, place_of
from hypothesis import given
from hypothesis import strategies as st

from tests.support.brokers import Broker, can_run, kafka, make_topics
from tests.unit.helpers.storage_servers import Web, black_hole, error, refused

TIMEOUT = 10.0


def table(*brokers: object, **kafka_: Any) -> dict[str, Any]:
    return {"type": "Kafka", "kafka": {"client": {"boost_brokers": list(brokers)}, **kafka_}}


def told(tried: TriedWal) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in tried.findings]


def judged(tried: TriedWal, rule: str, *words: str, severity: str = "error") -> None:
    assert told(tried) == [(rule, severity)], tried.findings
    sentence = tried.findings[0].sentence()
    assert not [word for word in words if word not in sentence], sentence


def test_everything_is_right(broker: Broker) -> None:
    broker.topics = ["wal_data_0", "manifest_meta_12", "wal_data_x", "my_wal_data_0", "orders"]
    tried = attempt(table(broker.name), TIMEOUT)
    assert (told(tried), tried.topics) == ([], ["manifest_meta_12", "wal_data_0"])
    assert tried.place == "Kafka %s" % broker.name


@pytest.mark.skipif(not can_run(), reason="lab/kafka.py found no JVM")
def test_a_real_broker_says_the_same(tmp_path: pathlib.Path) -> None:
    """Breaks when the double speaks another protocol than Kafka does."""
    with kafka(tmp_path) as name:
        tried = attempt(table(name), 10)
        assert (told(tried), tried.topics) == ([], [])
        make_topics(name, ["wal_data_0", "orders"])
        tried = attempt(table(name, topic_management={"create_replication_factor": 2}), 10)
        judged(tried, "wal.replication", "is 2, and there are 1 brokers")
        assert tried.topics == ["wal_data_0"]


@pytest.mark.parametrize(
    ("brokers", "words"),
    [
        ([], ["names no broker"]),
        (["kafka.example.com"], ["'kafka.example.com', which is no host:port"]),
        (["kafka.example.com:port"], ["no host:port"]),
        ([9092], ["'9092'"]),
        (["PLAINTEXT://kafka.example.com:9092"], ["no host:port"]),
    ],
)
def test_brokers_that_are_none(brokers: Sequence[object], words: Sequence[str]) -> None:
    judged(attempt(table(*brokers), TIMEOUT), "wal.brokers", "horaedb_wal.kafka.client.boost_brokers", *words)


@pytest.mark.parametrize("wal", [{"type": "Kafka"}, {"type": "Kafka", "kafka": []}, {"type": "Kafka", "kafka": {"client": {"boost_brokers": "a:1"}}}])
def test_a_table_without_a_list_of_brokers(wal: dict[str, Any]) -> None:
    judged(attempt(wal, TIMEOUT), "wal.brokers", "names no broker")


def test_a_broker_that_is_down_and_then_another_one_that_is_up(broker: Broker) -> None:
    """HoraeDB goes through its list: one that answers is enough."""
    with refused() as port:
        words = ("127.0.0.1:%d" % port, "connection refused", "nc -vz 127.0.0.1 %d" % port, "horaedb_wal.kafka.client.boost_brokers")
        judged(attempt(table("127.0.0.1:%d" % port), TIMEOUT), "wal.connect", "ends within 2 s", *words)
        judged(attempt(table("127.0.0.1:%d" % port, broker.name), TIMEOUT), "wal.connect", *words, severity="warning")


def test_a_name_that_nobody_knows() -> None:
    judged(attempt(table("no-such-name.invalid:9092"), TIMEOUT), "wal.name", "no-such-name.invalid:9092", "getent hosts no-such-name.invalid")


def test_black_holes_take_their_time_together() -> None:
    with black_hole() as first, black_hole() as second:
        began = time.monotonic()
        tried = attempt(table("127.0.0.1:%d" % first, "127.0.0.1:%d" % second), 0.5)
        assert time.monotonic() - began < 5
    assert told(tried) == [("wal.kafka", "error")] * 2
    assert "within 0.5 s" in tried.findings[0].what


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "isn't Kafka's protocol"),
        (struct.pack(">i", 3) + b"abc", "isn't Kafka's protocol"),
        (struct.pack(">ii", 4, 99), "another question"),
        (struct.pack(">ii", 4, 1), "cut off"),
        (struct.pack(">iih", 10, 1, 35) + bytes(4), "error 35"),
        (struct.pack(">iihi", 10, 1, 0, 2**31 - 1), "cut off"),
        (struct.pack(">iihi", 10, 1, 0, 0), "doesn't know version 1"),
        (b"\0\0", "hung up"),
        (b"", "hung up"),
    ],
)
def test_what_is_no_broker(broker: Broker, raw: bytes, why: str) -> None:
    broker.raw = raw
    judged(attempt(table(broker.name), TIMEOUT), "wal.kafka", broker.name, why, "PLAINTEXT")


def test_a_broker_that_is_too_new(broker: Broker) -> None:
    broker.versions[3] = (4, 13)
    judged(attempt(table(broker.name), TIMEOUT), "wal.kafka", "doesn't know version 1 of the metadata request")


def test_every_broker_is_reached_where_it_says_it_is(broker: Broker) -> None:
    """Breaks when only the brokers of the list are tried: clients are sent on by the addresses that brokers advertise."""
    broker.brokers = [("no-such-broker.invalid", 9092)]
    words = ("no-such-broker.invalid:9092", "data nodes", "advertised.listeners")
    judged(attempt(table(broker.name), TIMEOUT), "wal.advertised", *words)
    with refused() as port:
        broker.brokers = [broker.address, ("127.0.0.1", port)]
        judged(attempt(table(broker.name), TIMEOUT), "wal.advertised", "127.0.0.1:%d" % port, "connection refused")


@pytest.mark.parametrize("wanted", [1, True, "many", None])
def test_a_replication_that_fits_or_is_none(broker: Broker, wanted: object) -> None:
    assert told(attempt(table(broker.name, topic_management={"create_replication_factor": wanted}), TIMEOUT)) == []


@given(st.binary(max_size=60))
def test_an_answer_of_anything_is_read_or_refused(data: bytes) -> None:
    """Breaks when bytes from the network end in a traceback or in an endless loop."""
    for read in (storage_kafka.api_versions, storage_kafka.metadata):
        with contextlib.suppress(NotKafka):
            read(data)


class TestOceanBase:
    def test_reached(self) -> None:
        with Web(error(404, "")) as web:
            url = "http://127.0.0.1:%d/services?Action=ObRootServiceInfo&User_ID=canary" % web.port
            wal = {"type": "Obkv", "obkv": {"param_url": url, "password": "canary"}}
            tried = attempt(wal, TIMEOUT)
            assert (told(tried), tried.topics, tried.place) == ([], None, "Obkv 127.0.0.1:%d" % web.port)
            assert "canary" not in place_of(wal)

    def test_down(self) -> None:
        with refused() as port:
            tried = attempt({"type": "Obkv", "obkv": {"param_url": "http://127.0.0.1:%d/x" % port}}, TIMEOUT)
        judged(tried, "wal.connect", "connection refused", "horaedb_wal.obkv.param_url")

    def test_unknown(self) -> None:
        judged(attempt({"type": "Obkv", "obkv": {"param_url": "http://no-such-name.invalid/x"}}, TIMEOUT), "wal.name", "no-such-name.invalid:80")

    @pytest.mark.parametrize("url", [None, "", "ocp.example.com", "http://h:port/", "ftp://h"])
    def test_no_address(self, url: object) -> None:
        judged(attempt({"type": "Obkv", "obkv": {"param_url": url}}, TIMEOUT), "wal.url", "horaedb_wal.obkv.param_url")

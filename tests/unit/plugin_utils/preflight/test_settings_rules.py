"""The table of wrong settings, and what holds for all of them."""

from __future__ import annotations

import fnmatch
from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import ERROR, WARNING
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import registry
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.keys import load

from tests.unit.helpers.guarded import judged, of
from tests.unit.plugin_utils.preflight import wrong_settings
from tests.unit.plugin_utils.preflight.wrong_settings import CASES

MARKS = {name: getattr(wrong_settings, name) for name in ("DURATION", "SIZE", "IGNORED", "META_IGNORED")}
by_name = pytest.mark.parametrize(("side", "variables", "sentences"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])


@by_name
def test_each_wrong_setting_has_its_sentence(side: str, variables: dict[str, Any], sentences: list[str]) -> None:
    host = "meta1" if side == "meta" else "db1"
    expected = [sentence.format(**MARKS).replace("] ", "] %s: " % host, 1) for sentence in sentences]
    assert [finding.sentence() for finding in of(side, variables)] == expected


@by_name
def test_no_sentence_tells_a_secret(side: str, variables: dict[str, Any], sentences: list[str]) -> None:
    assert "canary" not in str(of(side, variables))
    assert "12345678" not in str(sentences)


def test_there_are_enough_of_them() -> None:
    assert len({case[0] for case in CASES}) == len(CASES) >= 80


def test_every_rule_is_broken_and_only_warnings_are_warnings() -> None:
    found = [finding for case in CASES for finding in of(case[1], case[2])]
    mine = {rule.id: rule.severity for rule in registry.SETTINGS}
    assert {finding.rule for finding in found} >= set(mine)
    assert {finding.rule for finding in found if finding.severity == WARNING} == {name for name, severity in mine.items() if severity == WARNING}
    assert {finding.severity for finding in found} == {WARNING, ERROR}


@pytest.mark.parametrize("daemon", ["horaedb", "horaemeta"])
def test_every_wrong_key_of_upstream_is_in_the_table(daemon: str) -> None:
    said = str([case[3] for case in CASES])
    schema = load(daemon, "2.1.0")
    assert [key for key, one in {**schema.wrong, **schema.wrong_environment}.items() if one["text"] not in said] == []


@pytest.mark.parametrize(
    "key",
    [
        "server.deploy_mode",
        "analytic.compaction_config",
        "analytic.write_group_worker_num",
        "runtime.background_thread_num",
        "cluster_deployment.route_rules",
        "analytic.wal.kafka.client.boost_broker",
        "analytic.compaction_mode",
        "cluster_delpoyment",
        "default-http-port",
    ],
)
def test_every_wrong_key_that_upstream_is_known_for_is_in_the_data(key: str) -> None:
    patterns = {pattern: one for daemon in ("horaedb", "horaemeta") for pattern, one in load(daemon, "2.1.0").wrong.items()}
    [said] = [one for pattern, one in patterns.items() if fnmatch.fnmatchcase(key, pattern)]
    assert any(said["use"] in load(daemon, "2.1.0").paths for daemon in ("horaedb", "horaemeta"))


def test_one_finding_for_the_hosts_that_have_the_same_mistake() -> None:
    found = judged(nodes={"db1": {"horaedb_settings": {"a": 1}}, "db3": {"horaedb_settings": {"a": 1}}})
    assert [finding.hosts for finding in found] == [("db1", "db3")]


def test_all_mistakes_of_all_hosts_at_once() -> None:
    found = judged(
        members={"meta2": {"horaemeta_settings": {"lease_sec": 1}}},
        nodes={
            "db1": {"horaedb_settings": {"node": {"zon": "a"}}, "horaedb_environment": {"ETCD_ADDR": "x"}},
            "db2": {"horaedb_data_dir": "/tmp/x"},
        },
    )
    assert sorted((finding.rule, finding.hosts) for finding in found) == [
        ("environment.unknown", ("db1",)),
        ("paths.temporary", ("db2",)),
        ("settings.unknown", ("db1",)),
        ("settings.unknown", ("meta2",)),
    ]


@pytest.mark.parametrize(
    ("variables", "rule"),
    [
        ({"horaedb_bind_addr": "localhost"}, "identity.bind"),
        ({"horaedb_settings": {"server": {"bind_addr": "localhost"}}}, "identity.bind"),
        ({"horaedb_server_addr": "192.0.2.21:8831"}, "identity.address"),
        ({"horaedb_environment": {"HORAEDB_SERVER_ADDR": "192.0.2.21:8831"}}, "identity.address"),
        ({"horaedb_settings": {"server": {"http_port": "x"}}}, "value.type"),
        ({"horaedb_http_port": "x"}, "value.type"),
        ({"horaedb_settings": ["x"]}, "value.type"),
        ({"horaedb_object_store": {"type": None}}, "value.type"),
        ({"horaedb_settings": {"cluster_deployment": {"etcd_client": {"shard_lock_lease_ttl_sec": 3}}}}, "lock.ttl"),
        ({"horaedb_settings": {"cluster_deployment": {"meta_client": {"lease": "3S"}}}}, "lease.duration"),
        ({"horaedb_settings": {"cluster_deployment": {"meta_client": {"lease": "15s"}}}}, "lease.long"),
        ({"horaedb_settings": {"cluster_deployment": {"etcd_client": {"root_path": "horaedb"}}}}, "names.root"),
    ],
)
def test_what_the_model_refuses_already_is_said_once(variables: dict[str, Any], rule: str) -> None:
    assert {finding.rule for finding in of("db", variables)} == {rule}


@pytest.mark.parametrize(
    "variables",
    [
        {"horaedb_settings": {"server": {"timeout": "1h30m", "http_max_body_size": "1G"}}},
        {"horaedb_settings": {"analytic": {"table_opts": {"compaction_strategy": {"SizeTiered": {"whatever": 1}}}}}},
        {"horaedb_settings": {"analytic": {"storage": {"disk_cache_capacity": "1GiB"}}}},
        {"horaedb_settings": {"cluster_deployment": {"etcd_client": {"shard_lock_lease_check_interval": None}}}},
        {"horaedb_wal": {"type": "RocksDB", "data_namespace": {"write_buffer_size": "1GiB"}}, "horaedb_wal_rocksdb_built": True},
        {"horaedb_wal": {"type": "RocksDB"}, "horaedb_wal_rocksdb_built": "yes"},
        {"horaedb_environment": {"HORAE_TEST_PASSWORD": "x", "HTTP_PROXY": "x", "RUST_BACKTRACE": 1, "TZ": "UTC", "NO_PROXY": "x"}},
        {"horaedb_environment": {"HORAEDB_MAX_INPUT_SSTABLE_SIZE": "1200MB", "HORAEDB_COMPACT_PICK_BY_SEQ": True}},
        {"horaedb_version": 2.1},
        wrong_settings.store(),
        wrong_settings.kafka(),
        {"horaedb_wal": {**wrong_settings.obkv()["horaedb_wal"], "data_namespace": {"ttl": "2d"}}},
        {
            "horaedb_wal": {
                "type": "Obkv",
                "obkv": {**wrong_settings.OBKV, "client": {**wrong_settings.OBKV["client"], "connect_timeout": 1}},
            }
        },
        {"horaedb_settings": {"cluster_deployment": {"etcd_client": {"tls": wrong_settings.TLS}}}},
        {"horaedb_settings": {"limiter": {"rules": [{"type": "QueryRange", "content": "1d"}, {"type": "AnyQuery"}]}}},
        {"horaedb_settings": {"server": {"remote_client": {"channel_keep_alive_interval": "10m"}}}},
    ],
)
def test_what_is_right_has_no_finding(variables: dict[str, Any]) -> None:
    assert [finding.sentence() for finding in of("db", variables)] == []

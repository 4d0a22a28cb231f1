"""The module config_check: a file that somebody else wrote. The plugin itself is run by ansible in test_config_play.py."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt import config_file
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt.config_file import Unreadable, findings, line_of, sentence

# The wrong keys that upstream's own examples carry, in one file.
SAMPLE = """\
[server]
bind_addr = "0.0.0.0"
deploy_mode = "Cluster" # does nothing

[runtime]
background_thread_num = 4

[analytic]
write_group_worker_num = 8
compaction_mode = "SizeTiered"

[analytic.compaction_config]
schedule_channel_len = 4

[analytic.storage.object_store]
type = "S3"
key_id = "canary-id"
key_secret = 'canary-secret'
endpoint = "s3.example.com"
bucket = "b"
region = 7

[analytic.wal]
type = "Kafka"

[analytic.wal.kafka.client]
boost_broker = "kafka.example.com:9092"

[cluster_deployment]
mode = "NoMeta"

[[cluster_deployment.topology.schema_shards]]
schema = "public"

[[cluster_deployment.topology.schema_shards]]
schema = "other"
shard = 1

[cluster_deployment.route_rules]

[cluster_delpoyment]
mode = "NoMeta"
"""


def told(text: str, daemon: str = "horaedb", **options: Any) -> dict[tuple[str, int], str]:
    return {(one["path"], one["line"]): one["rule"] for one in findings(daemon, text, "2.1.0", **options)}


def test_a_sample_of_upstream() -> None:
    assert told(SAMPLE) == {
        ("server.deploy_mode", 3): "settings.unknown",
        ("runtime.background_thread_num", 6): "settings.unknown",
        ("analytic.write_group_worker_num", 9): "settings.unknown",
        ("analytic.compaction_mode", 10): "settings.unknown",
        ("analytic.compaction_config", 12): "settings.unknown",
        ("analytic.storage.object_store.region", 21): "settings.value",
        ("analytic.storage.object_store.prefix", 15): "settings.missing",
        ("analytic.wal.kafka.client.boost_broker", 27): "settings.unknown",
        ("analytic.wal.kafka.client.boost_brokers", 26): "settings.missing",
        ("cluster_deployment.topology.schema_shards[1].shard", 37): "settings.unknown",
        ("cluster_deployment.route_rules", 39): "settings.unknown",
        ("cluster_delpoyment", 41): "settings.unknown",
    }
    assert "canary" not in str(findings("horaedb", SAMPLE, "2.1.0"))


def test_a_sentence_names_the_file_and_the_line() -> None:
    first = findings("horaedb", SAMPLE, "2.1.0")[0]
    assert sentence(first, "/etc/x.toml").startswith("[settings.unknown] /etc/x.toml:3: server.deploy_mode is no key of HoraeDB 2.1.0.")
    assert sentence(first, "/etc/x.toml").endswith("It is cluster_deployment.mode.")


def test_horaemeta_and_its_environment() -> None:
    text = 'http-port = 8080\ndefault-http-port = 8080\nflow-limiter = {limit = "x"}\n'
    assert told(text, "horaemeta", environment={"LEASE_SEC": "x", "NODE_NAMES": "y"}) == {
        ("default-http-port", 2): "settings.unknown",
        ("flow-limiter.limit", 3): "settings.value",
        ("LEASE_SEC", 0): "environment.value",
        ("NODE_NAMES", 0): "environment.unknown",
    }


def test_what_the_environment_sets_may_be_missing_in_the_file() -> None:
    text = '[analytic.wal]\ntype = "Local"\n[cluster_deployment]\nmode = "WithMeta"\n'
    assert [path for path, _line in told(text)] == [
        "cluster_deployment.meta_client.cluster_name",
        "cluster_deployment.meta_client.meta_addr",
    ]
    assert told(text, environment={"CLUSTER_NAME": "defaultCluster", "HORAEMETA_SERVER_ADDR": "http://192.0.2.1:2379"}) == {}


def test_an_empty_file_lacks_the_wal() -> None:
    [finding] = findings("horaedb", "", "2.1.0")
    assert (finding["path"], finding["rule"]) == ("analytic.wal.type", "settings.missing")
    assert "the release build doesn't have" in finding["what"]
    assert findings("horaemeta", "", None) == []


def test_a_build_with_more() -> None:
    text = '[analytic.wal]\ntype = "RocksDB"\n'
    assert told(text) == {("analytic.wal.type", 2): "settings.value"}
    assert told(text, features=["wal-rocksdb"]) == {}


@pytest.mark.parametrize("text", ["a = ", "[a\n", 'a = "canary\n', "a = 1\na = 2", "key_secret = canary"])
def test_what_is_no_toml_is_a_sentence(text: str) -> None:
    with pytest.raises(Unreadable, match=r"^It is no TOML: .*\.$") as caught:
        findings("horaedb", text, "2.1.0")
    assert "canary" not in str(caught.value)


def test_a_controller_that_reads_no_toml_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_file, "tomllib", None)
    with pytest.raises(Unreadable, match="pip install tomli"):
        findings("horaedb", "", "2.1.0")


def test_a_version_that_is_none() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        findings("horaedb", "", "newest")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a", "b"), 1),
        (("c",), 2),
        (("c", "d"), 3),
        (("c", "e", "f"), 4),
        (("g", 0, "h"), 7),
        (("g", 1, "i"), 8),
        (("z",), 0),
        (("c", "zz"), 2),
        (("j k",), 10),
    ],
)
def test_lines(path: tuple[Any, ...], line: int) -> None:
    text = 'a.b = 1\n[c]\nd = 2\ne = {f = 1}\n\n[[g]]\nh = 1\n[[g]] # again\n  # x = 1\n["j k"]\n'
    assert line_of(text, path) == line

from __future__ import annotations

import pathlib
from typing import Dict

import horaedb.config as db
import horaedb.units as units
import horaemeta.config as meta
import pytest
import tomllib
from horaedb.process import SHUTDOWN_RACE, races_at_shutdown

DB = """
[node]
addr = "192.0.2.1"
[analytic.wal]
type = "Local"
data_dir = "/d"
[cluster_deployment]
mode = "WithMeta"
[cluster_deployment.meta_client]
cluster_name = "c"
meta_addr = "http://192.0.2.9:2379"
"""
S3 = '[analytic.storage.object_store]\ntype = "S3"\nregion = "r"\nkey_id = "k"\nkey_secret = "s"\nendpoint = "e"\nbucket = "b"\nprefix = "p"\n'


def load_db(tmp_path: pathlib.Path, text: str, environment: Dict[str, str] = {}) -> db.Config:  # noqa: B006
    path = tmp_path / "c.toml"
    path.write_text(text)
    return db.load(str(path), environment)


def load_meta(tmp_path: pathlib.Path, text: str, environment: Dict[str, str] = {}) -> meta.Config:  # noqa: B006
    path = tmp_path / "c.toml"
    path.write_text(text)
    return meta.load(str(path), environment)


def test_meta_environment_wins_over_the_file_over_the_default(tmp_path: pathlib.Path) -> None:
    config = load_meta(tmp_path, 'default-cluster-node-count = 3\naddr = "192.0.2.1"\n', {"DEFAULT_CLUSTER_NODE_COUNT": "4"})
    assert (config["default-cluster-node-count"], config["addr"], config["default-cluster-shard-total"]) == (4, "192.0.2.1", 8)


def test_meta_ignores_unknown_keys_and_reads_tables(tmp_path: pathlib.Path) -> None:
    config = load_meta(tmp_path, 'default-http-port = 1\n[log]\nlevel = "debug"\n[nonsense]\nx = 1\n')
    assert config["http-port"] == 8080 and config["log.level"] == "debug"


@pytest.mark.parametrize(
    ("text", "environment"), [("http-port = 'x'\n", {}), ("a = \n", {}), ("", {"HTTP_PORT": "x"}), ("", {"ENABLE_SCHEDULE": "y"})]
)
def test_meta_refuses(tmp_path: pathlib.Path, text: str, environment: Dict[str, str]) -> None:
    with pytest.raises(meta.ConfigError):
        load_meta(tmp_path, text, environment)


def test_db_node_name(tmp_path: pathlib.Path) -> None:
    assert load_db(tmp_path, DB).node_name == "192.0.2.1:8831"
    assert load_db(tmp_path, DB, {"HORAEDB_SERVER_ADDR": "192.0.2.2"}).node_name == "192.0.2.2:8831"


def test_db_environment_counts_only_with_meta(tmp_path: pathlib.Path) -> None:
    environment = {"HORAEMETA_SERVER_ADDR": "http://192.0.2.8:1", "ETCD_ADDRS": "a:1,b:2", "CLUSTER_NAME": "other"}
    config = load_db(tmp_path, DB, environment)
    assert config["cluster_deployment.meta_client.meta_addr"] == "http://192.0.2.8:1"
    assert config["cluster_deployment.etcd_client.server_addrs"] == ["a:1", "b:2"]
    assert config["cluster_deployment.meta_client.cluster_name"] == "other"
    assert not load_db(tmp_path, '[cluster_deployment]\nmode = "NoMeta"\n', environment).with_meta


def test_db_ignores_typos_below_the_root_and_keeps_the_default(tmp_path: pathlib.Path) -> None:
    config = load_db(tmp_path, DB + "[server]\nhttp_prot = 1\n[server.forwrad]\nx = 1\n")
    assert config["server.http_port"] == 5440 and "forwrad" not in config["server"]


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ("[cluster_delpoyment]\n", "unknown field `cluster_delpoyment`"),
        ('[server.forward]\nconnect_timeout = "3"\n', "duration"),
        ("[server.forward]\nconnect_timeout = 3\n", "duration"),
        ('[server.forward]\nconnect_timeout = "3S"\n', "duration"),
        ('[server]\nhttp_max_body_size = "1g"\n', "size"),
        ('[server]\nhttp_port = "5440"\n', "invalid type"),
        ("[server.auth]\nenable = true\n", "missing field `auth_type`"),
        ('[analytic.storage.object_store]\ntype = "s3"\n', "unknown variant `s3`"),
        ('[analytic.storage.object_store]\ntype = "Local"\n', "missing field `data_dir`"),
        ("[analytic.storage.object_store]\nmax_retries = 1\n", "missing field `type`"),
    ],
)
def test_db_refuses(tmp_path: pathlib.Path, addition: str, words: str) -> None:
    with pytest.raises(db.ConfigError, match=words):
        load_db(tmp_path, DB + addition)


def test_db_an_error_prints_the_whole_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(db.ConfigError, match="key_secret"):
        load_db(tmp_path, DB + S3 + "[unknown]\n")


def test_db_rocksdb_with_a_key_beside_it_is_no_configuration(tmp_path: pathlib.Path) -> None:
    assert load_db(tmp_path, '[analytic.wal]\ntype = "RocksDB"\n')["analytic.wal.type"] == "RocksDB"
    with pytest.raises(db.ConfigError, match="invalid type: map, expected unit struct RocksDBStorageConfig"):
        load_db(tmp_path, '[analytic.wal]\ntype = "RocksDB"\ndata_dir = "/d"\n')


def test_db_dump_is_toml_with_the_secrets_in_it(tmp_path: pathlib.Path) -> None:
    dumped = tomllib.loads(load_db(tmp_path, DB + S3).dump())
    assert dumped["analytic"]["storage"]["object_store"]["key_secret"] == "s"
    assert dumped["cluster_deployment"]["etcd_client"]["shard_lock_lease_ttl_sec"] == 30


@pytest.mark.parametrize(("text", "expected"), [("3s", 3), ("1h30m", 5400), ("200ms", 0.2), ("1d", 86400), ("2m5s10ms", 125.01)])
def test_durations(text: str, expected: float) -> None:
    assert units.DURATION.fullmatch(text)
    assert units.seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "3", "s", "3s1h", "1.5s", "3 s"])
def test_bad_durations(text: str) -> None:
    assert not units.DURATION.fullmatch(text)


def test_about_eight_percent_of_stops_race() -> None:
    raced = sum(races_at_shutdown(str(seed)) for seed in range(2000)) / 2000
    assert raced == pytest.approx(SHUTDOWN_RACE, abs=0.02)
    assert races_at_shutdown("7") == races_at_shutdown("7")

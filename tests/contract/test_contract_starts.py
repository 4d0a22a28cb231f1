"""Exit codes, and what a start tells everybody."""

from __future__ import annotations

from typing import Any

import pytest
from harness.cluster import Binaries
from stories.starts import SECRET, data_nodes, members
from stories.telling import told_by


@pytest.mark.parametrize(
    "case", ["missing file", "malformed", "unknown root table", "bad duration", "bad enum", "no type", "RocksDB with a key"]
)
@told_by(data_nodes)
def test_a_bad_configuration_is_101(told: Any, case: str) -> None:
    assert told[case].code == 101, told[case]
    assert "Failed to parse config." in told[case].err or case == "missing file"


@told_by(data_nodes)
def test_a_parse_error_prints_the_whole_file(told: Any) -> None:
    assert SECRET in told["malformed"].err


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("no wal", "RocksDB WAL not bundled!"),
        ("RocksDB", "RocksDB WAL not bundled!"),
        ("no cluster name", "cluster_name"),
        ("unknown cluster", "Fail to create default schema"),
        ("cluster name by environment", "Fail to create default schema"),
        ("no scheme in meta_addr", ""),
        ("meta away", "refused"),
        ("port in use", "in use"),
        ("bind address by name", "bind_addr"),
        ("data dir not writable", ""),
    ],
)
@told_by(data_nodes)
def test_a_start_that_can_not_go_on_panics(told: Any, case: str, words: str) -> None:
    assert told[case].code == 1, told[case]
    assert words in told[case].out + told[case].err
    assert told[case].seconds < 10


@told_by(data_nodes)
def test_an_unknown_flag_is_2(told: Any) -> None:
    assert told["unknown flag"].code == 2


@told_by(data_nodes)
def test_a_typo_below_the_root_is_ignored(told: Any) -> None:
    assert told["typo below the root"]


@told_by(data_nodes)
def test_the_whole_configuration_is_printed_twice(told: Any) -> None:
    """As Rust writes its values for debugging, once on one line and once on many; secrets are in them."""
    assert told["log of a good start"].count("config:Config {") == 2
    assert "[cluster_deployment.etcd_client.tls]" in told["effective config"]


@told_by(data_nodes)
def test_sigterm_ends_a_node_at_once(told: Any) -> None:
    code, seconds = told["SIGTERM"]
    assert code in (0, 1) and seconds < 2


@pytest.mark.parametrize("case", ["missing file", "malformed"])
@told_by(members)
def test_a_member_without_a_good_file_is_2(told: Any, case: str) -> None:
    assert told[case].code == 2, told[case]


@told_by(members)
def test_an_unknown_topology_type_is_0(told: Any) -> None:
    assert told["topology type"].code == 0
    assert "statik" in told["topology type"].out + told["topology type"].err


@told_by(members)
def test_the_environment_wins_over_the_file_and_unknown_keys_pass(told: Any) -> None:
    assert told["name"] == "m1"


@told_by(members)
def test_a_member_logs_its_whole_configuration(told: Any) -> None:
    assert "default-cluster-shard-total" in told["log"]


@pytest.mark.unrecorded("real ones aren't simulators")
@told_by(members)
def test_the_simulator_announces_itself(told: Any, binaries: Binaries) -> None:
    """A real one has no such page."""
    if binaries.real:
        assert told["announcement"].status == 404
    else:
        assert told["announcement"].body["simulator"] is True
        assert "simulator" in told["version"].err and "simulator" in told["log"]

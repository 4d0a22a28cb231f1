"""The two configuration files: what the model says, under what the operator sets."""

from __future__ import annotations

import copy
import json
import pathlib
from typing import Any

import pytest
import tomli_w
import tomllib
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render.daemon_config import horaedb_config, horaemeta_config, merge
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.model_inventory import REMOTE, Case, good

GOLDEN = pathlib.Path(__file__).parent / "golden"

# What a TOML writer could stumble over.
texts = st.text(alphabet="ab.-_ '\"\\\n\t\x00\x7f#=[]{}é\u2028\U0001f600", max_size=12)
scalars = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), texts)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4), max_leaves=12)
trees = st.dictionaries(
    st.sampled_from("abcd"), st.recursive(scalars, lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)), max_size=4
)
overs = st.dictionaries(
    st.sampled_from("abcd"),
    st.recursive(st.none() | scalars, lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=3)),
    max_size=4,
)


def leaves(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(tree, dict):
        return {path: tree}
    return {key: value for name, below in tree.items() for key, value in leaves(below, (*path, name)).items()}


@given(trees, overs)
def test_merge(base: dict[str, Any], over: dict[str, Any]) -> None:
    before = copy.deepcopy((base, over))
    merged = merge(base, over)
    assert (base, over) == before
    for path, value in leaves(over).items():
        if value is None:
            assert path not in leaves(merged)
        else:
            assert leaves(merged)[path] == value
    touched = list(leaves(over))
    for path, value in leaves(base).items():
        if not any(path[: len(other)] == other[: len(path)] for other in touched):
            assert leaves(merged)[path] == value
    assert merge(merged, over) == merged


@given(trees)
def test_merge_with_nothing(base: dict[str, Any]) -> None:
    assert merge(base, None) == merge(base, {}) == merge({}, base) == merge(base, base) == base


@given(st.dictionaries(texts, values, max_size=5))
def test_any_tree_is_read_back_from_toml_as_it_was(tree: dict[str, Any]) -> None:
    assert tomllib.loads(tomli_w.dumps(tree)) == tree


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("horaemeta-meta2.toml", horaemeta_config(good(), "meta2")),
        ("horaedb-db3.toml", horaedb_config(good(), "db3")),
        ("horaedb-dynamic.toml", horaedb_config(Case("", {}, nodes={"*": REMOTE}).built().topology, "db1", None, *REMOTE.values())),
    ],
)
def test_golden(name: str, tree: dict[str, Any]) -> None:
    """A changed file restarts every process of every cluster at the next run: it has to be meant."""
    assert tomli_w.dumps(tree) == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("make", [horaemeta_config, horaedb_config])
def test_a_host_of_the_other_side(make: Any) -> None:
    host = "db1" if make is horaemeta_config else "meta1"
    with pytest.raises(ValueError, match=host):
        make(good(), host)


def test_no_default_of_upstream_that_is_wrong_everywhere_is_left_in_force() -> None:
    meta, node = horaemeta_config(good(), "meta1"), horaedb_config(good(), "db1")
    assert {"data-dir", "default-cluster-node-count", "advertise-client-urls", "advertise-peer-urls", "node-name", "addr"} <= set(meta)
    assert node["analytic"]["wal"]["type"] == "Local"
    assert node["cluster_deployment"]["mode"] == "WithMeta"
    assert "/tmp" not in json.dumps([meta, node])
    assert node["cluster_deployment"]["etcd_client"]["root_path"] == meta["storage-root-path"]
    assert node["cluster_deployment"]["meta_client"]["cluster_name"] == meta["default-cluster-name"]


def test_what_the_operator_sets_is_what_the_file_says() -> None:
    """Through the model (which judges it) and into the file: the same value, once."""
    settings = {
        "server": {"http_port": 6440, "auto_create_table": False},
        "cluster_deployment": {"meta_client": {"lease": "2s"}, "etcd_client": {"enable_shard_lock_fast_reacquire": None}},
        "logger": {"level": "debug"},
    }
    topology = Case("", {}, nodes={"db1": {"horaedb_settings": settings}}).built().topology
    tree = horaedb_config(topology, "db1", settings)
    assert topology.nodes[0].http_port == tree["server"]["http_port"] == 6440
    assert topology.nodes[0].lease == tree["cluster_deployment"]["meta_client"]["lease"] == "2s"
    assert tree["server"]["auto_create_table"] is False
    assert tree["logger"] == {"level": "debug"}
    assert "enable_shard_lock_fast_reacquire" not in tree["cluster_deployment"]["etcd_client"]
    assert tree["server"]["grpc_port"] == 8831


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "Local"}, {"type": "Local", "data_dir": "/var/lib/horaedb"}),
        ({"type": "RocksDB"}, {"type": "RocksDB", "data_dir": "/var/lib/horaedb"}),
        ({"type": "Local", "data_dir": "/fast/wal", "cache_size": 5}, {"type": "Local", "data_dir": "/fast/wal", "cache_size": 5}),
        (REMOTE["horaedb_wal"], REMOTE["horaedb_wal"]),
        ({}, {"type": "Local", "data_dir": "/var/lib/horaedb"}),
    ],
)
def test_the_wal_table(value: dict[str, Any], expected: dict[str, Any]) -> None:
    assert horaedb_config(good(), "db1", None, None, value)["analytic"]["wal"] == expected

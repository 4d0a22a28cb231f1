"""Trees made out of the schemas themselves: what is accepted renders and is read back, and one change makes it refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import tomllib
from ansible_collections.horaedb.cluster.plugins.filter.cluster import to_toml
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import rules, values
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.check import UNKNOWN, UNUSED, UNWISE, VALUE, SettingProblem
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.keys import Key, Node, Table, load
from hypothesis import given
from hypothesis import strategies as st

DAEMONS = ("horaedb", "horaemeta")
FEATURES = ("wal-rocksdb",)
# What the rules between keys would refuse; they have a table of their own.
FIXED: dict[str, Any] = {
    "enable": False,
    "shard_lock_lease_check_interval": "200ms",
    "etcd-ca-cert-path": "",
    "etcd-key-path": "",
    "etcd-cert-path": "",
}

texts = st.text(alphabet="ab.-_ '\"\\\n\t#=[]{}é\u2028\U0001f600", max_size=8)
filled = texts.filter(lambda text: bool(text.strip()))
durations = st.sampled_from(["0s", "200ms", "3s", "1h30m", "1d2h3m4s5ms", "90m"])
ports = st.integers(1, 65535)
urls = ports.map(lambda port: "http://db.example.com:%d" % port)


def value_of(key: Key) -> st.SearchStrategy[Any]:
    if key.name in FIXED:
        return st.just(FIXED[key.name])
    low = 0 if key.min is None else int(key.min)
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "text": filled if key.filled else texts,
        "bool": st.booleans(),
        "uint": st.integers(low, int(min(key.max or 2**63 - 1, 2**63 - 1))),
        "int": st.integers(low, 2**63 - 1),
        "u32": st.integers(low, 2**32 - 1),
        "port": ports,
        "float": st.floats(low, key.max or 1e9),
        "duration": durations,
        "size": st.sampled_from([0, 1, 4096, "64MiB", "1K", "2GB", "3T"]),
        "choice": st.sampled_from(key.choices or ("",)),
        "texts": st.lists(filled, min_size=1, max_size=3),
        "u32s": st.lists(st.integers(0, 9), max_size=3),
        "ipv4": st.sampled_from(["0.0.0.0", "192.0.2.1"]),
        "address": st.sampled_from(["192.0.2.1", "db-1.example.com"]),
        "meta_url": urls,
        "urls": st.lists(urls, min_size=1, max_size=2).map(",".join),
        "root_path": texts.map(lambda text: "/" + text),
        "any": st.one_of(texts, st.integers(0, 9), st.lists(texts, max_size=2)),
    }
    return kinds[key.type]


def tree_of(table: Table) -> st.SearchStrategy[dict[str, Any]]:
    if table.variants:
        return st.sampled_from(sorted(table.variants)).flatmap(
            lambda kind: tree_of(table.variants[kind]).map(lambda tree: {table.variant: kind, **tree})
        )
    needed = {name: node_of(node) for name, node in table.keys.items() if node.required or table.complete}
    return st.fixed_dictionaries(needed, optional={name: node_of(node) for name, node in table.keys.items() if name not in needed})


def node_of(node: Node) -> st.SearchStrategy[Any]:
    if isinstance(node, Key):
        return value_of(node)
    if node.texts:
        return st.one_of(st.sampled_from(node.texts), st.sampled_from(sorted(node.keys)).map(lambda name: {name: {"whatever": 1}}))
    return st.lists(tree_of(Table(node.name, node.keys)), max_size=2) if node.array else tree_of(node)


trees = st.sampled_from(DAEMONS).flatmap(lambda daemon: tree_of(load(daemon, "2.1.0").root).map(lambda tree: (daemon, tree)))


def refused(daemon: str, tree: dict[str, Any]) -> list[SettingProblem]:
    found = rules.problems(load(daemon, "2.1.0"), tree, features=FEATURES)
    return [problem for problem in found if problem.kind not in (UNUSED, UNWISE)]


def places(table: Table, tree: dict[str, Any], path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Table | Key]]:
    """Every table that knows all of its keys, and every key, with the paths that they have in this tree."""
    if not table.open:
        yield path, table
    keys = {**table.keys, **(table.variants[tree[table.variant]].keys if table.variants else {})}
    for name, value in tree.items():
        node = keys.get(name)
        if isinstance(node, Key):
            yield (*path, name), node
        elif isinstance(node, Table) and node.array:
            for index, entry in enumerate(value):
                yield from places(Table(name, node.keys), entry, (*path, name, index))
        elif isinstance(node, Table) and not node.texts:
            yield from places(node, value, (*path, name))


def with_value(tree: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(tree)
    inner: Any = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


@given(trees)
def test_what_the_schema_accepts_renders_and_is_read_back_as_it_was(made: tuple[str, dict[str, Any]]) -> None:
    daemon, tree = made
    assert refused(daemon, tree) == []
    assert tomllib.loads(to_toml(tree)) == tree


@given(trees, st.data(), st.sampled_from(["zzz", "Type", "key-secret", "data_dirr", "", "a.b", " "]))
def test_one_unknown_key_anywhere_is_refused(made: tuple[str, dict[str, Any]], data: st.DataObject, name: str) -> None:
    daemon, tree = made
    tables = [path for path, node in places(load(daemon, "2.1.0").root, tree) if isinstance(node, Table)]
    path = (*data.draw(st.sampled_from(tables)), name)
    [problem] = refused(daemon, with_value(tree, path, "canary"))
    assert (problem.path, problem.kind) == (path, UNKNOWN)
    assert "canary" not in problem.what + problem.remedy


@given(trees, st.data())
def test_one_value_of_another_type_is_refused(made: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    daemon, tree = made
    keys = [(path, node) for path, node in places(load(daemon, "2.1.0").root, tree) if isinstance(node, Key) and node.type != "any"]
    if not keys:
        return
    path, key = data.draw(st.sampled_from(keys))
    wrong = data.draw(
        st.sampled_from([value for value in (-1.5, {"a": "canary"}, [[]], True, "no such thing") if not values.fits(key, value)])
    )
    found = refused(daemon, with_value(tree, path, wrong))
    assert [(problem.path, problem.kind) for problem in found if problem.path == path] == [(path, VALUE)]
    assert "canary" not in str(found)


@pytest.mark.parametrize("kinds", [("S3", "Kafka", "WithMeta"), ("Aliyun", "Obkv", "NoMeta"), ("Local", "RocksDB", "WithMeta")], ids=str)
def test_every_required_key_is_missed(kinds: tuple[str, ...]) -> None:
    """Each one taken out of a smallest tree that is accepted."""
    root = load("horaedb", "2.1.0").root
    tree = smallest(root, kinds)
    assert refused("horaedb", tree) == []
    required = [path for path, node in places(root, tree) if isinstance(node, Key) and node.required]
    assert len(required) >= 5
    for path in required:
        assert [problem.path for problem in refused("horaedb", without(tree, path))] == [path]


LEAST = {
    "meta_url": "http://db.example.com:1",
    "texts": ["a"],
    "bool": True,
    "duration": "1s",
    "size": 1,
    "uint": 1,
    "u32": 1,
    "port": 1,
    "text": "a",
}


def smallest(table: Table, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Every table, with its required keys only."""
    made: dict[str, Any] = {}
    keys = dict(table.keys)
    if table.variants:
        kind = [name for name in kinds if name in table.variants][-1]
        keys, made = dict(table.variants[kind].keys), {table.variant: kind}
    for name, node in keys.items():
        if isinstance(node, Table) and not node.texts and not node.array:
            made[name] = smallest(node, kinds)
        elif isinstance(node, Key) and (node.required or table.complete):
            made[name] = LEAST.get(node.type) or node.choices[0]
    return made


def without(tree: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    changed = copy.deepcopy(tree)
    inner: Any = changed
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return changed

"""The data say what is known of the daemons: no key more, no key less, each with its default."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
import tomllib
import yaml
from ansible_collections.horaedb.cluster.plugins.module_utils.common.units import seconds, size
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.cluster_model import build
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import MEMBER_ROLES, NODE_ROLES
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import settings_rules
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render.daemon_config import horaedb_config, horaemeta_config
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import keys as schema_keys
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import rules, values
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.check import pick
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.keys import UNSET, Key, Table, load
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.variables import DERIVED
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.guarded import judged
from tests.unit.helpers.model_inventory import MEMBERS, NODES, good, with_defaults
from tests.unit.plugin_utils.schema import known_defaults

ROOT = pathlib.Path(__file__).resolve().parents[4]
DAEMONS = ("horaedb", "horaemeta")


def nodes(table: Table, prefix: str = "") -> Iterator[tuple[str, Key | Table]]:
    """As the known defaults are written: variants in brackets, and a variant's tag as its first key."""
    for kind, variant in table.variants.items():
        yield from nodes(Table("", {table.variant: table.keys[table.variant], **variant.keys}), "%s(%s)." % (prefix.rstrip("."), kind))
    for node in table.keys.values() if not table.variants else ():
        yield prefix + node.name, node
        if isinstance(node, Table) and not node.texts:
            yield from nodes(node, prefix + node.name + ("[]." if node.array else "."))


def default(node: Key | Table) -> str | None:
    if node.required:
        return known_defaults.REQUIRED if isinstance(node, Key) else None
    if node.default is UNSET:
        return known_defaults.UNSET if isinstance(node, Key) else None
    text = node.default if isinstance(node.default, str) else json.dumps(node.default)
    return text.replace('"', "") if isinstance(node.default, list) else text


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_key_and_its_default_are_the_known_ones(daemon: str) -> None:
    told = {path: value for path, node in nodes(load(daemon, "2.1.0").root) if (value := default(node)) is not None}
    assert told == known_defaults.flat(getattr(known_defaults, daemon.upper()))


def test_defaults_that_no_daemon_can_use_are_known_too() -> None:
    """They are no way to leave the key out, so it is required."""
    paths = load("horaedb", "2.1.0").paths
    client = "cluster_deployment.meta_client."
    assert (paths[client + "meta_addr"].default, paths[client + "cluster_name"].default) == ("127.0.0.1:8080", "")


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_variable_of_the_environment_is_the_known_one(daemon: str) -> None:
    schema = load(daemon, "2.1.0")
    told = {path: key.env for path, key in schema.paths.items() if isinstance(key, Key) and key.env}
    if daemon == "horaedb":
        assert told == known_defaults.HORAEDB_ENVIRONMENT
    else:
        keys = [path for path, node in schema.paths.items() if isinstance(node, Key) and path not in known_defaults.NO_ENVIRONMENT]
        assert told == {path: known_defaults.HORAEMETA_ENVIRONMENT.get(path, path.upper().replace("-", "_")) for path in keys}
    assert {name: key.default for name, key in load("horaedb", "2.1.0").environment.items() if key.default is not UNSET} == {
        "HORAEDB_DEFAULT_CATALOG": "horaedb",
        "HORAEDB_MAX_INPUT_SSTABLE_SIZE": "1200MB",
        "HORAEDB_COMPACT_PICK_BY_SEQ": "true",
    }


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_key_says_what_it_is_and_takes_its_own_default(daemon: str) -> None:
    # Upstream's own defaults that no daemon can use.
    unusable = {"meta_addr", "cluster_name"}
    for path, node in load(daemon, "2.1.0").paths.items():
        assert node.doc.endswith("."), path
        assert node.danger in (schema_keys.RESTART, schema_keys.CREATION, schema_keys.NEVER), path
        if isinstance(node, Key):
            assert values.wanted(node)
            assert node.default is UNSET or node.name in unusable or values.fits(node, node.default), path


def test_secrets_are_named() -> None:
    secret = {path.rpartition(".")[2] for path, node in load("horaedb", "2.1.0").paths.items() if isinstance(node, Key) and node.secret}
    assert secret == {"key_id", "key_secret", "password", "sys_password"}


def test_tables_that_are_not_known_in_full_say_so_and_why() -> None:
    named = {path: node.open for path, node in load("horaedb", "2.1.0").paths.items() if isinstance(node, Table) and node.open}
    assert set(named) == {
        "analytic.wal.obkv.client",
        "analytic.table_opts.compaction_strategy.TimeWindow",
        "analytic.table_opts.compaction_strategy.SizeTiered",
    }
    assert all(reason.endswith(".") for reason in named.values())


def test_what_the_real_daemon_printed_of_itself_has_no_problem() -> None:
    captures = json.loads((ROOT / "tests" / "captures" / "horaedb-2.1.0.json").read_text(encoding="utf-8"))
    [printed] = [tomllib.loads(one["body"]) for one in captures if one["request"]["path"] == "/debug/config"]
    assert len(printed) > 7
    assert rules.problems(load("horaedb", "2.1.0"), printed) == []


def test_what_the_collection_writes_has_no_problem_and_a_variable_each() -> None:
    for daemon, tree in (("horaemeta", horaemeta_config(good(), "meta1")), ("horaedb", horaedb_config(good(), "db1"))):
        assert rules.problems(load(daemon, "2.1.0"), tree) == []
        written = set(_paths(tree))
        tables = {"analytic.wal", "analytic.storage.object_store"}
        assert written == set(DERIVED[daemon]) - tables | {path + ".type" for path in tables if daemon == "horaedb"}


def _paths(tree: Any, prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _paths(value, prefix + name + ".")
        else:
            yield prefix + name


@pytest.mark.parametrize("inventory", ["standalone", "cluster", "dynamic", "lab"])
def test_the_inventories_have_no_finding(inventory: str) -> None:
    [file] = (ROOT / "inventories" / inventory / "group_vars").glob("*.yml")
    variables = yaml.safe_load(file.read_text(encoding="utf-8"))
    count = variables["horaemeta_default_cluster_node_count"]
    few = ({name: {} for name in list(MEMBERS)[:count]}, {name: {} for name in list(NODES)[:count]})
    start = tuple({name: {**all_[name], **variables} for name in some} for some, all_ in zip(few, (MEMBERS, NODES), strict=True))
    assert [finding.sentence() for finding in judged(start=start)] == []


def test_a_hundred_hosts_cost_less_than_a_third_of_a_second() -> None:
    """The data read anew, in time of this process: preflight runs in every playbook."""
    settings = {"logger": {"level": "warn"}, "server": {"timeout": "3s", "hotspot": {"query_cap": 1}}}
    hosts = {"db%d" % n: {"ansible_host": "192.0.2.%d" % n, "horaedb_settings": settings} for n in range(1, 101)}
    of_members, of_nodes = with_defaults(MEMBERS, {}, MEMBER_ROLES), with_defaults(hosts, {}, NODE_ROLES)
    built = build(of_members, of_nodes)
    load.cache_clear()
    started = time.process_time()
    assert settings_rules.problems(built, of_members, of_nodes, []) == []
    assert time.process_time() - started < 0.3


@pytest.mark.parametrize(
    ("asked", "taken"),
    [("2.1.0", "2.1.0"), ("2.1", "2.1.0"), ("2.1.7", "2.1.0"), ("3.0", "2.1.0"), ("1.2.0", "2.1.0"), ("10.0.0", "2.1.0")],
)
def test_the_nearest_lower_version_is_taken(asked: str, taken: str) -> None:
    assert pick("horaedb", asked).version == taken


def test_a_later_version_is_data(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file with the differences, and no code."""
    for file in schema_keys.SCHEMAS.glob("*.yml"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    changes = {
        "extends": "2.1.0",
        "version": "2.2.0",
        "keys": {
            "node": {"keys": {"rack": {"type": "text", "doc": "Rack."}, "idc": None}},
            "runtime": {"keys": {"io_thread_num": {"default": 6}}},
        },
    }
    (tmp_path / "horaedb-2.2.0.yml").write_text(yaml.safe_dump(changes), encoding="utf-8")
    monkeypatch.setattr(schema_keys, "SCHEMAS", tmp_path)
    load.cache_clear()
    try:
        assert pick("horaedb", "2.1.9").version == "2.1.0"
        later = pick("horaedb", "2.2.0")
        assert (later.name, later.paths["runtime.io_thread_num"].default) == ("HoraeDB 2.2.0", 6)
        tree = {"node": {"rack": "a", "idc": "b"}, "analytic": {"wal": {"type": "Local"}}}
        assert [problem.path for problem in rules.problems(later, tree)] == [("node", "idc")]
        assert [problem.path for problem in rules.problems(pick("horaedb", "2.1.0"), tree)] == [("node", "rack")]
    finally:
        load.cache_clear()


def test_every_rule_between_keys_is_asked_for() -> None:
    assert {name for daemon in DAEMONS for name in load(daemon, "2.1.0").rules} == set(rules.RULES)


parts = st.fixed_dictionaries({}, optional={unit: st.integers(0, 999) for unit in ("d", "h", "m", "s", "ms")})


@given(parts.filter(bool))
def test_durations_are_read_as_they_are_written(numbers: dict[str, int]) -> None:
    ordered = {unit: numbers[unit] for unit in ("d", "h", "m", "s", "ms") if unit in numbers}
    total = sum(count * {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}[unit] for unit, count in ordered.items())
    assert seconds("".join("%d%s" % (count, unit) for unit, count in ordered.items())) == pytest.approx(total)
    if len(ordered) > 1:
        with pytest.raises(ValueError, match="duration"):
            seconds("".join("%d%s" % (count, unit) for unit, count in reversed(ordered.items())))


@given(st.integers(0, 2**20), st.sampled_from("KMGTP"), st.sampled_from(["", "B", "iB"]))
def test_sizes_are_read_as_they_are_written(count: int, letter: str, rest: str) -> None:
    assert size("%d%s%s" % (count, letter, rest)) == count * 1024 ** ("KMGTP".index(letter) + 1)
    assert size("%dB" % count) == size(count) == count
    for wrong in ("%d%s%s" % (count, letter.lower(), rest), "%d %s" % (count, letter), "%s%d" % (letter, count), "-1K", "", "1KiB\n", "١K"):
        with pytest.raises(ValueError, match="size"):
            size(wrong)

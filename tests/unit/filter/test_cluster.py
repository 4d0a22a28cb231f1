"""The filters as a template sees them: values of every sort in, a file or a sentence out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import tomllib
from ansible.errors import AnsibleFilterError
from ansible_collections.horaedb.cluster.plugins.filter import cluster
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render import daemon_config

from tests.unit.helpers.model_inventory import good

FILTERS = cluster.FilterModule().filters()
UNIT = {"description": "d", "user": "u", "group": "g", "command": "c"}


class Lazy(Mapping[str, Any]):
    """A mapping that is no dict, as Ansible's own are."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Tagged(str):
    """A text that carries where it came from."""


def test_to_toml_writes_plain_types() -> None:
    tree = Lazy({"a": Tagged("x"), "t": Lazy({"n": 1, "on": True, "list": (1, 2)})})
    assert tomllib.loads(FILTERS["to_toml"](tree)) == {"a": "x", "t": {"n": 1, "on": True, "list": [1, 2]}}


@pytest.mark.parametrize("value", [None, [None], {"a": None}, object()])
def test_to_toml_refuses_what_toml_does_not_know(value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="to_toml: .*TOML knows"):
        FILTERS["to_toml"]({"a": value})


def test_to_toml_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "tomli_w", None)
    with pytest.raises(AnsibleFilterError, match="pip install tomli-w"):
        FILTERS["to_toml"]({})


def test_configs_come_from_the_dict_that_travelled() -> None:
    travelled = Lazy(good().to_dict())
    over = {"logger": {"level": "debug"}}
    assert FILTERS["horaemeta_config"](travelled, "meta1") == daemon_config.horaemeta_config(good(), "meta1")
    assert FILTERS["horaedb_config"](travelled, "db1", over) == daemon_config.horaedb_config(good(), "db1", over)


@pytest.mark.parametrize(
    ("name", "topology", "host", "words"),
    [
        ("horaemeta_config", good().to_dict(), "db1", "horaemeta_config: db1 is not a HoraeMeta member"),
        ("horaedb_config", good().to_dict(), "meta1", "horaedb_config: meta1 is not a HoraeDB data node"),
        ("horaedb_config", {}, "db1", "horaedb_config: "),
    ],
)
def test_configs_refuse_in_a_sentence(name: str, topology: Any, host: str, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        FILTERS[name](topology, host)


def test_service_unit_takes_texts_for_numbers_and_booleans() -> None:
    """As `-e horaedb_stop_timeout=60 -e horaedb_private_users=false` gives them."""
    unit = FILTERS["service_unit"]({**UNIT, "stop_timeout": "60", "limit_nofile": "1000", "private_users": "false"})
    assert {"TimeoutStopSec=60", "LimitNOFILE=1000", "PrivateUsers=no"} <= set(unit.splitlines())


@pytest.mark.parametrize(
    "change", [{"stop_timeout": "soon"}, {"limit_nofile": None}, {"private_users": "maybe"}, {"unknown": 1}, {"user": None, "extra": 5}]
)
def test_service_unit_refuses_in_a_sentence(change: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match="service_unit: "):
        FILTERS["service_unit"]({**UNIT, **change})


def test_host_files() -> None:
    spec = {"name": "n", "user": "u", "data_dirs": (Tagged("/d"),), "log_dir": "/l"}
    assert [file["path"] for file in FILTERS["host_files"](Lazy(spec))] == [
        "/etc/sysusers.d/n.conf",
        "/etc/tmpfiles.d/n.conf",
        "/etc/logrotate.d/n",
    ]
    with pytest.raises(AnsibleFilterError, match="host_files: "):
        FILTERS["host_files"]({"name": "n"})


def hostvars(leader: str | None, **results: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What site.yml has registered when it comes to the roll: preflight's answer on every host, the daemons' where they ran."""
    return {host: {"preflight_result": {"leader": leader}, **registered} for host, registered in results.items()}


@pytest.mark.parametrize(
    ("leader", "stale", "order"),
    [
        ("meta1", ["meta1", "meta2", "meta3"], ["meta2", "meta3", "meta1"]),
        ("meta3", ["meta1", "meta2", "meta3"], ["meta1", "meta2", "meta3"]),
        ("meta2", ["meta1", "meta2"], ["meta1", "meta2"]),
        ("meta1", ["meta3"], ["meta3"]),
        (None, ["meta1", "meta2"], ["meta1", "meta2"]),
        ("meta1", [], []),
    ],
)
def test_roll_order_is_the_stale_ones_leader_last(leader: str | None, stale: list[str], order: list[str]) -> None:
    hosts = ["meta1", "meta2", "meta3"]
    values = hostvars(leader, **{host: {"horaemeta_result": {"stale": host in stale}} for host in hosts})
    assert FILTERS["roll_order"](hosts, values, ["horaemeta_result"]) == order


def test_roll_order_rolls_a_host_once_for_several_daemons_and_never_one_that_was_not_reached() -> None:
    values = hostvars(
        "meta1",
        db1={"horaedb_result": {"stale": False}, "meta_proxy_result": {"stale": True}},
        db2={"horaedb_result": {"stale": True}, "meta_proxy_result": {"stale": True}},
        db3={"horaedb_result": {"stale": False}, "meta_proxy_result": {"skipped": True}},
        db4={},
    )
    assert FILTERS["roll_order"](list(values), values, ["horaedb_result", "meta_proxy_result"]) == ["db1", "db2"]


def test_roll_order_without_a_guard() -> None:
    values = {"db1": {"horaedb_result": {"stale": True}}}
    assert FILTERS["roll_order"](["db1"], values, ["horaedb_result"]) == ["db1"]


def test_roll_order_of_all_begins_with_what_an_interrupted_run_left_down() -> None:
    """Breaks when a second member is stopped while the first is still down, or a restart leaves a host out that isn't stale."""
    values = {host: {"preflight_result": {"leader": "meta2", "down": ["meta3"]}} for host in ("meta1", "meta2", "meta3")}
    assert FILTERS["roll_order"](list(values), values, ["horaemeta_result"], True) == ["meta3", "meta1", "meta2"]
    assert FILTERS["roll_order"](list(values), values, ["horaemeta_result"], "false") == []


def test_maintenance_takes_a_host_of_both_groups_once_with_the_data_nodes() -> None:
    """Breaks when a member's host is rebooted twice, or the leader's first."""
    groups = {"horaemeta": ["m1", "m2", "both"], "horaedb": ["both", "d1"]}
    values = {host: {"preflight_result": {"leader": "m1", "down": []}} for host in ("m1", "m2", "both", "d1")}
    assert FILTERS["maintenance_order"](groups, values) == ["m2", "m1", "both", "d1"]
    assert FILTERS["maintenance_order"](groups, values, "false") == ["both", "d1"]


def test_hosts_of_other_groups_are_put_into_ours() -> None:
    groups = {"tsdb_meta": ["m1"], "tsdb_data": ["d1", "d2"], "horaedb": ["d1"], "all": ["m1", "d1", "d2"]}
    wanted = FILTERS["hosts_of_other_groups"]
    assert wanted(groups, "horaemeta", "horaedb") == []
    assert wanted(groups, "tsdb_meta", "tsdb_data") == [{"host": "m1", "group": "horaemeta"}, {"host": "d2", "group": "horaedb"}]


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        ({"tsdb_data": ["d1"]}, "horaemeta_group is tsdb_meta, and no host is in a group of that name"),
        ({"tsdb_meta": ["m1"], "horaemeta": ["m1", "m9"]}, r"the group horaemeta has other hosts as well \(m9\)"),
    ],
)
def test_other_groups_that_cannot_be_meant_are_refused(groups: Mapping[str, list[str]], why: str) -> None:
    """Breaks when a misspelt group is a run about nothing, or another cluster's member is taken for this one's."""
    with pytest.raises(AnsibleFilterError, match=why):
        FILTERS["hosts_of_other_groups"](groups, "tsdb_meta", "horaedb")


def test_daemons_in_use_are_what_the_roles_registered() -> None:
    """Breaks when the journal lacks a daemon, or a host of which nothing is known stands there as empty."""
    old, new = {"version": "2.1.0", "generation": "a"}, {"version": "2.2.0", "generation": "b"}
    values = {
        "db1": {"horaedb_result": {"before": old, "after": new}, "meta_proxy_result": {"before": {}, "after": new}},
        "db2": {"horaedb_result": {"skipped": True}},
        "meta1": {"horaemeta_result": {"before": old, "after": old}, "shard_keeper_result": {"before": {}, "after": {}}},
        "other": {},
    }
    assert FILTERS["daemons_in_use"]([*values, "gone"], Lazy(values)) == {
        "before": {"db1": {"horaedb": old}, "meta1": {"horaemeta": old}},
        "after": {"db1": {"horaedb": new, "meta_proxy": new}, "meta1": {"horaemeta": old}},
    }


def test_failures_name_the_hosts_that_failed_and_all_where_one_was_not_reached() -> None:
    """Breaks when the recap blames hosts that are well, or a run goes on past a host that can't be reached."""
    values: dict[str, Any] = {"db1": {}, "db2": {"ansible_failed_result": {"msg": "it crashed"}}, "db3": {"ansible_failed_result": {"msg": "too"}}}
    assert FILTERS["failures"](list(values), values) == {"hosts": ["db2", "db3"], "message": "db2: it crashed"}
    assert FILTERS["failures"](["db1"], values) == {"hosts": ["db1"], "message": "a host can't be reached"}

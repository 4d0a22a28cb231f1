"""Names that look like ours: each misspelt one is told with what it should be, and nobody else's is touched."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import MemberSeen, Observation
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import inventory_rules, run_rules

from tests.unit.helpers.model_inventory import good

CLUSTER = {"horaemeta": "horaemeta", "horaedb": "horaedb"}
GROUPS = {"all": ["m1", "d1", "x"], "horaemeta": ["m1"], "horaedb": ["d1"]}


def of_variables(*names: str) -> list[tuple[str, str]]:
    found = inventory_rules.problems({"d1": names}, GROUPS, CLUSTER)
    assert {finding.rule for finding in found} <= {"inventory.variable"}
    return [(finding.what, finding.change) for finding in found]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("horaedb_porst", None),
        ("horeadb_data_dir", "horaedb_data_dir"),
        ("horaemeta_defaultcluster_node_count", "horaemeta_default_cluster_node_count"),
        ("horaedb_dowtime", "horaedb_downtime"),
        ("meta_proxy_prot", "meta_proxy_port"),
        ("horae_brake_lock", "horaedb_cluster_break_lock"),
        # As they were called before 0.5.0.
        ("horae_allow_downgrade", "horaedb_cluster_allow_downgrade"),
        ("horae_bundle", "horaedb_cluster_bundle"),
        ("horae_take_storage", "horaedb_cluster_take_storage"),
        ("hoaredb_binary", "horaedb_binary"),
        ("horaedb_object_stores", "horaedb_object_store"),
    ],
)
def test_a_misspelt_variable_is_told_with_the_nearest_one(name: str, meant: str | None) -> None:
    [(what, change)] = of_variables(name)
    assert what == "nothing reads the variable %s." % name
    assert change.startswith("Did you mean %s?" % meant if meant else "Did you mean horaedb_")


def test_a_variable_of_ones_own_is_told_which_names_are_free() -> None:
    [(_what, change)] = of_variables("horaedb_zzzzzzzzzzzzzzzzz")
    assert change == "A variable of your own needs a name that doesn't begin with horaedb_."


@pytest.mark.parametrize("name", ["horae", "my_horaedb_port", "hostname", "monitoring_horaedb", "horaedb_result", "site_name", "mysql_port", "HORAEDB_PORT", "shards"])
def test_others_variables_are_left_alone(name: str) -> None:
    assert of_variables(name) == []


def test_every_variable_of_ours_is_known() -> None:
    assert of_variables(*inventory_rules.known()) == []


@pytest.mark.parametrize("letters", ["exchanged", "lost"])
def test_every_small_mistake_is_seen(letters: str) -> None:
    """Breaks when ALIKE is set so high that a mistake in the part before the first underscore passes."""
    missed = []
    for name in sorted(inventory_rules.known()):
        for at in range(1, len(name) - 1):
            wrong = name[:at] + (name[at + 1] + name[at] + name[at + 2 :] if letters == "exchanged" else name[at + 1 :])
            if wrong not in inventory_rules.known() and not of_variables(wrong):
                missed.append(wrong)
    assert missed == []


def test_hosts_with_one_mistake_are_one_finding() -> None:
    [finding] = inventory_rules.problems({"d1": ["horaedb_porst"], "d2": ["horaedb_porst", "x"], "d3": []}, GROUPS, CLUSTER)
    assert finding.hosts == ("d1", "d2")


@pytest.mark.parametrize("name", ["horeadb", "horaedbs", "HoraeDB", "horae_db", "horaemetas", "horae_meta", "horadb"])
def test_a_misspelt_group_is_told_with_its_hosts(name: str) -> None:
    [finding] = inventory_rules.problems({}, {**GROUPS, name: ["x", "d1"]}, CLUSTER)
    assert (finding.rule, finding.hosts) == ("inventory.group", ("x",))
    assert "Did you mean horae" in finding.change and "_group=%s" % name in finding.change


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("horaedb_cluster", ["m1", "d1"]),
        ("horaedbs", ["d1"]),  # another name for hosts that are there
        ("horaedb_2", ["x"]),  # another cluster
        ("databases", ["x"]),
        ("horaedb_spare", ["x"]),
        ("horeadb", []),
    ],
)
def test_others_groups_are_left_alone(name: str, members: list[str]) -> None:
    assert inventory_rules.problems({}, {**GROUPS, name: members}, CLUSTER) == []


def test_a_group_that_the_inventory_names_otherwise() -> None:
    groups = {"tsdb_meta": ["m1"], "tsdb": ["d1"], "horaedb": ["x"]}
    assert inventory_rules.problems({}, groups, {"horaemeta": "tsdb_meta", "horaedb": "tsdb"}) == []


@pytest.mark.parametrize(("name", "refused"), [("linear", 0), ("ansible.builtin.linear", 0), ("debug", 0), ("mitogen_linear", 0), ("free", 1), ("host_pinned", 1)])
def test_strategies(name: str, refused: int) -> None:
    assert [finding.rule for finding in run_rules.strategy(name)] == ["run.strategy"] * refused


@pytest.mark.parametrize(
    ("voting", "forks", "refused"),
    [(0, 1, 1), (0, 2, 0), (1, 1, 0), (3, 1, 0)],
)
def test_forks(voting: int, forks: int, refused: int) -> None:
    """Breaks when members that wait for each other are started one after the other, or a living cluster is refused for nothing."""
    members = tuple(MemberSeen("meta%d" % (n + 1), reachable=n < voting, etcd_healthy=n < voting, learner=False) for n in range(3))
    found = run_rules.forks(good(), Observation(members=members, nodes=()), forks)
    assert [finding.rule for finding in found] == ["run.forks"] * refused
    assert not found or "2 members have to be started at once" in found[0].what

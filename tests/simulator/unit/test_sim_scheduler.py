from __future__ import annotations

from collections import Counter
from typing import Dict, Tuple

import pytest
from horaemeta.dispatch import BackOff
from horaemeta.model import EMPTY, PREPARE, STABLE, ClusterInfo, ClusterModel, NodeReport, View
from horaemeta.picker import pick
from horaemeta.scheduler import DynamicScheduler, StaticScheduler, Transfer, UnexpectedCase, reopen

NODES = ("a:1", "b:1", "c:1")


def model(kind: str, state: str, entries: Tuple[Tuple[int, str], ...] = (), reports: Dict[str, Dict[int, str]] = {}) -> ClusterModel:  # noqa: B006
    nodes = {name: NodeReport(name, 0, reports.get(name, {})) for name in NODES}
    return ClusterModel(ClusterInfo(0, "c", 3, 8, kind, 100, 0, 0), View(state, 1, entries), nodes)


def test_eight_shards_on_three_nodes_are_two_and_three_and_three() -> None:
    assert sorted(Counter(pick(8, NODES, {}).values()).values()) == [2, 3, 3]


def test_a_plan_depends_on_nothing_but_the_nodes() -> None:
    assert pick(8, NODES, {}) == pick(8, tuple(reversed(NODES)), {})


def test_a_fourth_node_takes_its_share_and_hardly_anything_else_moves() -> None:
    before, after = pick(64, NODES, {}), pick(64, (*NODES, "d:1"), {})
    assert sum(after[s] == "d:1" for s in after) == 16
    assert sum(before[s] != after[s] for s in before) < 32


def test_a_shard_with_an_affinity_has_its_node_to_itself() -> None:
    plan = pick(8, NODES, {0: 0})
    assert [s for s in plan if plan[s] == plan[0]] == [0]


def test_affinities_of_unknown_shards_take_one_node_out() -> None:
    """Breaks when each of them takes one: the real one finds the first node of the ring for every shard that it doesn't know."""
    four = (*NODES, "d:1")
    assert sorted(Counter(pick(8, four, {97: 0, 98: 0, 99: 0}).values()).values()) == [2, 3, 3]
    assert pick(8, four, {97: 1}) == pick(8, four, {})


def test_static_empty_does_nothing() -> None:
    assert StaticScheduler().tick(model("static", EMPTY), 0) == []


def test_static_prepare_assigns_what_has_no_node() -> None:
    found = StaticScheduler().tick(model("static", PREPARE, ((0, "a:1"),)), 0)
    assert {t.shard for t in found} == set(range(1, 8))
    assert {t.old for t in found} == {""}


def test_static_stable_reopens_what_a_live_node_misses_and_nothing_else() -> None:
    entries = ((0, "a:1"), (1, "a:1"), (2, "gone:1"))
    found = StaticScheduler().tick(model("static", STABLE, entries, {"a:1": {0: "Ready"}}), 0)
    assert found == [Transfer(1, "", "a:1")]


def test_static_stable_never_puts_a_forgotten_shard_anywhere() -> None:
    assert StaticScheduler().tick(model("static", STABLE), 0) == []


def test_static_does_not_ask_the_expired() -> None:
    assert StaticScheduler().tick(model("static", STABLE, ((0, "a:1"),)), 10) == []


def test_dynamic_moves_what_is_elsewhere_and_assigns_what_is_nowhere() -> None:
    plan = pick(8, NODES, {})
    other = next(n for n in NODES if n != plan[0])
    found = DynamicScheduler().tick(model("dynamic", STABLE, ((0, other),)), 0)
    assert found[0] == Transfer(0, other, plan[0])
    assert found[1:] == [Transfer(s, "", plan[s]) for s in range(1, 8)]


def test_dynamic_plans_with_the_living_only() -> None:
    cluster = model("dynamic", STABLE)
    cluster.nodes["a:1"] = NodeReport("a:1", -10, {})
    assert {t.new for t in DynamicScheduler().tick(cluster, 0)} == {"b:1", "c:1"}


def test_frozen_before_the_first_plan_is_an_unexpected_case() -> None:
    scheduler = DynamicScheduler()
    scheduler.frozen = True
    with pytest.raises(UnexpectedCase):
        scheduler.tick(model("dynamic", STABLE), 0)


def test_frozen_later_it_keeps_to_its_last_plan() -> None:
    scheduler, cluster = DynamicScheduler(), model("dynamic", STABLE)
    plan = {t.shard: t.new for t in scheduler.tick(cluster, 0)}
    scheduler.frozen = True
    cluster.nodes["a:1"] = NodeReport("a:1", -10, {})
    assert {t.shard: t.new for t in scheduler.tick(cluster, 0)} == plan


def test_what_hangs_in_opening_is_opened_again_where_it_is() -> None:
    assert reopen(model("static", STABLE, (), {"b:1": {4: "Opening", 5: "Ready"}}), 0) == [Transfer(4, "", "b:1")]


def test_the_back_off_grows_with_the_absence() -> None:
    backoff = BackOff()
    backoff.failed("n", 0)
    assert backoff.blocked("n", 0.9) and not backoff.blocked("n", 1.0)
    backoff.failed("n", 30)
    assert backoff.blocked("n", 40), "after 30 s the pauses are longer than 10 s"
    backoff.succeeded("n")
    assert not backoff.blocked("n", 40)

from __future__ import annotations

from typing import Dict, Optional, Tuple

from horaemeta.model import EMPTY, PREPARE, STABLE, ClusterInfo, ClusterModel, NodeReport, View

Entries = Tuple[Tuple[int, str], ...]


def cluster(kind: str = "static", state: str = STABLE, entries: Entries = (), nodes: int = 3) -> ClusterModel:
    return ClusterModel(ClusterInfo(0, "c", nodes, 4, kind, 100, 0, 0), View(state, 1, entries))


def hear(model: ClusterModel, name: str, now: float, shards: Optional[Dict[int, str]] = None) -> None:
    model.view = model.register(NodeReport(name, now, shards or {}))


def test_the_cluster_leaves_empty_one_heartbeat_after_the_last_node() -> None:
    model = cluster(state=EMPTY)
    for name in ("a", "b", "c"):
        hear(model, name, 0)
    assert model.view.state == EMPTY
    hear(model, "a", 2)
    assert model.view.state == PREPARE


def test_a_node_that_changed_its_name_counts_twice() -> None:
    model = cluster(state=EMPTY, nodes=2)
    hear(model, "wrong", 0)
    hear(model, "right", 0)
    hear(model, "right", 2)
    assert model.view.state == PREPARE


def test_while_preparing_the_view_follows_reports_and_is_full_in_the_end() -> None:
    model = cluster(state=PREPARE)
    hear(model, "a", 0, {0: "Ready", 1: "Ready"})
    assert not model.prepared()
    hear(model, "b", 0, {2: "Ready", 3: "Ready"})
    assert model.view.entries == ((0, "a"), (1, "a"), (2, "b"), (3, "b"))
    assert model.prepared()


def test_static_and_stable_nothing_a_node_says_changes_the_view() -> None:
    model = cluster(entries=((0, "a"),))
    hear(model, "a", 0)
    hear(model, "b", 0, {1: "Ready"})
    assert model.view.entries == ((0, "a"),)


def test_dynamic_the_view_follows_only_a_change() -> None:
    model = cluster("dynamic")
    hear(model, "a", 0, {0: "Ready"})
    model.view = model.without({(0, "a")})
    hear(model, "a", 2, {0: "Ready"})
    assert model.view.entries == ()
    hear(model, "a", 4)
    hear(model, "a", 6, {0: "Ready"})
    assert model.view.entries == ((0, "a"),)


def test_a_new_leader_takes_what_nodes_report() -> None:
    model = cluster("dynamic", entries=())
    hear(model, "a", 0, {0: "Ready", 1: "Ready"})
    assert model.view.entries == ((0, "a"), (1, "a"))


def test_a_shard_may_for_a_moment_be_listed_twice() -> None:
    model = cluster("dynamic")
    hear(model, "a", 0, {0: "Ready"})
    hear(model, "b", 0, {0: "Ready"})
    assert model.view.entries == ((0, "a"), (0, "b"))


def test_expiry_takes_ten_seconds_and_only_those_who_were_heard() -> None:
    model = cluster(entries=((0, "a"), (1, "never heard")))
    hear(model, "a", 100)
    assert model.without_expired(109.9) is model.view
    assert model.without_expired(110).entries == ((1, "never heard"),)


def test_an_update_changes_type_and_batch_size_alone() -> None:
    model = cluster()
    model.update("dynamic", 7, 99)
    assert model.info == ClusterInfo(0, "c", 3, 4, "dynamic", 7, 0, 99)


def test_diagnose_judges_by_the_last_report_even_of_the_dead() -> None:
    model = cluster(entries=())
    hear(model, "a", 0, {0: "Ready", 1: "Ready", 2: "Ready"})
    assert model.diagnose() == ([3], {})
    hear(model, "b", 500, {3: "Opening"})
    assert model.diagnose() == ([], {3: {"nodeName": "b", "status": "partialOpen"}})


def test_info_survives_its_json() -> None:
    info = cluster().info
    assert ClusterInfo.from_json(info.to_json()) == info

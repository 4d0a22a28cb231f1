"""The gate on what the real daemons answered: the same bytes, served by the world."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import observe

CAPTURES = pathlib.Path(__file__).resolve().parents[3] / "captures"
SHARDS = {"db1": (1, 2, 7), "db2": (0, 4), "db3": (3, 5, 6)}


def captured(daemons, case):
    exchanges = json.loads((CAPTURES / ("%s-2.1.0.json" % daemons)).read_text())
    return next(exchange["body"] for exchange in exchanges if exchange["case"] == case)


@pytest.fixture
def dynamic(make_world):
    """The cluster of the captures, whole: its nodes were .31 to .33, and are those of the world here."""
    world = make_world(topology_type="dynamic")
    for host, shards in SHARDS.items():
        world.nodes[host].shards = dict.fromkeys(shards, "Ready")

    def answer(path, case):
        body = json.dumps(captured("dynamic", case))
        for number, node in enumerate(world.nodes.values(), 1):
            body = body.replace("172.29.0.3%d:8831" % number, node.name)
        world.broken[path] = (200, json.loads(body))

    world.view_is = lambda case: answer("/api/v1/getNodeShards", case)
    world.diagnosis_is = lambda case: answer("/debug/diagnose/defaultCluster/shards", case)
    world.view_is("node shards, all well")
    world.diagnosis_is("diagnose, all well")
    return world


def judge(world):
    topology = world.topology
    return checks.problems(topology, observe(topology))


def test_all_well(dynamic):
    assert judge(dynamic) == []


def test_the_mapping_is_lost_while_all_nodes_serve(dynamic):
    """Diagnosis and nodes say that all is well, and every table is gone."""
    dynamic.view_is("node shards, mapping lost while all nodes serve")
    dynamic.diagnosis_is("diagnose, mapping lost while all nodes serve")
    texts = [problem.text for problem in judge(dynamic)]
    assert len(texts) == 3
    assert "shards 1, 2, 7 are mapped to no data node, although data node db1" in texts[1]


def test_three_shards_have_no_node(dynamic):
    dynamic.view_is("node shards, three shards have no node")
    dynamic.diagnosis_is("diagnose, a node just came back and its shards are not open yet")
    dynamic.nodes["db3"].shards = {entry["id"]: entry["status"] for entry in captured("dynamic", "db shards, opening")}
    texts = [problem.text for problem in judge(dynamic)]
    assert any(text.startswith("shards 3, 6 are mapped to no data node") for text in texts)
    assert any(text.startswith("shard 5 is mapped to no data node, although data node db3") for text in texts)


def test_shards_that_cannot_be_opened(dynamic):
    dynamic.diagnosis_is("diagnose, shards that cannot be opened (local storage under dynamic)")
    dynamic.nodes["db2"].shards = {entry["id"]: entry["status"] for entry in captured("dynamic", "db shards, one that cannot be opened")}
    texts = [problem.text for problem in judge(dynamic)]
    assert "shards 0, 4 are Opening on data node db2 (%s), not Ready" % dynamic.nodes["db2"].name in texts
    assert "shards 5, 6 are partialOpen on 172.29.0.41:8831 by HoraeMeta's diagnosis" in texts


def test_the_view_names_a_dead_node(dynamic):
    dynamic.nodes["db3"].stop()
    texts = [problem.text for problem in judge(dynamic)]
    assert "shards 3, 5, 6 are mapped to data node db3 (%s), which doesn't answer" % dynamic.nodes["db3"].name in texts


@pytest.mark.parametrize("path", ["/debug/leader", "/api/v1/clusters"])
def test_static_answers_are_understood(world, path):
    """What the static cluster of the captures answered is read without a complaint about its shape."""
    world.broken[path] = (200, captured("horaemeta", path.rsplit("/", 1)[-1]))
    seen = observe(world.topology)
    assert not [error for member in seen.members for error in member.errors]
    if path == "/api/v1/clusters":
        assert seen.cluster.entry.batch_size == 4294967295

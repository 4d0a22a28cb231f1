"""The gate lets nothing pass that isn't whole, and says who is missing what. Every case breaks one thing of a whole cluster."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.health import checks
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.records.assignment import Assignment


def judge(world, **options):
    topology = world.topology
    return checks.problems(topology, observe(topology, timeout=1.0), **options)


def remember(world, shards=None):
    """Records the present view, or another one."""
    record = Assignment("defaultCluster", world.topology_type, shards or dict(world.view), tuple(n.name for n in world.nodes.values()))
    world.kv[assignment.key("defaultCluster")] = (record.to_json(), 7)


def unmap(world, *shards):
    world.view = [(shard, name) for shard, name in world.view if shard not in shards]


def remap(world, shard, name):
    world.view = [(s, name if s == shard else n) for s, n in world.view]


def drop(world, host, *shards):
    for shard in shards:
        del world.nodes[host].shards[shard]


CASES = {
    "a follower is down": (
        lambda w: w.members["meta3"].stop(),
        [("silent", "member meta3 (127.0.0.1:{meta3}) doesn't answer: ")],
    ),
    "a member's etcd has no quorum": (
        lambda w: setattr(w.members["meta3"], "healthy", False),
        [("member", "member meta3 (127.0.0.1:{meta3}) isn't healthy: ")],
    ),
    "a member's etcd says with status 200 that it isn't healthy": (
        lambda w: setattr(w.members["meta3"], "alarmed", True),
        [("member", "/health says that it isn't healthy: {{")],
    ),
    "a member is a learner": (
        lambda w: setattr(w.members["meta2"], "learner", True),
        [("member", "member meta2 (127.0.0.1:{meta2}) is a learner")],
    ),
    "a member lags": (
        lambda w: setattr(w.members["meta2"], "applied", 899),
        [("member", "member meta2 (127.0.0.1:{meta2}) is 101 log entries behind the leader meta1")],
    ),
    "two leaders": (
        lambda w: setattr(w.members["meta3"], "names", "meta2"),
        [("leader", "the members don't agree on a leader: meta1 names meta1, its etcd meta1; ")],
    ),
    "a member nobody knows": (
        lambda w: w.foreign_members.append({"ID": "255", "name": "stranger"}),
        [("member", "etcd has stranger (id ff), which is no member of the inventory")],
    ),
    "a member that never started": (
        lambda w: w.foreign_members.append({"ID": "255"}),
        [("member", "etcd has a member that was added and never started (id ff)")],
    ),
    "a node is down": (
        lambda w: w.nodes["db2"].http.stop(),
        [
            ("silent", "data node db2 ({db2}) doesn't answer: "),
            ("silent", "shards 1, 4, 7 are mapped to data node db2 ({db2}), which doesn't answer"),
        ],
    ),
    "a node accepts no gRPC": (
        lambda w: w.nodes["db2"].grpc.close(),
        [("node", "data node db2 ({db2}) isn't serving: 127.0.0.1:")],
    ),
    "no such cluster": (
        lambda w: w.clusters[0].update(Name="other"),
        [("cluster", "HoraeMeta has no cluster defaultCluster (it has: other)")],
    ),
    "other number of shards": (
        lambda w: w.clusters[0].update(ShardTotal=9),
        [
            ("cluster", "cluster defaultCluster was created with 9 shards, the inventory asks for 8"),
            ("shard", "shard 8 is mapped to no data node"),
        ],
    ),
    "the view can't be read": (
        lambda w: w.broken.update({"/api/v1/getNodeShards": (500, {"status": "error", "error": "no"})}),
        [("cluster", "/api/v1/getNodeShards answered HTTP 500: no")],
    ),
    "a shard is mapped to nobody": (
        lambda w: (unmap(w, 1, 4), drop(w, "db2", 1, 4)),
        [("shard", "shards 1, 4 are mapped to no data node")],
    ),
    "the mapping is lost while all nodes serve": (
        lambda w: unmap(w, 1, 4),
        [("shard", "shards 1, 4 are mapped to no data node, although data node db2 ({db2}) has it")],
    ),
    "nine entries for eight": (
        lambda w: w.view.append((3, w.nodes["db3"].name)),
        [("shard", "shard 3 is mapped 2 times: to db1 ({db1}), db3 ({db3})")],
    ),
    "a shard too many": (
        lambda w: w.view.append((8, w.nodes["db3"].name)),
        [("shard", "shard 8 is known to HoraeMeta, but the cluster has only 8 shards")],
    ),
    "the view names a stranger": (
        lambda w: (remap(w, 3, "192.0.2.99:8831"), drop(w, "db1", 3)),
        [("shard", "shard 3 is mapped to 192.0.2.99:8831, which is no data node of the inventory")],
    ),
    "the node doesn't have its shard": (
        lambda w: drop(w, "db1", 3),
        [("shard", "shard 3 is mapped to data node db1 ({db1}), which doesn't have it")],
    ),
    "the node is opening its shard": (
        lambda w: w.nodes["db1"].shards.update({3: "Opening"}),
        [("shard", "shard 3 is Opening on data node db1 ({db1}), not Ready")],
    ),
    "two nodes hold one shard": (
        lambda w: w.nodes["db2"].shards.update({3: "Ready"}),
        [("shard", "shard 3 is mapped to data node db1 ({db1}), but also held by db2 ({db2})")],
    ),
    "diagnosed as unregistered": (
        lambda w: w.diagnose.update(unregisteredShards=[3]),
        [("shard", "shard 3 is unregistered by HoraeMeta's diagnosis")],
    ),
    "diagnosed as unready": (
        lambda w: w.diagnose.update(unreadyShards={"3": {"nodeName": "n1", "status": "partialOpen"}}),
        [("shard", "shard 3 is partialOpen on n1 by HoraeMeta's diagnosis")],
    ),
    "forgotten": (
        lambda w: (remember(w), unmap(w, 1, 4), drop(w, "db2", 1, 4)),
        [("forgotten", "shards 1, 4 are forgotten: mapped to no data node; by the record the data is on db2 ({db2}).")],
    ),
    "forgotten while served": (
        lambda w: (remember(w), unmap(w, 1)),
        [("forgotten", "shard 1 is forgotten: mapped to no data node, although data node db2 ({db2}) has it; by the record")],
    ),
    "mapped away from its data": (
        lambda w: remember(w, {**dict(w.view), 3: w.nodes["db2"].name}),
        [("forgotten", "shard 3 is mapped to data node db1 ({db1}), but by the record the data is on db2 ({db2}). Repair")],
    ),
    "a record that can't be read": (
        lambda w: w.kv.update({assignment.key("defaultCluster"): ("{", 3)}),
        [("cluster", "the record under /ansible/horaedb.cluster/defaultCluster/assignment in etcd can't be read")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_thing_is_wrong(world, case):
    break_it, expected = CASES[case]
    labels = {host: node.name for host, node in world.nodes.items()}
    labels.update({host: str(member.api.port) for host, member in world.members.items()})
    topology = world.topology
    assert checks.problems(topology, observe(topology, timeout=1.0)) == []
    break_it(world)
    found = checks.problems(topology, observe(topology, timeout=1.0))
    assert [problem.kind for problem in found] == [kind for kind, _text in expected]
    for problem, (_kind, text) in zip(found, expected):
        assert text.format(**labels) in problem.text


def test_nothing_answers(world):
    topology = world.topology
    world.stop()
    found = checks.problems(topology, observe(topology))
    assert {problem.kind for problem in found} == {checks.SILENT}
    assert len(found) == 6


def test_members_without_nodes_wait_for_as_many_as_they_were_told(world):
    world.view = []
    for node in world.nodes.values():
        node.shards = {}
    assert [str(p) for p in judge(world)] == [
        "shards 0, 1, 2, 3, 4, 5, 6, 7 are mapped to no data node; HoraeMeta assigns the first shards once 3 data nodes have registered"
    ]


def test_a_dynamic_cluster_may_move_shards_and_knows_its_cure(make_world):
    world = make_world(topology_type="dynamic")
    remember(world, {**dict(world.view), 3: world.nodes["db2"].name})
    assert judge(world) == []
    unmap(world, 1)
    assert [p.kind for p in judge(world)] == [checks.SHARD]
    assert "state=moved" in judge(world)[0].text


@pytest.mark.parametrize(
    ("expect", "texts"),
    [
        ({"db1": [0, 3, 6]}, []),
        ({"db1": [0, 3, 6], "db3": [2, 5]}, []),
        (
            {"db1": [0, 3]},
            ["shard 6 is on data node db1 ({db1}) and expected elsewhere", "maps to data node db1 ({db1}) shards 0, 3, 6 instead of 0, 3"],
        ),
        ({"db3": [2, 5, 6]}, ["shard 6 is not Ready on data node db3 ({db3}) (6: absent)", "instead of 2, 5, 6"]),
        ({"db3": []}, ["shards 2, 5 are on data node db3 ({db3}) and expected elsewhere", "shards 2, 5 instead of none"]),
    ],
)
def test_expected_shards(world, expect, texts):
    found = judge(world, expect=expect)
    assert len(found) == len(texts)
    for problem, text in zip(found, texts):
        assert text.format(**{host: node.name for host, node in world.nodes.items()}) in problem.text


@pytest.mark.parametrize(
    "break_it", [lambda w: w.nodes["db2"].stop(), lambda w: w.nodes["db2"].shards.update({1: "Opening"}), lambda w: drop(w, "db2", 1)]
)
def test_a_node_that_is_about_to_be_restarted_may_be_in_trouble(world, break_it):
    world.diagnose.update(unregisteredShards=[1])
    topology = world.topology
    break_it(world)
    seen = observe(topology, timeout=1.0)
    assert checks.problems(topology, seen)
    assert checks.problems(topology, seen, without="db2") == []
    assert checks.problems(topology, seen, without="db1")


def test_what_was_forgotten_of_it_counts(world):
    remember(world)
    unmap(world, 1)
    drop(world, "db2", 1)
    assert [p.kind for p in judge(world, without="db2")] == [checks.FORGOTTEN]

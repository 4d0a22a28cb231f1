"""Whatever daemons do, a look at the cluster ends in time and says what was seen."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation, shards_by_host
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.records.assignment import Assignment

RECORD = Assignment("defaultCluster", "static", {0: "192.0.2.21:8831"}, ("192.0.2.21:8831",))


def test_a_whole_cluster(world):
    world.kv[assignment.key("defaultCluster")] = (RECORD.to_json(), 7)
    seen = observe(world.topology)
    assert seen.leader == "meta1"
    assert [(m.host, m.reachable, m.etcd_healthy, m.voting, m.leader, m.etcd_leader, m.applied) for m in seen.members] == [
        (host, True, True, True, "meta1", "meta1", 1000) for host in ("meta1", "meta2", "meta3")
    ]
    assert [(n.host, n.reachable, n.ok, n.grpc) for n in seen.nodes] == [(host, True, True, True) for host in ("db1", "db2", "db3")]
    assert seen.nodes[0].shards == {0: "Ready", 3: "Ready", 6: "Ready"}
    assert seen.cluster.entry.shard_total == 8
    assert seen.cluster.view[3] == (world.nodes["db1"].name,)
    assert seen.cluster.record == RECORD
    assert seen.cluster.record_revision == 7
    assert seen.cluster.errors == ()
    assert shards_by_host(world.topology, seen) == {"db1": (0, 3, 6), "db2": (1, 4, 7), "db3": (2, 5)}
    assert [(m.name, m.peer_urls) for m in seen.etcd_members][0] == ("name-meta1", ("http://192.0.2.11:2380",))


def test_an_observation_survives_json(world):
    world.kv[assignment.key("defaultCluster")] = (RECORD.to_json(), 7)
    world.diagnose = {"unregisteredShards": [1], "unreadyShards": {"2": {"nodeName": "n", "status": "partialOpen"}}}
    seen = observe(world.topology)
    assert Observation.from_dict(json.loads(json.dumps(seen.to_dict()))) == seen


def test_fields_of_a_newer_release_are_no_obstacle(world):
    seen = observe(world.topology)
    data = seen.to_dict()
    for part in (data, data["members"][0], data["nodes"][0], data["cluster"], data["cluster"]["entry"], data["etcd_members"][0]):
        part["new_in_9"] = {"x": 1}
    assert Observation.from_dict(data) == seen


def test_fresh_hosts_are_silent_and_nothing_else(world):
    topology = world.topology
    world.stop()
    seen = observe(topology)
    assert seen.silent
    assert seen.leader is None
    assert seen.cluster is None
    assert "connection refused" in seen.members[0].errors[0]
    assert "connection refused" in seen.nodes[0].errors[0]


def test_black_holes_cost_one_timeout_altogether(world):
    for member in world.members.values():
        member.api.hang = member.etcd.hang = True
    for node in world.nodes.values():
        node.http.hang = True
    began = time.monotonic()
    seen = observe(world.topology, timeout=0.5)
    assert time.monotonic() - began < 1.2
    assert seen.silent
    assert "nothing within 0.5 s" in seen.nodes[2].errors[0]


def test_a_black_hole_does_not_keep_the_rest_from_being_read(world):
    world.members["meta3"].api.hang = world.members["meta3"].etcd.hang = True
    world.nodes["db2"].http.hang = True
    seen = observe(world.topology, timeout=0.6)
    assert seen.leader == "meta1"
    assert len(seen.cluster.view) == 8
    assert [m.reachable for m in seen.members] == [True, True, False]
    assert [n.reachable for n in seen.nodes] == [True, False, True]


@pytest.mark.parametrize(("empty", "names"), [(0, ("defaultCluster",)), (2, ("defaultCluster",)), (99, ())])
def test_an_empty_list_is_asked_for_again_before_it_is_believed(world, empty, names):
    world.empty_lists = empty
    assert observe(world.topology).cluster.names == names


def test_a_member_without_quorum_has_no_say(world):
    """It answers, and remembers a leader that is long gone."""
    world.members["meta3"].healthy = False
    world.members["meta3"].names = "meta2"
    seen = observe(world.topology)
    assert seen.leader == "meta1"
    assert not seen.members[2].voting
    assert "HTTP 503" in seen.members[2].errors[0]


def test_healthy_members_that_disagree_make_no_leader(world):
    world.members["meta2"].names = "meta3"
    seen = observe(world.topology)
    assert seen.leader is None
    assert seen.cluster is None


def test_a_leader_counts_only_where_etcd_agrees(world):
    for member in world.members.values():
        member.names = "meta2"  # HoraeMeta says meta2 everywhere, etcd's leader is meta1
    assert observe(world.topology).leader is None


def test_a_learner_is_seen_as_one(world):
    world.members["meta3"].learner = True
    seen = observe(world.topology)
    assert (seen.members[2].learner, seen.members[2].voting) == (True, False)
    assert seen.leader == "meta1"


@pytest.mark.parametrize(
    ("path", "reply"),
    [
        ("/api/v1/clusters", (200, b"<html>a proxy's page</html>")),
        ("/api/v1/clusters", (200, {"status": "success", "data": {"Name": "x"}})),
        ("/api/v1/getNodeShards", (200, {"status": "success", "data": [1, 2]})),
        ("/api/v1/getNodeShards", (500, {"status": "error", "error": "(#500)get node shards", "msg": "cluster not found"})),
        ("/debug/diagnose/defaultCluster/shards", (200, {"status": "success", "data": None})),
        ("/debug/leader", (200, {"status": "success", "data": {"no": "url"}})),
        ("/debug/leader", (200, [])),
    ],
)
def test_nonsense_is_data(world, path, reply):
    world.broken[path] = reply
    seen = observe(world.topology)
    told = [*(seen.cluster.errors if seen.cluster else ()), *(error for m in seen.members for error in m.errors)]
    assert told or seen.leader is None


def test_empty_answers_of_go_are_null(world):
    world.broken["/api/v1/getNodeShards"] = (200, {"status": "success", "data": {"NodeShards": None}})
    world.diagnose = {"unregisteredShards": None, "unreadyShards": None}
    cluster = observe(world.topology).cluster
    assert (cluster.view, cluster.unregistered, cluster.unready, cluster.errors) == ({}, (), {}, ())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "isn't a record"),
        ("[]", "isn't a record"),
        ('{"version": 1}', "isn't a record"),
        ('{"version": 2, "cluster": "c"}', "version 2"),
        ('{"version": 1, "cluster": "c", "topology_type": "static", "shards": {"x": "y"}, "nodes": []}', "isn't a record"),
    ],
)
def test_a_record_that_cannot_be_read_is_not_taken_for_none(world, text, why):
    key = assignment.key("defaultCluster")
    world.kv[key] = (text, 5)
    cluster = observe(world.topology).cluster
    assert cluster.record is None
    assert cluster.record_revision == 5
    assert why in cluster.record_errors[0]
    assert key in cluster.record_errors[0]


def test_simulators_are_told_from_the_real_ones(world):
    assert not observe(world.topology, identify=True).simulator
    world.simulator = True
    seen = observe(world.topology, identify=True)
    assert seen.simulator
    assert seen.members[0].version == "2.1.0"


def test_only_what_was_asked_for_is_looked_at(world):
    seen = observe(world.topology, members=(), nodes=["db2"], cluster=False)
    assert (seen.members, [n.host for n in seen.nodes]) == ((), ["db2"])
    assert {call.host for call in world.calls} == {"db2"}

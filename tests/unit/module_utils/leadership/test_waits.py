"""Waits: ready means ready, and a static node that stays away has its shards protected in time."""

from __future__ import annotations

import time

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import heartbeats, restart_protection, waits


def until(world, kind, host, **more):
    return waits.until_ready({"kind": kind, "topology": world.topology.to_dict(), "host": host, **more})


def protection(world, **more):
    return {"topology": world.topology.to_dict(), "host": "db1", **more}


def restarting(world, **more):
    """The wait for db1's shards behind its restart, which is protected."""
    spec = {"kind": "node_shards", "topology": world.topology.to_dict(), "host": "db1", "expect": [0, 3, 6]}
    return waits.until_ready(spec, protection(world, silent_after=4, **more))


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({}, "no readiness of kind None"),
        ({"kind": "ping"}, "no readiness of kind ping"),
        ({"kind": "http"}, "url"),
        ({"kind": "http", "url": "http://x/", "port": 1}, "port"),
        ({"kind": "tcp", "host": "x", "port": "many"}, "many"),
        ({"kind": "member", "host": "meta1"}, "topology"),
        ({"kind": "member", "host": "meta1", "topology": {"cluster": "c"}}, "member"),
    ],
)
def test_a_wrong_readiness_is_refused_with_a_sentence(spec, why):
    with pytest.raises(ValueError, match=why):
        waits.until_ready(spec)


@pytest.mark.parametrize(("kind", "host", "why"), [("member", "db1", "no HoraeMeta member"), ("node", "meta1", "no data node")])
def test_a_host_of_the_wrong_kind_is_refused(world, kind, host, why):
    with pytest.raises(ValueError, match=why):
        until(world, kind, host)


def test_http_and_tcp(world):
    node = world.topology.node("db1")
    good = {"kind": "http", "url": node.http + "/"}
    accepting = {"kind": "tcp", "host": node.address, "port": node.grpc_port}
    assert waits.until_ready(good).poll(0) is None
    assert waits.until_ready(accepting).poll(0) is None
    bad = {"kind": "http", "url": node.http + "/nope"}
    assert waits.until_ready(bad).poll(0).endswith("/nope answered HTTP 404")
    world.stop()
    assert "connection refused" in waits.until_ready(good).poll(0)
    assert waits.until_ready(accepting).poll(0).endswith(": connection refused")


def test_a_member_is_ready_when_it_votes_in_sync(world):
    member = world.members["meta3"]
    wanted = until(world, "member", "meta3")
    assert wanted.poll(0) is None
    member.healthy = False
    assert "meta3" in wanted.poll(0)
    member.healthy, member.learner = True, True
    assert "learner" in wanted.poll(0)
    member.learner, member.applied = False, 5
    assert "995 log entries behind the leader meta1" in wanted.poll(0)
    member.applied, member.names = 1000, "meta2"
    assert "don't agree" in wanted.poll(0)


def test_a_member_does_not_wait_for_another_one_that_is_down(world):
    wanted = until(world, "member", "meta3")
    world.members["meta2"].stop()
    assert wanted.poll(0) is None


def test_a_node_is_ready_when_both_ports_serve(world):
    wanted = until(world, "node", "db1")
    world.view = []  # whatever the cluster thinks of it
    assert wanted.poll(0) is None
    world.nodes["db1"].grpc.close()
    assert "isn't serving" in wanted.poll(0)


def test_a_node_has_its_shards_back(world):
    wanted = until(world, "node_shards", "db1", expect=[0, 3, 6])
    assert wanted.poll(0) is None
    world.nodes["db1"].shards[3] = "Opening"
    assert "3: Opening" in wanted.poll(1)
    world.nodes["db1"].shards[3] = "Ready"
    world.view = world.view[:-2]
    assert "instead of 0, 3, 6" in wanted.poll(2)


def test_expected_to_be_empty_means_empty(world):
    wanted = until(world, "node_shards", "db1", expect=[])
    assert "0, 3, 6" in wanted.poll(0)
    world.nodes["db1"].shards.clear()
    world.view = [(shard, name) for shard, name in world.view if name != world.nodes["db1"].name]
    assert wanted.poll(1) is None


@pytest.mark.parametrize("build", [waits.for_restart, waits.until_protected])
@pytest.mark.parametrize(
    ("spec", "why"),
    [({}, "topology|host"), ({"topology": {"cluster": "c"}, "host": "db1"}, "members"), ({"host": "meta1"}, "no data node in the topology")],
)
def test_a_wrong_protection_is_refused_with_a_sentence(world, build, spec, why):
    spec = {**({"topology": world.topology.to_dict()} if "host" in spec and "topology" not in spec else {}), **spec}
    with pytest.raises(ValueError, match="the protection is wrong: .*(%s)" % why):
        build(spec)


def test_without_protection_a_wait_only_looks(world):
    """Breaks when a predicate acts: what is only waited for moves nobody's leadership."""
    wanted = until(world, "node_shards", "db1", expect=[0, 3, 6])
    world.nodes["db1"].http.stop()
    for elapsed in (0, 4, 8, 30):
        assert "doesn't answer" in wanted.poll(elapsed)
    assert world.moves == []


def test_protection_moves_the_leadership_once_and_not_before_its_time(world):
    wanted = restarting(world)
    world.nodes["db1"].http.stop()
    for elapsed in (0, 1, 3.9):
        assert "doesn't answer" in wanted.poll(elapsed)
    assert world.moves == []
    assert "aren't protected yet" in wanted.poll(4.1)
    assert world.moves == [("meta1", "meta2")]
    for elapsed in (4.6, 5, 9, 30):
        assert "protected" not in wanted.poll(elapsed)
    assert len(world.moves) == 1


def test_protection_is_tried_again_until_a_move_was_seen(world):
    wanted = restarting(world)
    world.nodes["db1"].http.stop()
    world.move_answers = [(500, {"status": "error", "error": "election"}), (200, {"status": "success", "data": "ok"})]
    for elapsed in (4, 4.5, 5, 5.5, 6):
        missing = wanted.poll(elapsed)
    assert "protected" not in missing
    assert world.moves == [("meta1", "meta2")] * 3
    assert world.leader == "meta2"


def test_protection_when_the_leader_died_asks_the_new_one(world):
    wanted = restarting(world)
    world.nodes["db1"].http.stop()
    world.members["meta1"].stop()
    world.members["meta2"].healthy = world.members["meta3"].healthy = False
    assert "aren't protected yet" in wanted.poll(4)  # nobody leads
    world.leader = "meta2"
    world.members["meta2"].healthy = world.members["meta3"].healthy = True
    wanted.poll(6)
    assert world.moves == [("meta2", "meta3")]


def test_a_node_that_answers_is_given_a_tick_of_the_scheduler_and_no_longer(world):
    """A move would make it wait for the new leader's first tick; but after 8 s it would be forgotten if nobody hears it."""
    wanted = restarting(world)
    world.nodes["db1"].shards = {}
    for elapsed in (4, 5, 5.9):
        assert "not Ready" in wanted.poll(elapsed)
    assert world.moves == []
    wanted.poll(6)
    assert world.moves == [("meta1", "meta2")]


def test_a_node_that_is_back_in_time_costs_no_move(world):
    wanted = restarting(world)
    assert wanted.poll(4.5) is None
    assert world.moves == []


@pytest.mark.parametrize("options", [{"topology_type": "dynamic"}, {"members": 1}])
def test_protection_is_for_static_clusters_with_somebody_to_take_over(make_world, options):
    world = make_world(**options)
    wanted = restarting(world)
    world.nodes["db1"].http.stop()
    assert "protected" not in wanted.poll(9)
    assert world.moves == []


class Clock:
    """Real time for what is asked, and only noted for what is slept after it."""

    def __init__(self):
        self.slept = []

    def monotonic(self):
        return time.monotonic()

    def sleep(self, seconds):
        self.slept.append(seconds)


def test_a_restart_waits_for_its_place_in_the_schedulers_rhythm(world):
    """Breaks when a node is stopped at a moment of no choice: out for its start and up to a whole tick."""
    clock = Clock()
    waits.for_restart(protection(world, silent_after=4, in_step=True)).before_restart(clock)
    assert world.moves == [("meta1", "meta2")]
    assert 0.5 < clock.slept[-1] <= heartbeats.TICK - restart_protection.BEFORE_TICK == 1.5


def test_a_leadership_that_does_not_move_does_not_keep_a_node_from_its_restart(world, monkeypatch):
    monkeypatch.setattr(restart_protection, "IN_STEP", 0.5)
    world.members["meta2"].learner = world.members["meta3"].learner = True
    waits.for_restart(protection(world, in_step=True)).before_restart(Clock())
    assert world.moves == []


@pytest.mark.parametrize("options", [{"topology_type": "dynamic"}, {"members": 1}])
def test_in_step_is_for_static_clusters_with_somebody_to_take_over(make_world, options):
    world, clock = make_world(**options), Clock()
    waits.for_restart(protection(world, in_step=True)).before_restart(clock)
    assert (world.moves, clock.slept) == ([], [])

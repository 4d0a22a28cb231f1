"""The moment for a planned move, and the rhythm of the scheduler, from what the leader writes down of each heartbeat."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import heartbeats, restart_protection, transfer, waits
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.heartbeats import Began, Heartbeats

LEADERS_CLOCK = 1_795_000_000.0


def node_value(name, touched):
    """HoraeMeta's protobuf message: name, stats, last touch in milliseconds."""
    number, varint = int(touched * 1000), b""
    while number > 127:
        varint, number = varint + bytes([number & 127 | 128]), number >> 7
    return b"\n" + bytes([len(name)]) + name.encode() + b"\x12\x03\x08\xb8\x17\x18" + varint + bytes([number])


class Time:
    """Its own time: heartbeats come at their phases of a period of 2 s, and the leader's clock is far from this one's."""

    def __init__(self, world, phases):
        self.world, self.phases, self.now = world, phases, 100.0
        self.sent = [int((self.now - phase) // 2) for phase in phases]
        for at in range(len(phases)):
            self.touch(at, self.now)

    def touch(self, at, moment):
        name = "192.0.2.%d:8831" % at
        key = "/horaedb/v1/cluster/%020d/node/%s" % (0, name)
        self.world.put(key, node_value(name, LEADERS_CLOCK + moment).decode(errors="surrogateescape"))

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        for at, phase in enumerate(self.phases):
            number = int((self.now - phase) // 2)
            if number > self.sent[at]:
                self.sent[at] = number
                self.touch(at, number * 2 + phase)


def leader(world):
    return world.topology.member(world.leader)


def test_the_time_of_a_real_one_is_read():
    assert heartbeats.last_touch(b"\n\r10.8.0.0:8831\x12\x03\x08\xb8\x17\x18\x91\xd9\xf1\xe3\xa14") == 1795774246.033
    assert heartbeats.last_touch(node_value("db", 1795774311.569)) == 1795774311.569


@pytest.mark.parametrize("value", [b"", b"text", b"\x18", b"\x18\xff\xff", b"\n\xff"])
def test_what_is_no_such_message_tells_no_time(value):
    assert heartbeats.last_touch(value) is None


@pytest.mark.parametrize(
    ("arrivals", "gap"),
    [([10.0], (0.0, 2.0)), ([10.0, 10.5], (0.5, 1.5)), ([10.1, 13.9, 16.3], (0.3, 1.6)), ([1.0, 2.2], (1.0, 1.2))],
)
def test_the_largest_gap_wraps_around(arrivals, gap):
    assert heartbeats.largest_gap(arrivals, 2.0) == pytest.approx(gap)


@pytest.mark.parametrize("phases", [(0.0, 0.3, 0.5), (1.9, 0.1, 0.8), (0.7,)])
def test_a_planned_move_is_asked_for_in_a_gap(world, phases):
    """Breaks when a move is asked for at a moment of no choice: a heartbeat that comes while the new leader loads deadlocks it."""
    time = Time(world, phases)
    start, length = heartbeats.largest_gap(list(phases), 2.0)
    assert heartbeats.wait_for_gap(world.topology, leader(world), 2.0, time) == pytest.approx(length, abs=0.1)
    into = (time.now - start) % 2.0
    assert 0.05 <= into <= 0.15
    assert time.now - 100.0 <= 2 * 2.0 + 0.2


@pytest.mark.parametrize("nodes", [11])
def test_with_many_data_nodes_there_is_no_gap_to_wait_for(make_world, nodes):
    world = make_world(nodes=nodes)
    time = Time(world, (0.0,))
    assert heartbeats.wait_for_gap(world.topology, leader(world), 2.0, time) is None
    assert time.now == 100.0


def test_where_the_heartbeats_fill_the_time_nothing_is_waited_for(world):
    time = Time(world, tuple(number / 5 for number in range(10)))
    assert heartbeats.wait_for_gap(world.topology, leader(world), 2.0, time) is None
    assert time.now - 100.0 < 2.3


def test_where_nothing_is_written_down_nothing_is_waited_for(world):
    time = Time(world, ())
    assert heartbeats.wait_for_gap(world.topology, leader(world), 2.0, time) is None
    assert time.now == 100.0


def test_a_leader_that_cannot_be_asked_costs_no_wait(world):
    topology, member, time = world.topology, leader(world), Time(world, ())
    world.stop()
    assert heartbeats.wait_for_gap(topology, member, 0.3, time) is None
    heartbeats.remember(topology, member, 1.0, 0.3, time)
    assert heartbeats.until_tick(topology, member, 3.5, 0.3, time) is None


def test_the_next_data_node_knows_when_the_scheduler_ticks(world):
    """Breaks when each data node of a roll costs an election."""
    time = Time(world, (0.2, 1.1, 1.5))
    began = time.now
    heartbeats.remember(world.topology, leader(world), began, 2.0, time)
    time.sleep(21.3)
    wait = heartbeats.until_tick(world.topology, leader(world), 3.5, 2.0, time)
    assert (time.now + wait + 3.5 - began) % 5.0 == pytest.approx(0.0, abs=0.1) or (time.now + wait + 3.5 - began) % 5.0 > 4.9


@pytest.mark.parametrize("changed", ["term", "leader", "old", "nothing", "nonsense", "future"])
def test_a_rhythm_that_may_be_another_one_is_not_used(world, changed):
    time = Time(world, (0.2,))
    heartbeats.remember(world.topology, leader(world), time.now, 2.0, time)
    key = heartbeats.key("defaultCluster")
    noted = Began.from_json(world.kv[key][0])
    if changed == "term":
        world.term += 1
    elif changed == "leader":
        world.leader = "meta2"
    elif changed == "nothing":
        del world.kv[key]
    elif changed == "nonsense":
        world.put(key, "{}")
    else:
        shift = {"old": -heartbeats.OLDEST - 1, "future": 60.0}[changed]
        world.put(key, Began(noted.leader, noted.term, noted.since + shift).to_json())
    assert heartbeats.until_tick(world.topology, leader(world), 3.5, 2.0, time) is None


def test_a_roll_of_three_moves_the_leadership_once(world):
    """The elections of a roll, counted: each may hang."""
    time = Time(world, (0.2, 0.9, 1.6))
    for host in ("db1", "db2", "db3"):
        waits.for_restart({"topology": world.topology.to_dict(), "host": host, "in_step": True}).before_restart(time)
        time.sleep(12.0)
    assert len(world.moves) == 1


def test_a_members_roll_and_a_data_nodes_roll_move_it_once(world):
    """The move away from the leader, which is rolled last, tells the data nodes as well."""
    time = Time(world, (0.2, 0.9, 1.6))
    for host in ("meta2", "meta3", "meta1"):
        transfer.Wish(world.topology, "away", host, 2.0).fulfil(10.0, time)
        time.sleep(5.0)
    for host in ("db1", "db2", "db3"):
        waits.for_restart({"topology": world.topology.to_dict(), "host": host, "in_step": True}).before_restart(time)
        time.sleep(12.0)
    assert len(world.moves) == 1


def test_a_stopped_data_node_is_seen_silent_before_the_leadership_moves(world):
    """Breaks when the keeper beside the new leader takes the node for heard, and moves the leadership a second time."""
    until = waits.until_protected({"topology": world.topology.to_dict(), "host": "db1"})
    assert "only just stopped" in until.poll(0.3)
    assert "only just stopped" in until.poll(0.3 + restart_protection.SILENT - 0.1)
    assert world.moves == []
    until.poll(0.3 + restart_protection.SILENT + 0.1)
    assert len(world.moves) == 1


def test_a_data_node_that_is_slow_to_stop_is_protected_at_once(world):
    until = waits.until_protected({"topology": world.topology.to_dict(), "host": "db1"})
    until.poll(restart_protection.SLOW_STOP + 0.1)
    assert len(world.moves) == 1


def test_a_period_is_two_thirds_of_the_lease(world):
    assert Heartbeats(world.topology, leader(world)).period == pytest.approx(2.0)

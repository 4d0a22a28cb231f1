"""What is forgotten goes back where its data is, or nothing happens; and a static cluster is never left saying dynamic."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.horaedb.cluster.plugins.filter.cluster import FilterModule
from ansible_collections.horaedb.cluster.plugins.module_utils.api import http
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.repair import disk_shards
from ansible_collections.horaedb.cluster.plugins.module_utils.repair import execute as repair_execute
from ansible_collections.horaedb.cluster.plugins.module_utils.repair import plan as repair_plan
from ansible_collections.horaedb.cluster.plugins.module_utils.repair.execute import NotRestored, Repair, lock_holder
from ansible_collections.horaedb.cluster.plugins.module_utils.repair.plan import Plan
from ansible_collections.horaedb.cluster.plugins.modules import shard_assignment, shard_evidence

from tests.unit.helpers.repair_world import RepairWorld

KEY = assignment.key("defaultCluster")
TRANSFER = "/api/v1/transferLeader"
UPDATE = "/api/v1/clusters/defaultCluster"
OF_DB1 = {0: "db1", 3: "db1", 6: "db1"}


@pytest.fixture
def worlds() -> Iterator[Callable[..., RepairWorld]]:
    made: list[RepairWorld] = []

    def make(**options: Any) -> RepairWorld:
        made.append(RepairWorld(**options))
        return made[-1]

    yield make
    for world in made:
        world.stop()


@pytest.fixture
def world(worlds: Callable[..., RepairWorld]) -> RepairWorld:
    """Three and three, static, with a record."""
    made = worlds()
    made.remember()
    return made


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """This world does at once what takes the real one seconds."""
    monkeypatch.setattr(repair_execute, "INTERVAL", 0.02)
    monkeypatch.setattr(repair_execute, "LOADING", 1.0)
    monkeypatch.setattr(repair_execute, "RETRY", 0.05)
    monkeypatch.setattr(repair_execute, "CLOSING", 2.0)


def plan(world: RepairWorld, given: dict[int, str] | None = None) -> Plan:
    topology = world.topology
    return repair_plan.plan(topology, observe(topology, 1.0), given)


def restore(world: RepairWorld, timeout: float = 5.0, **options: Any) -> repair_execute.Restored:
    return Repair(world.topology, timeout=timeout, request_timeout=1.0, **options).restore()


# What is planned.


def test_a_whole_cluster_needs_nothing(world: RepairWorld) -> None:
    """Breaks when a plan is made where nothing is lost: site.yml asks at every run."""
    found = plan(world)
    assert not found.pending and found.refusals == () and found.lines(world.topology) == ["nothing is lost"]


def test_what_a_returned_node_has_lost_goes_back_to_it(world: RepairWorld) -> None:
    """Breaks when the record isn't what says where a shard belongs."""
    world.forget("db1")
    found = plan(world)
    assert (found.lost, found.restart, found.refusals) == (OF_DB1, (), ())
    assert found.kept == {"db1": (), "db2": (1, 4, 7), "db3": (2, 5)}
    assert "shards 0, 3, 6 are forgotten, to be put back on data node db1" in found.lines(world.topology)[0]


def test_a_node_that_still_holds_what_is_lost_is_restarted_first(world: RepairWorld) -> None:
    """Breaks when the view is believed to follow a node whose report doesn't change."""
    world.forget("db1", "db3", serving=True)
    found = plan(world)
    assert found.restart == ("db1", "db3")
    assert found.lost == {0: "db1", 2: "db3", 3: "db1", 5: "db3", 6: "db1"}


def test_the_diagnosis_is_not_believed(world: RepairWorld) -> None:
    """Breaks when /debug/diagnose is asked, which is empty here while all is lost."""
    world.forget("db1", "db2", "db3", serving=True)
    assert len(plan(world).lost) == 8


def rename(world: RepairWorld, shard: int, name: str) -> None:
    world.view = [(s, name if s == shard else n) for s, n in world.view]


def muted(world: RepairWorld, host: str) -> None:
    node = world.nodes[host]
    node.http.stop()
    node.grpc.close()


REFUSED: dict[str, tuple[Callable[[RepairWorld], object], list[str]]] = {
    "a member is down": (lambda w: w.members["meta3"].stop(), ["not all members are healthy", "meta3"]),
    "a member has no quorum": (lambda w: setattr(w.members["meta2"], "healthy", False), ["not all members are healthy", "meta2"]),
    "a member is a learner": (lambda w: setattr(w.members["meta2"], "learner", True), ["meta2", "a learner"]),
    "a member is behind": (lambda w: setattr(w.members["meta2"], "applied", 10), ["meta2", "behind the leader"]),
    "a member that nobody knows": (lambda w: w.foreign_members.append({"ID": "77", "name": "x"}), ["no member of the inventory"]),
    "two leaders": (lambda w: setattr(w.members["meta3"], "names", "meta2"), ["no leader that all members agree on"]),
    "no member answers": (lambda w: [m.stop() for m in w.members.values()], ["no leader", "meta1"]),
    "no such cluster": (lambda w: w.clusters.clear(), ["HoraeMeta has no cluster defaultCluster"]),
    "the view can't be read": (lambda w: w.broken.update({"/api/v1/getNodeShards": (500, {})}), ["getNodeShards"]),
    "no record": (lambda w: w.kv.clear(), ["the record", "doesn't exist", "-e horaedb_assignment_file"]),
    "a record that can't be read": (lambda w: w.kv.update({KEY: ("{", 7)}), ["the record", "can't be read"]),
    "a record without one of them": (
        lambda w: w.remember(shards={s: n for s, n in w.home.items() if s != 3}),
        ["shard 3 is mapped to no data node", "has no word of it"],
    ),
    "its node is down": (lambda w: muted(w, "db1"), ["data node db1", "doesn't answer", "start HoraeDB on db1 first"]),
    "its node has no gRPC port": (lambda w: w.nodes["db1"].grpc.close(), ["db1", "isn't serving"]),
    "its node doesn't tell its shards": (
        lambda w: setattr(w.nodes["db1"], "shards", {0: "x", "y": "z"}),
        ["data node db1", "doesn't tell its shards"],
    ),
    "its node isn't in the inventory": (
        lambda w: w.remember(shards={**w.home, 0: "192.0.2.99:8831"}),
        ["192.0.2.99:8831, which is no data node of the inventory", "put it back into the group horaedb"],
    ),
    "another shard is mapped elsewhere": (
        lambda w: rename(w, 1, w.nodes["db3"].name),
        ["shard 1 is mapped to db3", "by the record its data is on db2", KEY, "nodeShards", "restart HoraeDB there"],
    ),
    "another shard is mapped twice": (lambda w: w.view.append((1, w.nodes["db3"].name)), ["shard 1 is mapped 2 times"]),
    "another node has it": (
        lambda w: w.nodes["db2"].shards.update({0: "Ready"}),
        ["data node db2", "itself has shard 0", "restart HoraeDB on db2"],
    ),
    "dynamic, and nothing tells that it was static": (
        lambda w: (w.entry.update(TopologyType="dynamic"), w.kv.clear()),
        ["says that the cluster is dynamic, the inventory says static", "horaemeta_topology_type"],
    ),
    "dynamic by the record as well": (
        lambda w: (w.entry.update(TopologyType="dynamic"), w.remember(topology_type="dynamic")),
        ["says that the cluster is dynamic, the inventory says static"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_doubt_is_a_refusal_and_changes_nothing(world: RepairWorld, name: str) -> None:
    """Breaks when one of the refusals is missing, or comes after the topology type was changed."""
    arrange, words = REFUSED[name]
    world.forget("db1")
    arrange(world)
    refusals = " ".join(plan(world).refusals)
    assert [word for word in words if word not in refusals] == []
    with pytest.raises(NotRestored) as refused:
        restore(world)
    assert [word for word in words if word not in str(refused.value)] == []
    assert world.topology_types == [] and world.transfers == []


def test_a_cluster_that_lacks_nothing_is_not_refused_for_a_member_that_is_down(world: RepairWorld) -> None:
    """Breaks when a repair that has nothing to do fails for other reasons: the gate behind it tells those."""
    world.members["meta3"].stop()
    assert plan(world).refusals == ()


# What the operator says.


def test_the_operator_s_assignment_stands_in_for_a_record(world: RepairWorld) -> None:
    """Breaks when the record has to exist."""
    world.kv.clear()
    world.forget("db1")
    given = repair_plan.given(world.topology, {"0": "db1", "3": "192.0.2.21:%d" % world.nodes["db1"].grpc_port, "6": "db1"})
    assert plan(world, given).lost == OF_DB1 and plan(world, given).refusals == ()


def test_the_operator_s_assignment_is_the_record_s_own_json_too(world: RepairWorld) -> None:
    """Breaks when the record, saved from etcd or out of a snapshot, can't be given back as it is."""
    assert repair_plan.given(world.topology, json.loads(world.kv[KEY][0])) == world.home


def test_the_operator_s_assignment_goes_before_the_record(world: RepairWorld) -> None:
    """Breaks when a wrong record can't be corrected."""
    world.remember(shards={**world.home, 0: world.nodes["db2"].name})
    world.forget("db1")
    assert plan(world).lost[0] == "db2"
    assert plan(world, {0: world.nodes["db1"].name}).lost == OF_DB1


def test_what_a_node_serves_is_not_taken_from_it_by_a_slip_in_a_file(world: RepairWorld) -> None:
    """Breaks when an assignment file is believed against the node that has the shard Ready."""
    world.forget("db1", serving=True)
    assert "data node db1" in plan(world, {0: world.nodes["db2"].name}).refusals[0]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"8": "db1"}, "names shard 8, and the cluster has the shards 0 to 7"),
        ({"one": "db1"}, "names shard one"),
        ({"0": "db9"}, "puts shard 0 on db9, which is no data node of the inventory (db1 or 192.0.2.21:"),
        ({"version": 1, "shards": 3}, "has no shards"),
    ],
)
def test_an_assignment_that_makes_no_sense_is_refused(world: RepairWorld, raw: dict[str, Any], words: str) -> None:
    """Breaks when a slip in the file reaches HoraeMeta, which says success to anything."""
    with pytest.raises(ValueError, match="the assignment") as refused:
        repair_plan.given(world.topology, raw)
    assert words in str(refused.value)


# What is done.


@pytest.mark.parametrize("hosts", [("db1",), ("db2", "db3"), ("db1", "db2", "db3")])
def test_lost_shards_are_put_back(world: RepairWorld, hosts: tuple[str, ...]) -> None:
    """Breaks when the topology type isn't changed, isn't put back, or a shard goes elsewhere."""
    lost = world.forget(*hosts)
    restored = restore(world)
    assert world.whole and sorted(restored.shards) == sorted(lost) and restored.notes == ()
    assert set(world.transfers) == {(shard, "", world.home[shard]) for shard in lost}
    assert world.topology_types[0] == "dynamic" and set(world.topology_types[1:]) == {"static"}
    assert world.moves == []


def test_nothing_is_done_where_nothing_is_lost(world: RepairWorld) -> None:
    """Breaks when the topology type is touched without need."""
    assert restore(world).shards == {}
    assert (world.topology_types, world.transfers) == ([], [])


def test_restarts_come_first(world: RepairWorld) -> None:
    """Breaks when a shard that its node never let go is asked for: the view would never follow."""
    world.forget("db1", "db2", "db3", serving=True)
    with pytest.raises(NotRestored, match="restarted first on db1, db2, db3"):
        restore(world)
    assert world.topology_types == []
    for host in plan(world).restart:
        world.restart(host)
    restore(world)
    assert world.whole


@pytest.mark.parametrize("lies", [1, 5, 17])
def test_success_that_means_nothing_is_tried_again(world: RepairWorld, lies: int) -> None:
    """Breaks when transferLeader's answer is believed."""
    world.forget("db1", "db2")
    world.lies = lies
    restore(world)
    assert world.whole


def test_a_shard_that_opens_slowly_is_waited_for_and_not_asked_for_again(world: RepairWorld) -> None:
    """Breaks when a long log is taken for a lost request, or for a shard that is back."""
    world.forget("db1")
    world.opens_as, world.opening_is_reported = "Opening", False
    looks = itertools.count()

    def later(_call: object) -> None:
        if world.transfers and next(looks) > 40:
            world.nodes["db1"].shards.update(dict.fromkeys(world.nodes["db1"].shards, "Ready"))

    world.before_answer = later
    restore(world)
    assert len(world.transfers) == 3


def test_it_gives_up_and_leaves_the_cluster_static(world: RepairWorld) -> None:
    """Breaks when a failure leaves the cluster saying dynamic."""
    world.forget("db1")
    world.lies = 1000
    with pytest.raises(NotRestored, match="not everything is back after 0 s: shard 0 is asked for on db1"):
        restore(world, timeout=0.3)
    assert (world.entry["TopologyType"], world.scheduler) == ("static", "static")


def test_it_gives_up_early_when_nothing_gets_better(world: RepairWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a window stays open for the whole time-out although nothing happens in it."""
    monkeypatch.setattr(repair_execute, "SLACK", -29.7)  # of the lock's 30 s
    world.forget("db1")
    world.lies = 1000
    with pytest.raises(NotRestored, match="nothing has got better"):
        restore(world, timeout=60)
    assert world.entry["TopologyType"] == "static"


def test_a_node_that_comes_back_inside_the_window_gets_its_shards_again(world: RepairWorld) -> None:
    """Breaks when only what was lost at first is looked after: a first heartbeat, in the window, takes what was mapped."""
    world.forget("db1")
    world.hooks[TRANSFER] = lambda: world.restart("db2")
    restore(world)
    assert world.whole


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("leader", ["meta2", "meta1"])
def test_a_leader_that_changes_in_the_window_is_deposed(world: RepairWorld, leader: str, told: bool) -> None:
    """Breaks when the leader, or the same one after another election, isn't watched: it would run the dynamic scheduler for ever."""
    world.forget("db1")
    world.lies = 1000
    world.scheduler_is_told = told
    world.hooks[TRANSFER] = lambda: world.elect(leader)
    with pytest.raises(NotRestored, match="leader changed while the repair was going on") as failed:
        restore(world)
    assert "so that a static scheduler runs" in str(failed.value)
    assert (world.entry["TopologyType"], world.scheduler) == ("static", "static")
    assert len(world.moves) == 1
    world.lies = 0
    restore(world)
    assert world.whole


def test_a_leader_that_changed_at_the_very_end_is_deposed_too(world: RepairWorld) -> None:
    """Breaks when the leader is only watched while shards are missing."""
    world.forget("db1")

    def elected() -> None:
        world.nodes["db1"].shards.update(dict.fromkeys(OF_DB1, "Ready"))
        world.heartbeats()
        world.elect("meta2")
        world.hooks[UPDATE] = lambda: None

    world.hooks[TRANSFER] = elected
    with pytest.raises(NotRestored):
        restore(world)
    assert world.scheduler == "static" and plan(world).refusals == ()


def test_a_deposed_leader_that_nobody_can_follow_is_told_to_the_operator(world: RepairWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a dynamic scheduler goes on without a word."""
    monkeypatch.setattr(repair_execute.transfer, "TIMEOUT", 0.5)
    world.forget("db1")

    def alone() -> None:
        world.elect("meta2")
        world.members["meta1"].applied = world.members["meta3"].applied = 10

    world.hooks[TRANSFER] = alone
    with pytest.raises(NotRestored, match="static again, but the leader runs the dynamic scheduler.*can't be moved"):
        restore(world)
    assert world.entry["TopologyType"] == "static"


def test_a_single_member_that_restarted_in_the_window_has_to_be_restarted(worlds: Callable[..., RepairWorld]) -> None:
    """Breaks when a cluster with one member isn't told what only a human can do there."""
    world = worlds(members=1)
    world.remember()
    world.forget("db1")
    world.hooks[TRANSFER] = lambda: world.elect("meta1")
    with pytest.raises(NotRestored, match="systemctl restart horaemeta"):
        restore(world)
    assert world.entry["TopologyType"] == "static"


@pytest.mark.parametrize("how", ["refused", "ignored"])
def test_the_topology_type_is_put_back_until_it_is_seen_back(world: RepairWorld, how: str) -> None:
    """Breaks when one failed or idle request leaves the cluster dynamic."""
    world.forget("db1")
    setattr(world, how, 3)
    restore(world)
    assert world.whole


def test_a_topology_type_that_can_not_be_put_back_is_shouted(world: RepairWorld) -> None:
    """Breaks when the operator doesn't learn that the cluster still says dynamic."""
    world.forget("db1")
    world.refused = 10000
    with pytest.raises(NotRestored, match="STILL SAYS dynamic.*Restart no member.*playbooks/repair.yml"):
        restore(world)
    world.refused = 0
    restore(world)
    assert world.whole


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("path", [UPDATE, TRANSFER])
def test_a_signal_ends_the_window_and_not_the_putting_back(world: RepairWorld, path: str, number: signal.Signals) -> None:
    """Breaks when a stopped playbook leaves the cluster dynamic."""
    world.forget("db1")
    world.lies = 1000
    before = signal.getsignal(number)

    def twice() -> None:
        # The second one hits the putting back, while that has no effect yet.
        world.refused = 2
        world.hooks[UPDATE] = lambda: os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)

    world.hooks[path] = twice
    with pytest.raises(NotRestored, match="stopped by %s" % number.name):
        restore(world)
    assert world.entry["TopologyType"] == "static"
    assert signal.getsignal(number) is before


class Killed(BaseException):
    """Nothing of the process runs after it."""


@pytest.mark.parametrize("happened", ["nothing", "another leader", "another leader in the window", "opened after the last look"])
def test_a_repair_killed_anywhere_is_completed_by_the_next_one(
    world: RepairWorld, monkeypatch: pytest.MonkeyPatch, happened: str
) -> None:
    """Breaks when a cut off repair isn't recognised, its topology type stays, or a dynamic scheduler is left running."""
    call = http.Client.call
    for killed_at in itertools.count(1):
        world.heal()
        world.forget("db1")
        changes = itertools.count(1)
        dead = False

        def dying(self: Any, method: str, url: str, *args: Any) -> Any:
            """Before and after each request that changes something; dead is dead, so `finally` has no effect either."""
            nonlocal dead
            changing = url.endswith((UPDATE, TRANSFER, "/moveLeader")) and method != "GET"
            dead = dead or (changing and next(changes) >= killed_at)  # noqa: B023
            answer = None if dead else call(self, method, url, *args)
            dead = dead or (changing and next(changes) >= killed_at)  # noqa: B023
            if dead:
                raise Killed
            return answer

        monkeypatch.setattr(http.Client, "call", dying)
        if happened == "another leader in the window":
            world.hooks[TRANSFER] = lambda: world.elect("meta2")
        with contextlib.suppress(Killed, NotRestored):
            restore(world)
        world.hooks.clear()
        monkeypatch.setattr(http.Client, "call", call)
        if not dead:
            break
        if happened == "another leader":
            world.elect("meta3")
        if happened == "opened after the last look":
            world.nodes["db1"].shards.update(dict.fromkeys(OF_DB1, "Ready"))
        again = Repair(world.topology, timeout=5.0, request_timeout=1.0)
        again.end_cut_off()
        for host in again.plan()[1].restart:
            world.restart(host)
        again.restore()
        assert world.whole, "killed at %d" % killed_at
    # Told dynamic, three transfers, told static: twice each.
    assert killed_at > 10


def test_a_cut_off_repair_is_shown_and_ended_before_anything_else(world: RepairWorld) -> None:
    """Breaks when the topology type stays because something else forbids the repair."""
    world.forget("db1")
    world.entry["TopologyType"] = "dynamic"
    muted(world, "db1")
    found = plan(world)
    assert found.dynamic_left and "a repair was cut off" in found.lines(world.topology)[0]
    with pytest.raises(NotRestored, match="start HoraeDB on db1 first"):
        restore(world)
    assert (world.entry["TopologyType"], world.scheduler) == ("static", "static")


def test_a_scheduler_that_a_cut_off_repair_has_left_is_ended(world: RepairWorld) -> None:
    """Breaks when a cluster that says static again is believed, while its leader goes on to schedule it as a dynamic one."""
    world.scheduler = "dynamic"
    again = Repair(world.topology, request_timeout=1.0)
    assert again.plan()[1].dynamic_left and again.end_cut_off()
    assert world.whole and world.moves == [("meta1", "meta2")]
    assert not again.plan()[1].pending


def test_whoever_leads_after_a_cut_off_repair_is_deposed_unseen(world: RepairWorld) -> None:
    """Breaks when a leader counts as harmless because it doesn't say which scheduler it runs."""
    world.forget("db1")
    world.entry["TopologyType"] = "dynamic"
    world.elect("meta2")
    world.scheduler_is_told = False
    restore(world)
    assert world.whole


def test_a_cut_off_repair_without_a_record_is_ended_with_the_file_that_it_had(world: RepairWorld) -> None:
    """Breaks when only a record can tell that the cluster was static."""
    world.kv.clear()
    world.forget("db1")
    world.entry["TopologyType"] = "dynamic"
    restore(world, given=dict.fromkeys(OF_DB1, world.nodes["db1"].name))
    assert world.whole


def lock(world: RepairWorld, holder: str, left: int) -> None:
    key = "/horaedb/defaultCluster/shards/%020d" % 0
    name = world.nodes[holder].name
    world.kv[key] = ("\n" + chr(len(name)) + name, 5)
    world.locks[key] = 4711
    world.leases[4711] = left


@pytest.mark.parametrize(
    ("holder", "left", "words"),
    [
        ("db1", 8, "locked by the former process on db1"),
        ("db1", 0, "locked by the former process on db1"),
        ("db2", 25, "locked by 192.0.2.22"),
    ],
)
def test_a_lock_that_can_not_be_taken_yet_is_left_alone(world: RepairWorld, holder: str, left: int, words: str) -> None:
    """Breaks when a node is made to take back its former process's lock near the end, which makes it panic."""
    world.forget("db1")
    lock(world, holder, left)
    with pytest.raises(NotRestored, match=words):
        restore(world, timeout=0.3)
    assert {shard for shard, _old, _new in world.transfers} == {3, 6}
    world.kv = {key: value for key, value in world.kv.items() if key == KEY}
    restore(world)
    assert world.whole


def test_a_leader_that_lists_its_clusters_late_is_asked_again(world: RepairWorld) -> None:
    """Breaks when a plan is made by what a leader says before it has loaded its clusters, as after the reboot of an only member's host."""
    clusters = list(world.clusters)
    world.clusters.clear()
    later = threading.Timer(0.8, lambda: world.clusters.extend(clusters))
    later.start()
    _seen, found = Repair(world.topology, request_timeout=1.0).plan()
    later.join()
    assert found.refusals == () and not found.pending and "db1" in (found.kept or {})


@pytest.mark.parametrize("name", ["192.0.2.21:8831", "n" * 127 + ":8831", "n" * 250 + ":8831"])
def test_a_lock_names_its_holder_in_protobuf(name: str) -> None:
    """Breaks when the lock's value is taken for the bare name: every lock would then be another node's, and a repair wait for its end."""
    length = len(name)
    written = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    assert lock_holder(b"\n" + written + name.encode()) == name


@pytest.mark.parametrize("value", [b"", b"\n", b"\n\x05abc", b"192.0.2.21:8831", b"\n\x80"])
def test_a_lock_that_is_no_message_names_nobody(value: bytes) -> None:
    assert lock_holder(value) == ""


def test_a_lock_with_time_left_is_taken_back(world: RepairWorld) -> None:
    """Breaks when every repair waits for the locks to run out."""
    world.forget("db1")
    lock(world, "db1", 25)
    restore(world)
    assert world.whole


# Dynamic topology.


def test_a_lost_map_is_mended_by_a_leadership_move(worlds: Callable[..., RepairWorld]) -> None:
    """Breaks when a dynamic cluster is repaired like a static one."""
    world = worlds(topology_type="dynamic")
    world.view = []
    found = plan(world)
    assert len(found.lost) == 8 and found.restart == () and found.refusals == ()
    assert "the leadership is moved" in found.lines(world.topology)[0]
    restored = restore(world)
    assert "meta1 handed its leadership to meta2" in restored.notes[0]
    assert dict(world.view) == world.home and world.topology_types == [] and world.transfers == []


def test_what_no_node_has_is_left_to_the_dynamic_scheduler(worlds: Callable[..., RepairWorld]) -> None:
    """Breaks when a failover that is going on is disturbed."""
    world = worlds(topology_type="dynamic")
    world.forget("db1")
    assert not plan(world).pending


def test_a_lost_map_that_nobody_can_mend_is_refused(worlds: Callable[..., RepairWorld]) -> None:
    """Breaks when the operator isn't told what else has the same effect."""
    alone = worlds(topology_type="dynamic", members=1)
    alone.view = []
    assert "restart it (systemctl restart horaemeta there)" in plan(alone).refusals[0]
    lagging = worlds(topology_type="dynamic")
    lagging.view = []
    lagging.members["meta2"].applied = lagging.members["meta3"].applied = 1
    assert "no other member can take over" in plan(lagging).refusals[0]


def test_a_static_cluster_under_a_dynamic_inventory_is_refused(worlds: Callable[..., RepairWorld]) -> None:
    """Breaks when the inventory's word counts for more than the cluster's."""
    world = worlds(topology_type="dynamic")
    world.view = []
    world.entry["TopologyType"] = "static"
    assert "set horaemeta_topology_type to static" in plan(world).refusals[0]


# The plays.


def test_a_repair_is_planned_on_one_host_where_it_is_wanted() -> None:
    """Breaks when a run without forgotten shards pays for a repair, when horaedb_repair: false is ignored, or when repair.yml heeds it."""
    repair_hosts = FilterModule().filters()["repair_hosts"]
    hosts = ["meta1", "meta2", "db1", "db2"]
    lost = {host: {"preflight_result": {"topology": {"x": 1}, "lost": [0]}} for host in hosts[1:]}
    whole = {host: {"preflight_result": {"topology": {"x": 1}, "lost": []}} for host in hosts[1:]}
    forbidden = {host: {**values, "horaedb_repair": "false"} for host, values in lost.items()}
    assert [repair_hosts(hosts, vars_) for vars_ in ({}, whole, lost, forbidden)] == [[], [], ["meta2"], []]
    assert repair_hosts(hosts, whole, True) == repair_hosts(hosts, forbidden, "true") == ["meta2"]


# What lies on the disks.


def test_the_simulator_s_files_tell_their_shards(tmp_path: pathlib.Path) -> None:
    """Breaks when an empty directory, an empty file or a name that is no number counts."""
    for path in ("wal/0/1.log", "manifest/3/2.json", "wal/4/empty", "wal/x1/9.log", "wal/007/9.log"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("" if path.endswith("empty") else "x")
    (tmp_path / "wal/5").mkdir()
    (tmp_path / "wal/6").write_text("a file")
    assert disk_shards.on_disk(str(tmp_path)) == {0: [str(tmp_path / "wal/0")], 3: [str(tmp_path / "manifest/3")]}


def test_segments_of_the_real_one_count_with_a_record_in_them(tmp_path: pathlib.Path) -> None:
    """Breaks when the full-length, empty segment of a shard that was only opened counts."""
    header, record = b"\0HoraeDBWAL", b"\0\x12\x34\x56\x78" + b"\0" * 12 + b"\x01"
    for shard, name, content in ((0, "segment_0.wal", header + record), (1, "segment_0.wal", header), (2, "segment_1.wal", header)):
        (tmp_path / "wal" / str(shard)).mkdir(parents=True)
        (tmp_path / "wal" / str(shard) / name).write_bytes(content.ljust(100000, b"\0"))
    assert sorted(disk_shards.on_disk(str(tmp_path))) == [0, 2]


DISKS = {"db1": [0, 3, 6], "db2": [1, 4, 7], "db3": [2, 5]}

PROPOSED: dict[str, tuple[Callable[[RepairWorld], object], dict[str, list[int]], bool, list[str]]] = {
    "each shard on one disk": (lambda _w: None, DISKS, True, ["shard 0: its files lie on db1 alone"]),
    "no disk was looked at": (lambda _w: None, {}, False, ["shard 0: it has tables, 1 of them, and no files were found"]),
    "one disk wasn't looked at": (lambda _w: None, {"db1": [0, 3, 6], "db2": [1, 4, 7]}, False, ["nobody has looked at the disks of db3"]),
    "one shard on two disks": (lambda _w: None, {**DISKS, "db2": [0, 1, 4, 7]}, False, ["shard 0: files of it lie on db1, db2"]),
    "a mapped shard on another disk": (lambda _w: None, {**DISKS, "db1": [0, 1, 3, 6]}, False, ["shard 1 is mapped to db2", "been moved"]),
    "files of another cluster": (lambda _w: None, {**DISKS, "db1": [0, 3, 6, 9]}, False, ["files of shard 9", "only 8 shards"]),
    "a shard without tables": (lambda w: w.tables.update({3: 0}), {**DISKS, "db1": [0, 6]}, True, ["shard 3: it has no table and no"]),
    "a node serves them": (
        lambda w: w.nodes["db1"].shards.update(dict.fromkeys((0, 3, 6), "Ready")),
        {},
        True,
        ["shard 0: data node db1 itself has it Ready"],
    ),
    "two nodes say so": (
        lambda w: [w.nodes[host].shards.update({0: "Ready"}) for host in ("db1", "db2")],
        DISKS,
        False,
        ["the data nodes db1, db2 all say"],
    ),
}


@pytest.mark.parametrize("name", PROPOSED)
def test_a_proposal_says_how_sure_it_is(world: RepairWorld, name: str) -> None:
    """Breaks when something that speaks against a proposal is overlooked."""
    arrange, disks, sure, words = PROPOSED[name]
    world.forget("db1")
    arrange(world)
    topology = world.topology
    seen = observe(topology, 1.0)
    assert set(disk_shards.tables(topology, seen, (3, 6), 1.0)) == {3, 6}, "and not shard 0, for which HoraeMeta answers always"
    known = disk_shards.tables(topology, seen, (0, 3, 6), 1.0)
    proposal = disk_shards.propose(topology, seen, (0, 3, 6), disks, known)
    assert proposal.sure == sure
    assert [word for word in words if not any(word in why for why in proposal.why)] == []
    if sure:
        assert {shard: host for shard, host in proposal.shards.items() if shard != 3} == {0: "db1", 6: "db1"}


def test_without_knowing_its_tables_a_shard_without_files_is_a_doubt(world: RepairWorld) -> None:
    """Breaks when a shard goes anywhere because nobody could say whether it has data."""
    world.forget("db1")
    proposal = disk_shards.propose(world.topology, observe(world.topology, 1.0), (0, 3, 6), {**DISKS, "db1": [0, 6]})
    assert not proposal.sure and 3 not in proposal.shards


# The modules.


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], world: RepairWorld) -> Callable[..., dict[str, Any]]:
    def execute(check: bool = False, module: Any = shard_assignment, **options: Any) -> dict[str, Any]:
        common = {"topology": world.topology.to_dict(), "request_timeout": 1.0} if module is shard_assignment else {}
        with patch_module_args({**common, "_ansible_check_mode": check, **options}), pytest.raises(SystemExit) as ended:
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) == bool(ended.value.code)
        return result

    return execute


def test_info_tells_and_changes_nothing(world: RepairWorld, run: Callable[..., dict[str, Any]]) -> None:
    """Breaks when looking changes anything, or fails because a repair would be refused."""
    world.forget("db1", serving=True)
    world.members["meta3"].stop()
    result = run()
    assert result["lost"] == {"0": "db1", "3": "db1", "6": "db1"} and result["restart"] == ["db1"]
    assert result["kept"]["db2"] == [1, 4, 7] and result["pending"] and not result["changed"]
    assert "meta3" in result["refusals"][0] and result["proposal"] is None
    assert any("refused: not all members are healthy" in line for line in result["plan"])
    assert {call.method for call in world.calls} <= {"GET", "POST"} and world.transfers == []


@pytest.mark.parametrize("check", [True, False])
def test_restored_restores_once_and_shows_it(world: RepairWorld, run: Callable[..., dict[str, Any]], check: bool) -> None:
    """Breaks when check mode changes something, or says something else than a real run."""
    world.forget("db1")
    before = list(world.view)
    result = run(check, state="restored")
    assert result["changed"] and result["restored"] == {"0": "db1", "3": "db1", "6": "db1"}
    assert "shard 0" not in result["diff"]["before"] and "shard 0: 192.0.2.21" in result["diff"]["after"]
    assert result["diff"]["after"].startswith("topology type: static\nshard 0")
    assert world.view == before if check else world.whole
    assert check == (world.topology_types == [])
    if not check:
        again = run(state="restored")
        assert (again["changed"], again["msg"], again["restored"]) == (False, "nothing is lost", {})


@pytest.mark.parametrize("check", [True, False])
def test_static_ends_a_cut_off_repair_and_nothing_more(world: RepairWorld, run: Callable[..., dict[str, Any]], check: bool) -> None:
    """Breaks when the topology type can't be put back without a repair."""
    world.forget("db1")
    assert not run(check, state="static")["changed"]
    world.entry["TopologyType"] = "dynamic"
    result = run(check, state="static")
    assert result["changed"] and result["dynamic_left"]
    assert result["diff"]["before"].startswith("topology type: dynamic") and result["diff"]["after"].startswith("topology type: static")
    assert world.entry["TopologyType"] == ("dynamic" if check else "static")
    assert world.transfers == []


def test_restored_fails_with_the_refusals(world: RepairWorld, run: Callable[..., dict[str, Any]]) -> None:
    """Breaks when a refusal is a traceback, or doesn't fail."""
    world.forget("db1")
    world.kv.clear()
    for check in (True, False):
        assert "-e horaedb_assignment_file" in run(check, state="restored")["msg"]
    assert "names shard 8" in run(shards={"8": "db1"})["msg"]
    assert "option evidence" in run(evidence={"db1": "all"})["msg"]


def test_evidence_is_used_only_when_it_is_sure_and_accepted(world: RepairWorld, run: Callable[..., dict[str, Any]]) -> None:
    """Breaks when a guess is put to use."""
    world.kv.clear()
    world.forget("db1")
    for options in ({"evidence": DISKS}, {"evidence": {"db1": [0, 3, 6]}, "from_evidence": True}):
        assert run(state="restored", **options)["failed"]
    assert world.topology_types == []
    result = run(state="planned", evidence=DISKS)
    assert result["unplaced"] == [0, 3, 6] and result["proposal"]["sure"] and "proposed, and sure:" in result["plan"]
    assert run(state="restored", evidence=DISKS, from_evidence=True)["restored"] == {"0": "db1", "3": "db1", "6": "db1"}
    assert world.whole


def test_the_evidence_of_one_host(world: RepairWorld, run: Callable[..., dict[str, Any]], tmp_path: pathlib.Path) -> None:
    """Breaks when the wrong directory is read, or one that can't be read passes for an empty one."""
    (tmp_path / "wal" / "3").mkdir(parents=True)
    (tmp_path / "wal" / "3" / "1.log").write_text("x")
    topology = world.topology.to_dict()
    for node in topology["nodes"]:
        node["wal_dir"] = str(tmp_path)
    topology["nodes"][1]["wal"] = "Kafka"
    assert run(module=shard_evidence, topology=topology, host="db1")["shards"] == [3]
    assert run(module=shard_evidence, paths=[str(tmp_path)])["found"] == {"3": [str(tmp_path / "wal" / "3")]}
    assert "db2 is Kafka" in run(module=shard_evidence, topology=topology, host="db2")["msg"]
    assert "no data node" in run(module=shard_evidence, topology=topology, host="meta1")["msg"]
    assert "can't be read: %s/none" % tmp_path in run(module=shard_evidence, paths=["%s/none" % tmp_path])["msg"]


def test_the_record_s_error_is_no_bar_to_the_operator_s_word(world: RepairWorld) -> None:
    """Breaks when a broken record can't be got round."""
    world.forget("db1")
    world.kv[KEY] = ("{", 7)
    given = dict.fromkeys(OF_DB1, world.nodes["db1"].name)
    assert plan(world, given).lost == OF_DB1 and plan(world, given).refusals == ()

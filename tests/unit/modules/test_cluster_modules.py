"""The modules as Ansible runs them: options in, one JSON document out."""

from __future__ import annotations

import json
import re

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.horaedb.cluster.plugins.module_utils.health import read as observing
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import transfer
from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment, journal, operation_lock
from ansible_collections.horaedb.cluster.plugins.module_utils.records import operation as records_operation
from ansible_collections.horaedb.cluster.plugins.module_utils.records.journal import Operation
from ansible_collections.horaedb.cluster.plugins.modules import cluster_info, cluster_ready, meta_leader, node_downtime, operation

from tests.unit.helpers.etcd_server import etcd

KEY = assignment.key("defaultCluster")


@pytest.fixture
def run(capsys):
    def execute(module, topology, check=False, **options):
        options.setdefault("request_timeout", 0.5)
        arguments = {"topology": topology if isinstance(topology, dict) else topology.to_dict(), "_ansible_check_mode": check, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
            module.main()
        result = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) == bool(ended.value.code)
        return result

    return execute


def ready(run, world, **options):
    return run(cluster_ready, world.topology, **{"timeout": 2, "interval": 0.05, **options})


@pytest.mark.parametrize("module", [cluster_info, cluster_ready, meta_leader])
@pytest.mark.parametrize(
    ("topology", "options", "why"),
    [
        ({"cluster": "c"}, {}, "isn't what horaedb.cluster.topology_check returns"),
        ({"members": [1], "nodes": []}, {}, "isn't what horaedb.cluster.topology_check returns"),
        (None, {"request_timeout": 0}, "request_timeout has to be more than 0"),
    ],
)
def test_bad_options_make_a_sentence(run, world, module, topology, options, why):
    if module is meta_leader:
        options = {**options, "state": "moved"}
    result = run(module, topology or world.topology, **options)
    assert result["failed"]
    assert why in result["msg"]


@pytest.mark.parametrize("check", [False, True])
def test_info_reads_and_changes_nothing(run, world, check):
    world.simulator = True
    result = run(cluster_info, world.topology, check)
    assert result["changed"] is False
    assert result["summary"]["healthy"] is True
    assert result["summary"]["leader"] == "meta1"
    assert result["summary"]["nodes"]["db1"]["shards"] == [0, 3, 6]
    assert result["summary"]["endpoint"] == world.topology.node("db1").http
    assert result["observation"]["cluster"]["view"]["3"] == [world.nodes["db1"].name]
    assert "healthy, static topology, 8 of 8 shards mapped, leader meta1" in result["lines"][0]
    assert "SIMULATORS" in result["lines"][1]
    assert {call.method for call in world.calls if call.path != "/api/v1/getNodeShards"} == {"GET"}


def test_info_never_fails_because_something_is_down(run, world):
    topology = world.topology
    world.stop()
    result = run(cluster_info, topology)
    assert not result.get("failed")
    assert result["summary"]["healthy"] is False
    assert len(result["summary"]["problems"]) == 6
    assert result["summary"]["endpoint"] is None


def test_info_offers_a_node_that_serves(run, world):
    world.nodes["db1"].grpc.close()
    result = run(cluster_info, world.topology)
    assert result["summary"]["endpoint"] == world.topology.node("db2").http
    assert result["lines"][-1].endswith(world.topology.node("db2").http + "/sql")


def test_ready_passes_and_tells_who_has_what(run, world):
    result = ready(run, world)
    assert result["changed"] is False
    assert result["assignment"] == {"db1": [0, 3, 6], "db2": [1, 4, 7], "db3": [2, 5]}
    assert (result["leader"], result["proved"], result["record_written"]) == ("meta1", False, False)
    assert KEY not in world.kv
    assert not any(call.path == "/sql" for call in world.calls)


def test_ready_records_once(run, world):
    first = ready(run, world, record=True, prove=True)
    assert (first["changed"], first["record_written"], first["proved"]) == (True, True, True)
    assert first["diff"]["before"] == ""
    assert json.loads(first["diff"]["after"])["shards"] == {str(shard): name for shard, name in world.view}
    stored = world.kv[KEY]
    second = ready(run, world, record=True, prove=True)
    assert (second["changed"], second["record_written"], second["proved"]) == (False, False, True)
    assert world.kv[KEY] == stored


def test_ready_in_check_mode_writes_nothing(run, world):
    result = ready(run, world, check=True, record=True, prove=True)
    assert (result["changed"], result["record_written"], result["proved"]) == (True, True, False)
    assert "192.0.2.21" in result["diff"]["after"]
    assert KEY not in world.kv
    assert not [call for call in world.calls if call.path in ("/sql", "/debug/flush_memtable")]


def test_ready_in_check_mode_passes_on_fresh_hosts(run, world, monkeypatch):
    # Not from the result: where another test has imported a controller's class, Ansible shows warnings as the controller does.
    warned = []
    monkeypatch.setattr(cluster_ready.AnsibleModule, "warn", lambda _module, text: warned.append(text))
    topology = world.topology
    world.stop()
    result = run(cluster_ready, topology, check=True, timeout=1, interval=0.05, record=True, prove=True)
    assert result["changed"] is True
    assert result["assignment"] == {"db1": [], "db2": [], "db3": []}
    assert len(result["problems"]) == len(warned) == 6
    assert run(cluster_ready, topology, timeout=0.1, interval=0.05)["failed"]


def test_nothing_is_proved_or_recorded_before_the_gate(run, world):
    world.nodes["db1"].shards[3] = "Opening"
    result = ready(run, world, timeout=0.2, record=True, prove=True)
    assert result["failed"]
    assert "shard 3 is Opening" in result["problems"][0]
    assert KEY not in world.kv
    assert not any(call.path == "/sql" for call in world.calls)


def test_nothing_is_recorded_without_the_proof(run, world):
    world.nodes["db3"].flush = {"success": [], "failed": ["t"]}
    result = ready(run, world, record=True, prove=True)
    assert "couldn't flush t" in result["msg"]
    assert KEY not in world.kv


def test_ready_expects_what_the_gate_before_returned(run, world):
    gate = ready(run, world)
    assert not ready(run, world, expect={"db2": gate["assignment"]["db2"]}).get("failed")
    assert "instead of 1, 4" in ready(run, world, expect={"db2": [1, 4]}, timeout=0.1)["msg"]


def test_ready_without_a_node_that_is_about_to_be_restarted(run, world):
    world.nodes["db2"].shards[4] = "Opening"
    result = ready(run, world, without="db2")
    assert result["assignment"]["db2"] == [1, 4, 7]
    assert ready(run, world, without="db1", timeout=0.1)["failed"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"scope": "members", "record": True}, "option record needs scope: cluster"),
        ({"scope": "nodes", "expect": {"db1": [0]}}, "option expect needs scope: cluster"),
        ({"expect": {"meta1": [0]}}, "host meta1 .* has no data node; the data nodes are db1, db2, db3"),
        ({"without": "db9"}, "host db9"),
        ({"expect": {"db1": "all"}}, "list of shard numbers"),
        ({"expect": {"db1": 3}}, "list of shard numbers"),
        ({"stable": 0}, "stable has to be 1 or more"),
        ({"interval": 0}, "interval more than 0"),
        ({"timeout": -1}, "timeout may not be negative"),
    ],
)
def test_ready_refuses_what_makes_no_sense(run, world, options, why):
    result = ready(run, world, **options)
    assert result["failed"]
    assert re.search(why, result["msg"])
    assert world.calls == []


def test_leader_moves_and_tells(run, world):
    result = run(meta_leader, world.topology, state="away", host="meta1")
    assert (result["changed"], result["previous"], result["leader"]) == (True, "meta1", "meta2")
    assert result["diff"] == {"before": "leader: meta1\n", "after": "leader: meta2\n"}
    again = run(meta_leader, world.topology, state="away", host="meta1")
    assert (again["changed"], again["leader"]) == (False, "meta2")


def test_leader_in_check_mode_moves_nothing(run, world):
    result = run(meta_leader, world.topology, check=True, state="at", host="meta3")
    assert (result["changed"], result["leader"], world.leader) == (True, "meta3", "meta1")
    topology = world.topology
    world.stop()
    assert run(meta_leader, topology, check=True, state="away", host="meta1")["changed"] is False


def test_leader_refuses_with_a_sentence(run, world, monkeypatch):
    monkeypatch.setattr(transfer, "SETTLED", 0.0)
    topology = world.topology
    world.members["meta2"].stop()
    assert "the quorum is 2" in run(meta_leader, topology, state="away", host="meta1")["msg"]
    assert "missing: host" in run(meta_leader, topology, state="away")["msg"]
    assert "no HoraeMeta member" in run(meta_leader, topology, state="at", host="db1")["msg"]


def test_info_looks_again_during_an_election_and_only_then(run, world, monkeypatch):
    looks = []
    observe = observing.observe

    def third_time_lucky(*args, **kwargs):
        looks.append(1)
        world.members["meta2"].names = None if len(looks) == 3 else "meta3"
        return observe(*args, **kwargs)

    monkeypatch.setattr(observing, "observe", third_time_lucky)
    monkeypatch.setattr(observing, "SETTLING", 0.05)
    assert run(cluster_info, world.topology, settle=5)["summary"]["leader"] == "meta1"
    assert len(looks) == 3
    looks.clear()
    assert run(cluster_info, world.topology)["summary"]["leader"] is None, "without settle there is one look"
    assert len(looks) == 1


def test_info_does_not_wait_for_a_cluster_that_is_not_there(run, world, monkeypatch):
    looks = []
    observe = observing.observe
    monkeypatch.setattr(observing, "observe", lambda *args, **kwargs: looks.append(1) or observe(*args, **kwargs))
    for member in world.members.values():
        member.stop()
    run(cluster_info, world.topology, settle=60)
    assert len(looks) == 1


# With a real etcd below, because lock and journal are leases and transactions.

ANN = Operation("aaaa", "restart.yml", "ann", "laptop", "2026-11-24T10:00:00Z", "laptop boot1", 100, "1").to_dict()
BOB = Operation("bbbb", "site.yml", "bob", "ci", "2026-11-24T10:05:00Z", "ci boot2", 200, "2").to_dict()


@pytest.fixture
def stored(world, tmp_path, monkeypatch):
    """A world whose etcd keeps what it is given."""
    monkeypatch.setattr(records_operation.Operations.__init__, "__defaults__", (2.0, str(tmp_path / "run")))
    with etcd(tmp_path) as port:
        world.real_etcd = "http://127.0.0.1:%d" % port
        yield world


def test_an_operation_begins_with_a_look_and_shuts_others_out(run, stored):
    begun = run(operation, stored.topology, state="begun", operation=ANN)
    assert begun["operation"] == ANN and begun["changed"]
    assert begun["observation"]["leader"] == "meta1"
    refused = run(operation, stored.topology, state="begun", operation=BOB)
    assert refused["failed"] and refused["holder"] == ANN
    assert "restart.yml by ann on laptop" in refused["msg"]
    assert run(operation, stored.topology, state="begun", operation=BOB, take_over=["aaaa"])["operation"] == BOB
    lost = run(operation, stored.topology, state="step", operation=ANN, name="restart db1")
    assert lost["failed"] and "taken over: site.yml by bob" in lost["msg"]


def test_in_check_mode_nothing_is_taken_and_a_refusal_is_foretold(run, stored, monkeypatch):
    warned = []
    monkeypatch.setattr(operation.AnsibleModule, "warn", lambda _module, text: warned.append(text))
    run(operation, stored.topology, check=True, state="begun", operation=BOB)
    assert warned == []
    run(operation, stored.topology, state="begun", operation=ANN)
    assert not run(operation, stored.topology, check=True, state="begun", operation=BOB).get("failed")
    assert "restart.yml by ann" in warned[0]
    for state in ("step", "ended", "dropped"):
        assert not run(operation, stored.topology, check=True, state=state, operation=ANN, name="x")["changed"]
    [entry] = records_operation.entries(stored.topology)
    assert (entry.operation.id, entry.result, entry.steps) == ("aaaa", journal.RUNNING, ())


def test_the_last_gate_ends_the_operation_and_only_when_all_is_well(run, stored):
    run(operation, stored.topology, state="begun", operation=ANN)
    stored.nodes["db1"].shards[3] = "Opening"
    assert ready(run, stored, timeout=0.1, operation=ANN)["failed"]
    assert operation_lock.EtcdLock(stored.topology, 2).holder().id == "aaaa"
    stored.nodes["db1"].shards[3] = "Ready"
    after = {"db1": {"horaedb": {"version": "2.1.0", "generation": "g"}}}
    assert not ready(run, stored, record=True, operation=ANN, after=after).get("failed")
    [entry] = records_operation.entries(stored.topology)
    assert (entry.result, entry.after) == (journal.OK, after)
    assert operation_lock.EtcdLock(stored.topology, 2).holder() is None
    told = run(cluster_info, stored.topology, journal=5)
    assert told["operation"] is None
    assert told["journal"][0]["operation"] == ANN
    assert any("restart.yml by ann on laptop  ok" in line for line in told["lines"])


def test_a_failure_is_told_even_where_it_cannot_be_written_down(run, world, monkeypatch):
    monkeypatch.setattr(operation_lock, "PATIENCE", 0.5)
    topology = world.topology
    world.stop()
    result = run(operation, topology, state="ended", result="failed", operation=ANN, reason="db1: it crashed")
    assert not result.get("failed") and not result["changed"]
    assert "restart.yml stopped: db1: it crashed" in result["msg"]
    assert "The journal couldn't be written" in result["msg"] and "lock is free" not in result["msg"]
    assert run(operation, topology, state="ended", operation=ANN)["failed"]


def test_a_failed_run_says_who_has_the_lock_now(run, stored):
    """Breaks when an operator whose lock was taken over is told that it is free, and types the command again."""
    topology, bob = stored.topology, {**ANN, "id": "bbbb", "who": "bob"}
    run(operation, topology, state="begun", operation=ANN)
    failed = run(operation, topology, state="ended", result="failed", operation=ANN, reason="db1: it crashed")
    assert "The cluster's lock is free." in failed["msg"]
    run(operation, topology, state="begun", operation=ANN)
    run(operation, topology, state="begun", operation=bob, take_over=["aaaa"])
    late = run(operation, topology, state="ended", result="failed", operation=ANN, reason="db1: it crashed")
    assert "lock is somebody else's by now" in late["msg"] and "is free" not in late["msg"]
    assert operation_lock.EtcdLock(topology, 2).holder().id == "bbbb"


def test_a_downtime_is_noted_shown_and_ended(run, stored):
    topology = stored.topology
    assert run(node_downtime, topology, check=True, state="begun", host="db1", who="ann")["changed"]
    assert run(node_downtime, topology, state="ended", host="db1")["changed"] is False
    begun = run(node_downtime, topology, state="begun", host="db1", who="ann")
    assert begun["changed"] and begun["diff"]["before"] == ""
    again = run(node_downtime, topology, state="begun", host="db1", who="bob")
    assert (again["changed"], again["since"]) == (False, begun["since"])
    told = run(cluster_info, topology)
    assert told["observation"]["cluster"]["downtimes"] == {"db1": {"since": begun["since"], "who": "ann"}}
    assert told["summary"]["nodes"]["db1"]["downtime"] == "in a planned downtime since %s, by ann" % begun["since"]
    ended = run(node_downtime, topology, state="ended", host="db1")
    assert ended["changed"] and ended["seconds"] >= 0
    assert run(node_downtime, topology, state="ended", host="db1")["seconds"] is None
    assert "they are on db1, db2, db3" in run(node_downtime, topology, state="begun", host="meta1")["msg"]


@pytest.mark.parametrize(("state", "why"), [("step", "name"), ("ended", "option operation isn't what")])
def test_an_operation_that_is_none_makes_a_sentence(run, world, state, why):
    result = run(operation, world.topology, state=state, **({} if state == "ended" else {"operation": ANN}))
    assert result["failed"] and why in result["msg"]


def test_a_wait_returns_who_has_to_be_ended(run, world, monkeypatch):
    """What roles/operation/tasks/wait_ready.yml acts on."""
    monkeypatch.setattr(observing, "ROUTED_TIMEOUT", 0.4)
    assert ready(run, world)["hung"] == []
    world.hangs = {"meta1"}
    result = run(cluster_ready, world.topology, request_timeout=2.0, timeout=20, interval=0.05)
    assert result["failed"]
    assert (result["hung"], world.leader) == (["meta1"], "meta2")


def test_a_member_is_ended_by_its_unit(run, world, monkeypatch, tmp_path):
    """systemctl gets SIGKILL's name, and a start: somebody may have stopped the unit meanwhile."""
    monkeypatch.setattr(observing, "ROUTED_TIMEOUT", 0.4)
    program, said = tmp_path / "systemctl", tmp_path / "said"
    program.write_text('#!/bin/sh\n[ "$1" = show ] && echo 1 || echo "$@" >> %s\n' % said)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    world.hangs, world.leader = {"meta2"}, "meta1"
    assert run(meta_leader, world.topology, check=True, state="cured", host="meta2")["killed"] == 1
    assert not said.exists()
    result = run(meta_leader, world.topology, state="cured", host="meta2", timeout=6)
    assert result["failed"], "this systemctl ends nothing"
    assert "HoraeMeta on meta2 was killed" in result["msg"]
    assert said.read_text().splitlines()[:2] == ["kill --signal=SIGKILL horaemeta.service", "start --no-block horaemeta.service"]
    world.hangs = set()
    again = run(meta_leader, world.topology, state="cured", host="meta2")
    assert (again["changed"], again["killed"], again["hung"]) == (False, 0, [])
    assert "missing: host" in run(meta_leader, world.topology, state="cured")["msg"]
    assert "no HoraeMeta member" in run(meta_leader, world.topology, state="cured", host="db1")["msg"]

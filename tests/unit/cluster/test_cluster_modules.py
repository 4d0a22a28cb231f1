"""The modules as Ansible runs them: options in, one JSON document out."""

from __future__ import annotations

import json
import re

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.horaedb.cluster.plugins.module_utils import assignment, leadership
from ansible_collections.horaedb.cluster.plugins.modules import cluster_info, cluster_ready, meta_leader

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
    monkeypatch.setattr(leadership, "SETTLED", 0.0)
    topology = world.topology
    world.members["meta2"].stop()
    assert "the quorum is 2" in run(meta_leader, topology, state="away", host="meta1")["msg"]
    assert "missing: host" in run(meta_leader, topology, state="away")["msg"]
    assert "no HoraeMeta member" in run(meta_leader, topology, state="at", host="db1")["msg"]


def test_info_looks_again_during_an_election_and_only_then(run, world, monkeypatch):
    looks = []
    observe = cluster_info.observe

    def third_time_lucky(*args, **kwargs):
        looks.append(1)
        world.members["meta2"].names = None if len(looks) == 3 else "meta3"
        return observe(*args, **kwargs)

    monkeypatch.setattr(cluster_info, "observe", third_time_lucky)
    monkeypatch.setattr(cluster_info, "INTERVAL", 0.05)
    assert run(cluster_info, world.topology, settle=5)["summary"]["leader"] == "meta1"
    assert len(looks) == 3
    looks.clear()
    assert run(cluster_info, world.topology)["summary"]["leader"] is None, "without settle there is one look"
    assert len(looks) == 1


def test_info_does_not_wait_for_a_cluster_that_is_not_there(run, world, monkeypatch):
    looks = []
    observe = cluster_info.observe
    monkeypatch.setattr(cluster_info, "observe", lambda *args, **kwargs: looks.append(1) or observe(*args, **kwargs))
    for member in world.members.values():
        member.stop()
    run(cluster_info, world.topology, settle=60)
    assert len(looks) == 1

"""Whole, proved, recorded: in this order, and nothing is done that was not earned."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils import assignment, smoke, verify
from ansible_collections.horaedb.cluster.plugins.module_utils.assignment import Assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.observe import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.verify import Failed, Gate

KEY = assignment.key("defaultCluster")
NO_ROUTE = (400, {"code": 400, "message": 'Internal err: Execution error: Table is not found, "table:t".'})
RECOVERING = (400, {"code": 400, "message": "Table is not ready, err:Invalid table status, status:Recovering"})


def pass_gate(world, timeout=1.0, stable=3, **options):
    return verify.passed(Gate(world.topology, request_timeout=0.5, **options), timeout, stable, 0.05)


def prove(world, timeout=1.0):
    return verify.proved(world.topology, timeout, 0.05)


def test_a_whole_cluster_passes_after_three_looks(world):
    passed = pass_gate(world)
    assert passed.seen.leader == "meta1"
    assert passed.notes == ()
    assert [call.host for call in world.calls if call.path == "/debug/shards"].count("db1") == 3


def test_a_moment_that_looks_well_is_not_enough(world):
    looks = []

    def flap(call):
        if (call.host, call.path) == ("db1", "/debug/shards"):
            looks.append(call)
            world.nodes["db1"].shards[0] = "Opening" if len(looks) == 3 else "Ready"

    world.before_answer = flap
    pass_gate(world)
    assert len(looks) == 6


def test_a_timeout_tells_everything_that_is_missing(world):
    world.nodes["db1"].shards[3] = "Opening"
    world.members["meta2"].learner = True
    with pytest.raises(
        Failed, match=r"cluster defaultCluster isn't ready after waiting 0 s:\n  member meta2 .*\n  shard 3 is Opening"
    ) as failure:
        pass_gate(world, timeout=0.1)
    assert len(failure.value.problems) == 2


@pytest.mark.parametrize(
    ("scope", "break_it", "head"),
    [
        (verify.MEMBERS, lambda w: w.members["meta3"].stop(), "the members aren't ready"),
        (verify.NODES, lambda w: w.nodes["db3"].stop(), "the data nodes aren't ready"),
    ],
)
def test_a_scope_looks_at_nothing_else(world, scope, break_it, head):
    world.broken["/api/v1/getNodeShards"] = (500, {})
    topology = world.topology
    gate = Gate(topology, scope, request_timeout=0.5)
    verify.passed(gate, 1.0, 3, 0.05)
    hosts = {call.host for call in world.calls}
    assert hosts == ({"meta1", "meta2", "meta3"} if scope == verify.MEMBERS else {"db1", "db2", "db3"})
    break_it(world)
    with pytest.raises(Failed, match=head):
        verify.passed(gate, 0.1, 3, 0.05)


def test_what_never_heals_is_not_waited_for(world, monkeypatch):
    monkeypatch.setattr(verify, "HOPELESS_AFTER", 0.2)
    record = Assignment("defaultCluster", "static", dict(world.view), ())
    world.kv[KEY] = (record.to_json(), 3)
    world.view = world.view[1:]
    with pytest.raises(Failed, match="after waiting 0 s:\n  shard 0 is forgotten"):
        pass_gate(world, timeout=30)


def test_a_dry_run_takes_silent_hosts_for_hosts_to_be(world):
    topology = world.topology
    world.nodes["db3"].stop()
    dry = Gate(topology, request_timeout=0.5, dry=True)
    notes = verify.passed(dry, 1.0, 3, 0.05).notes
    assert ["db3" in note for note in notes] == [True, True]
    world.nodes["db1"].shards[3] = "Opening"
    with pytest.raises(Failed, match="shard 3 is Opening"):
        verify.passed(dry, 0.1, 3, 0.05)


def test_a_dry_run_on_fresh_hosts_passes(world):
    topology = world.topology
    world.stop()
    passed = verify.passed(Gate(topology, request_timeout=0.5, dry=True), 1.0, 3, 0.05)
    assert len(passed.notes) == 6
    with pytest.raises(Failed):
        verify.passed(Gate(topology, request_timeout=0.5), 0.1, 3, 0.05)


def test_the_proof_writes_flushes_everywhere_and_reads_everywhere(world):
    prove(world)
    did = [(call.host, call.verb) for call in world.calls]
    assert did[:2] == [("db1", "CREATE"), ("db1", "INSERT")]
    assert sorted(did[2:5]) == [(host, "/debug/flush_memtable") for host in ("db1", "db2", "db3")]
    assert sorted(did[5:]) == [(host, "SELECT") for host in ("db1", "db2", "db3")]


def test_every_proof_overwrites_the_same_row_with_something_new(world):
    prove(world)
    prove(world)
    statements = [call.body[1]["query"] for call in world.calls if call.verb == "INSERT"]
    rows = [statement.rsplit(",", 1) for statement in statements]
    assert rows[0][0] == rows[1][0]
    assert rows[0][1] != rows[1][1]


@pytest.mark.parametrize("hiccups", [[NO_ROUTE], [RECOVERING, NO_ROUTE], [(503, b"")]])
def test_a_hiccup_of_the_routing_is_tried_again(world, hiccups):
    world.nodes["db1"].sql = list(hiccups)
    prove(world)
    assert [call.verb for call in world.calls].count("INSERT") == 1


def test_a_select_hiccup_through_one_node_does_not_write_again(world):
    world.nodes["db3"].sql = [NO_ROUTE, NO_ROUTE]
    prove(world)
    assert [call.verb for call in world.calls].count("INSERT") == 1


def test_a_hiccup_that_lasts_is_told(world):
    world.nodes["db2"].sql = [NO_ROUTE] * 100
    with pytest.raises(
        Failed,
        match=r"even after waiting 0 s:\n  SELECT through data node db2 \(.*\) failed: .*/sql answered HTTP 400: .*Table is not found",
    ):
        prove(world, timeout=0.2)


def test_a_flush_that_fails_is_final(world):
    """A missing bucket: everything was acknowledged, and HTTP says 200."""
    world.nodes["db2"].flush = {"success": [], "failed": ["horaedb_cluster_smoke"]}
    with pytest.raises(Failed, match=r"data node db2 .* couldn't flush horaedb_cluster_smoke"):
        prove(world, timeout=30)


@pytest.mark.parametrize(
    ("node", "answers", "why"),
    [
        ("db3", [(200, {"rows": []})], "SELECT through data node db3 .* answered {'rows': \\[\\]}"),
        ("db3", [(200, {"rows": [{"nonce": "of an older proof"}]})], "older proof"),
        ("db1", [(200, {"affected_rows": 0}), (200, {"affected_rows": 0})], "INSERT through data node db1 .* should have written one row"),
        ("db1", [(401, {"code": 401, "message": "no"})], "prove: false"),
        ("db1", [(200, b"<html>")], "isn't JSON"),
    ],
)
def test_a_wrong_answer_is_final(world, node, answers, why):
    world.nodes[node].sql = answers
    with pytest.raises(Failed, match=why):
        prove(world, timeout=30)


def test_a_node_that_does_not_answer_the_proof_is_named(world, monkeypatch):
    monkeypatch.setattr(smoke, "SQL_TIMEOUT", 0.2)
    world.nodes["db1"].http.hang = True
    with pytest.raises(Failed, match=r"CREATE through data node db1 .* got no answer: .*nothing within 0.2 s"):
        prove(world, timeout=0.3)


def record(world):
    seen = pass_gate(world).seen
    wanted = verify.assignment_of(world.topology, seen)
    verify.write_record(world.topology, seen, wanted, 1.0)
    return seen, wanted


def test_the_record_is_what_the_gate_saw(world):
    _seen, wanted = record(world)
    assert Assignment.from_json(world.kv[KEY][0]) == wanted
    assert wanted.shards == dict(world.view)
    assert observe(world.topology).cluster.record == wanted


def test_a_record_that_is_out_of_date_is_replaced(make_world):
    world = make_world(topology_type="dynamic")
    record(world)
    world.nodes["db2"].shards[0] = world.nodes["db1"].shards.pop(0)
    world.view[0] = (0, world.nodes["db2"].name)
    _seen, wanted = record(world)
    assert wanted.shards[0] == world.nodes["db2"].name
    assert Assignment.from_json(world.kv[KEY][0]) == wanted


def test_a_record_that_somebody_else_changed_meanwhile_is_left_alone(world):
    seen, wanted = record(world)
    theirs = world.kv[KEY]
    with pytest.raises(Failed, match="somebody else changed"):
        verify.write_record(world.topology, seen, wanted, 1.0)
    assert world.kv[KEY] == theirs


def test_an_assignment_survives_json():
    record_ = Assignment("c", "static", {0: "a:1", 11: "b:2"}, ("a:1", "b:2"))
    assert Assignment.from_json(record_.to_json()) == record_
    assert Assignment.from_json(record_.to_json(indent=1)) == record_

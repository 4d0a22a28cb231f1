"""Whole, proved, recorded: in this order, and nothing is done that was not earned."""

from __future__ import annotations

import time

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.health import write_read_test
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import observe
from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.records.assignment import Assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.verification import verify
from ansible_collections.horaedb.cluster.plugins.module_utils.verification.verify import Failed, Gate

KEY = assignment.key("defaultCluster")
NO_ROUTE = (400, {"code": 400, "message": 'Internal err: Execution error: Table is not found, "table:t".'})
TABLE_RECOVERING = (
    400,
    {
        "code": 400,
        "message": "Internal err:Rpc error, code:500, message:Failed to find table, table_name:t3, err:Table is not ready, "
        "err:Invalid table status, status:Recovering.",
    },
)
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


def verbs(world):
    return [call.verb for call in world.calls if call.path == "/sql"]


def test_the_proof_writes_flushes_everywhere_and_reads_everywhere(world):
    prove(world)
    did = [(call.host, call.verb) for call in world.calls]
    assert did[:3] == [("db1", "INSERT"), ("db1", "CREATE"), ("db1", "INSERT")]
    assert sorted(did[3:6]) == [(host, "/debug/flush_memtable") for host in ("db1", "db2", "db3")]
    assert sorted(did[6:]) == [(host, "SELECT") for host in ("db1", "db2", "db3")]


def test_a_table_that_exists_is_neither_created_nor_dropped(world):
    """Breaks when a later run asks for CREATE: real HoraeDB refuses it for a table that exists, and each CREATE counts up a shard's version."""
    prove(world)
    world.calls.clear()
    assert prove(world).notes == ()
    assert verbs(world) == ["INSERT", "SELECT", "SELECT", "SELECT"]


def test_a_create_that_was_done_and_not_answered_is_seen_by_the_next_insert(world, monkeypatch):
    monkeypatch.setattr(write_read_test, "SQL_TIMEOUT", 0.2)

    def create_and_say_nothing(call):
        if call.verb == "CREATE":
            world.tables[write_read_test.TABLES[0]] = None
            time.sleep(0.3)

    world.before_answer = create_and_say_nothing
    assert prove(world, timeout=5).notes == ()
    assert verbs(world).count("CREATE") == 1


def test_a_table_that_only_horaemeta_has_is_forgotten_there_and_created_again(world, monkeypatch):
    """Breaks when it stays: at its node's next restart the missing table would keep the whole shard from opening."""
    monkeypatch.setattr(write_read_test, "HALF_MADE_AFTER", 0.2)
    world.listed_only.add(write_read_test.TABLES[0])
    world.members["meta1"].api.stop()
    monkeypatch.setattr(verify.Gate, "look", lambda _gate, _cure: (None, []))
    notes = prove(world, timeout=5).notes
    assert "horaedb_cluster_smoke of the write-read test was half made" in notes[0]
    assert "ansible-playbook horaedb.cluster.restart" in notes[0], "the shard's version differs until then"
    assert len(notes) == 1
    assert list(world.tables) == [write_read_test.TABLES[0]]
    assert world.listed_only == set()


def test_metadata_that_cannot_be_deleted_are_told(world, monkeypatch):
    monkeypatch.setattr(write_read_test, "HALF_MADE_AFTER", 0.1)
    world.listed_only.add(write_read_test.TABLES[0])
    world.broken["/api/v1/table"] = (500, {"status": "error", "error": "(#500)table error", "msg": "(#404)shard not found\nserver.go:3311"})
    notes = prove(world, timeout=5).notes
    assert [note.endswith("/api/v1/table answered HTTP 500: (#500)table error: (#404)shard not found") for note in notes] == [True]
    assert list(world.tables) == [write_read_test.TABLES[1]]


MISMATCH = "Internal err:Rpc error, code:500, message:" + "plan " * 100 + "Shard version mismatch, shard_info:ShardInfo { id: 3 }, expect_version:7"


def test_a_table_that_cannot_be_created_is_left_for_another_one(world, monkeypatch):
    """A node has it and HoraeMeta hasn't mapped it: every CREATE on that shard is refused until the node is restarted."""
    monkeypatch.setattr(write_read_test, "HALF_MADE_AFTER", 0.2)
    world.refused_creates[write_read_test.TABLES[0]] = MISMATCH
    notes = prove(world, timeout=5).notes
    assert list(world.tables) == [write_read_test.TABLES[1]]
    assert len(notes) == 1
    assert "horaedb_cluster_smoke of the write-read test is half made and horaedb_cluster_smoke_2 is used" in notes[0]
    assert "Shard version mismatch, shard_info:ShardInfo { id: 3 }, expect_version:7. If CREATE TABLE" in notes[0]
    assert notes[0].endswith("ansible-playbook horaedb.cluster.restart --limit horaedb")
    assert not [call for call in world.calls if call.path == "/api/v1/table"]


@pytest.mark.parametrize("half_made", ["listed", "refused"])
def test_a_cluster_that_has_lost_a_shard_is_not_judged_by_its_tables(world, monkeypatch, half_made):
    """Breaks when a lost shard's table is replaced by one on another shard: the cluster would be green without that shard."""
    monkeypatch.setattr(write_read_test, "HALF_MADE_AFTER", 0.1)
    if half_made == "listed":
        world.listed_only.add(write_read_test.TABLES[0])
    else:
        world.refused_creates[write_read_test.TABLES[0]] = MISMATCH
    world.view = world.view[1:]
    with pytest.raises(Failed, match="CREATE through data node db1"):
        prove(world, timeout=1)
    assert world.tables == {}
    assert not [call for call in world.calls if call.path == "/api/v1/table"]


def test_a_table_that_another_node_finds_is_not_half_made(world, monkeypatch):
    """Breaks when a first node that doesn't find its way is taken for a missing table."""
    monkeypatch.setattr(write_read_test, "HALF_MADE_AFTER", 0.1)
    world.tables[write_read_test.TABLES[0]] = "of an older proof"
    exists = (400, {"code": 400, "message": "table already exists"})

    def find_nothing(call):
        if (call.host, call.path) == ("db1", "/sql"):
            world.nodes["db1"].sql = [exists if call.verb == "CREATE" else NO_ROUTE]

    world.before_answer = find_nothing
    with pytest.raises(Failed, match="CREATE through data node db1"):
        prove(world, timeout=1)
    assert world.tables == {write_read_test.TABLES[0]: "of an older proof"}
    assert not [call for call in world.calls if call.path == "/api/v1/table"]


def test_a_cluster_that_refuses_every_table_fails_with_the_cause(world, monkeypatch):
    monkeypatch.setattr(write_read_test, "HALF_MADE_AFTER", 0.1)
    world.refused_creates.update(dict.fromkeys(write_read_test.TABLES, MISMATCH))
    with pytest.raises(Failed, match=r"(?s)even after waiting 1 s:\n  CREATE .*expect_version:7\n  table horaedb_cluster_smoke .*_smoke_2 of"):
        prove(world, timeout=1)


def test_a_table_whose_shard_is_opening_is_never_half_made(world, monkeypatch):
    monkeypatch.setattr(write_read_test, "HALF_MADE_AFTER", 0.0)
    world.nodes["db1"].sql = [RECOVERING, TABLE_RECOVERING] * 50
    with pytest.raises(Failed, match="status:Recovering"):
        prove(world, timeout=0.3)
    assert set(verbs(world)) == {"INSERT"}


def test_every_proof_overwrites_the_same_row_with_something_new(world):
    prove(world)
    prove(world)
    statements = [call.body[1]["query"] for call in world.calls if call.verb == "INSERT"]
    rows = [statement.rsplit(",", 1) for statement in statements[1:]]
    assert rows[0][0] == rows[1][0]
    assert rows[0][1] != rows[1][1]


def test_two_proofs_at_once_both_pass(world):
    """Breaks when the row of another run is taken for a lost write."""

    def overwrite(call):
        if (call.host, call.verb) == ("db2", "SELECT") and verbs(world).count("INSERT") < 4:
            world.tables[write_read_test.TABLES[0]] = "of another run"

    world.before_answer = overwrite
    prove(world)
    assert verbs(world).count("INSERT") == 4


def test_a_row_that_stays_an_older_one_is_a_lost_write(world):
    world.nodes["db3"].sql = [(200, {"rows": [{"nonce": "of an older proof"}]})] * 50
    with pytest.raises(Failed, match=r"SELECT through data node db3 .*of an older proof"):
        prove(world, timeout=30)
    assert verbs(world).count("INSERT") == write_read_test.ROUNDS + 1


@pytest.mark.parametrize("hiccups", [[NO_ROUTE], [RECOVERING, NO_ROUTE], [(503, b"")]])
def test_a_hiccup_of_the_routing_is_tried_again(world, hiccups):
    world.tables[write_read_test.TABLES[0]] = None
    world.nodes["db1"].sql = list(hiccups)
    assert prove(world).notes == ()
    assert world.tables[write_read_test.TABLES[0]]


def test_a_select_hiccup_through_one_node_does_not_write_again(world):
    world.tables[write_read_test.TABLES[0]] = None
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
        ("db1", [(200, {"affected_rows": 0})], "INSERT through data node db1 .* should have written one row"),
        ("db1", [(401, {"code": 401, "message": "no"})], "prove: false"),
        ("db1", [(200, b"<html>")], "isn't JSON"),
    ],
)
def test_a_wrong_answer_is_final(world, node, answers, why):
    world.nodes[node].sql = answers
    with pytest.raises(Failed, match=why):
        prove(world, timeout=30)


def test_a_node_that_does_not_answer_the_proof_is_named(world, monkeypatch):
    monkeypatch.setattr(write_read_test, "SQL_TIMEOUT", 0.2)
    world.nodes["db1"].http.hang = True
    with pytest.raises(Failed, match=r"INSERT through data node db1 .* got no answer: .*nothing within 0.2 s"):
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
    theirs = world.kv[KEY] = (wanted.to_json().replace("static", "dynamic"), world.kv[KEY][1] + 1)
    with pytest.raises(Failed, match="somebody else changed"):
        verify.write_record(world.topology, seen, wanted, 1.0)
    assert world.kv[KEY] == theirs


def test_an_assignment_survives_json():
    record_ = Assignment("c", "static", {0: "a:1", 11: "b:2"}, ("a:1", "b:2"))
    assert Assignment.from_json(record_.to_json()) == record_
    assert Assignment.from_json(record_.to_json(indent=1)) == record_


def test_a_record_that_was_written_without_an_answer_is_written(world):
    """Breaks when a member that dies between writing and answering makes its own record somebody else's."""
    seen, wanted = record(world)
    world.kv[KEY] = (wanted.to_json(), world.kv[KEY][1] + 1)
    verify.write_record(world.topology, seen, wanted, 1.0)

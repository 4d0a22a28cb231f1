"""Answers, logs and panics in the real ones' words. Each was answered otherwise by the simulator before."""

from __future__ import annotations

import re
from typing import Any

import pytest
from stories.answers import locks_run_out, loopback, recovering, refused_starts, single_member, statements
from stories.elections import elections, hung
from stories.starts import SECRET
from stories.telling import told_by

CHAIN = (
    "Internal error, msg:Failed to execute interpreter, err:Failed to execute create table, err:Failed to create table by table manipulator, "
    'err:Failed to create table, msg:failed to create table by meta client, req:CreateTableRequest { schema_name: "public", name: "kept", '
    'engine: "Analytic", create_if_not_exist: true, options: {"enable_ttl": "false"}, partition_table_info: None }, '
    "err:Bad response, resp code:500, msg:table shard already exists: (#500)table already exists, cause:<nil>."
)


@told_by(statements)
def test_a_table_that_exists_is_refused_by_its_own_node(told: Any) -> None:
    assert told["exists, by its own node"] == "Internal err:Rpc error, code:500, message:Failed to execute plan, err:" + CHAIN


@told_by(statements)
def test_a_table_that_exists_is_refused_through_another_node(told: Any) -> None:
    start = (
        "Internal err:Rpc error, code:500, err:Query failed, err:Failed to execute plan. Caused by: "
        + CHAIN
        + " sql:CREATE TABLE IF NOT EXISTS kept "
    )
    assert told["exists, through another"].startswith(start)
    assert told["exists, without IF NOT EXISTS"] == 400


@told_by(statements)
def test_rows_older_than_a_week_are_acknowledged_and_never_seen(told: Any) -> None:
    assert told["acknowledged"] == [{"affected_rows": 1}] * 4
    assert told["rows of the last week only"] == [True]


@told_by(statements)
def test_without_a_time_to_live_all_rows_are_kept(told: Any) -> None:
    assert told["all rows"]


@told_by(loopback)
def test_nothing_is_forwarded_to_a_loopback_address(told: Any) -> None:
    assert told["mine"] == 200
    assert told["others"].endswith('err:Execution error: Table is not found, "table:TABLE".')


@told_by(statements)
def test_a_flush_makes_two_objects(told: Any) -> None:
    assert told["objects"] == ["1.sst", "1.sst.metadata"]


@told_by(statements)
def test_a_flush_that_failed_once_fails_until_the_node_is_restarted(told: Any) -> None:
    assert told["flush without a store"] and told["flushes with the store again"] == [True, True]
    assert told["words of a later flush"]
    assert not told["flush after a restart"]
    assert told["rows after a restart"] == 3


@pytest.mark.unrecorded("its lines are those of one build")
@told_by(statements)
def test_an_error_of_horaemeta_goes_on_with_a_stack_trace(told: Any) -> None:
    lines = told["error with a trace"]
    assert lines[0] == "get cluster: (#404)cluster not found, cause:cluster name:nope"
    assert "net/http.(*conn).serve" in lines and "runtime.goexit" in lines
    assert any(re.fullmatch(r"\t.*/server/cluster/manager\.go:\d+", line) for line in lines)


@told_by(refused_starts)
def test_rocksdb_is_not_bundled(told: Any) -> None:
    """The panic comes through the log."""
    ended = told["RocksDB"]
    assert ended.code == 1 and ended.err == ""
    assert re.search(
        r"ERRO \[src/components/panic_ext/src/lib\.rs:\d+\] thread 'main' panicked 'RocksDB WAL not bundled!' at \"src/horaedb/src/setup\.rs:\d+\"",
        ended.out,
    )


@told_by(refused_starts)
def test_rocksdb_with_another_key_is_no_configuration(told: Any) -> None:
    """There is no log yet."""
    ended = told["RocksDB and a directory"]
    assert ended.code == 101 and ended.out == ""
    assert re.search(
        r"thread 'main'.* panicked at src/horaedb/bin/horaedb-server\.rs:\d+:\d+:\nFailed to parse config\.: ParseToml \{ path: ", ended.err
    )
    assert "invalid type: map, expected unit struct RocksDBStorageConfig" in ended.err


@told_by(refused_starts)
def test_an_unknown_cluster_is_a_schema_that_can_not_be_created(told: Any) -> None:
    """The word cluster doesn't stand with the not found."""
    ended = told["unknown cluster"]
    words = 'Fail to create default schema: CreateSchemaWithCause { catalog: "horaedb", schema: "public", source: BadResponse { code: 404, msg: "grpc alloc schema id"'
    assert ended.code == 1 and words in ended.out
    assert "cluster not found" not in ended.out + ended.err


@told_by(refused_starts)
def test_a_panic_ends_in_a_backtrace(told: Any) -> None:
    last = told["unknown cluster"].out.rstrip().splitlines()
    assert sum(bool(re.match(r"\s+\d+: ", line)) for line in last[-60:]) >= 12


@told_by(refused_starts)
def test_secrets_are_printed_in_rust_s_form(told: Any) -> None:
    out = told["secret"].out
    assert out.count('key_secret: "%s"' % SECRET) == 2
    assert "key_secret = " not in out


@told_by(statements)
def test_the_configuration_is_printed_as_rust_shows_it(told: Any) -> None:
    log = told["log of a node"]
    assert re.search(
        r'^HoraeDB server tries starting with config:Config \{ node: NodeInfo \{ addr: "[\d.]+", zone: "", .*\}$', log, re.MULTILINE
    )
    assert re.search(
        r'INFO \[src/horaedb/src/setup\.rs:\d+\] Server starts up, config:Config \{\n    node: NodeInfo \{\n        addr: "', log
    )
    assert re.search(r"INFO \[src/cluster/src/cluster_impl\.rs:\d+\] Cluster is starting with config:ClusterConfig \{ ", log)
    assert not re.search(r"^\[cluster_deployment", log, re.MULTILINE)


@told_by(statements)
def test_a_heartbeat_stands_in_both_logs(told: Any) -> None:
    assert (
        len(re.findall(r"INFO \[src/meta_client/src/meta_impl\.rs:\d+\] Meta client finish sending heartbeat", told["log of a node"])) >= 2
    )
    assert (
        len(re.findall(r"^\S+\tinfo\tgrpc/service\.go:\d+\t\[NodeHeartbeat\]\t\{\"clusterName\": ", told["log of a member"], re.MULTILINE))
        >= 2
    )


@told_by(statements)
def test_a_member_s_configuration_is_one_line_of_its_log(told: Any) -> None:
    found = re.search(
        r"^\S+\tinfo\thoraemeta-server/main\.go:\d+\tserver start with config\t(\{.*\})$", told["log of a member"], re.MULTILINE
    )
    assert found and r"\nnode-name = 'm1'\n" in found.group(1) and r"\n[flow-limiter]\n" in found.group(1)


@told_by(locks_run_out)
def test_a_lock_is_renewed_at_three_quarters_first(told: Any) -> None:
    assert told["first renewal"] == [True, True]


@told_by(locks_run_out)
def test_a_lock_that_can_not_be_kept_closes_its_shard_in_time(told: Any) -> None:
    """A node that can't give the lock back panics; no row is lost by it."""
    assert told["given up"] == told["given up in time"] == told["tables closed"] == [True, True]
    assert told["written"] and told["rows"] == 3
    panics = [line for log in told["logs"] for line in log.splitlines() if "Close shard failed" in line]
    assert all(
        re.search(
            r"thread '[\w-]+' panicked 'Close shard failed, and we have to panic to ensure the data integrity, shard_id:\d+, err:", one
        )
        for one in panics
    )


@told_by(statements)
def test_tables_of_shards_come_with_those_of_shard_0(told: Any) -> None:
    assert told["tables of shards 3 and 5"] == ["0", "3", "5"]
    assert told["tables of no shard"] == [str(shard) for shard in range(8)]


@told_by(recovering)
def test_a_shard_that_hangs_in_opening_is_worded_in_two_ways(told: Any) -> None:
    status = "Table is not ready, err:Invalid table status, status:Recovering"
    find = "Failed to find table, table_name:TABLE"
    assert told[
        "through another"
    ] == "Internal err:Rpc error, code:500, err:Query failed, err:%s. Caused by: %s sql:SELECT * FROM TABLE." % (find, status)
    assert told["by its own node"] == "Internal err:Rpc error, code:500, message:%s, err:%s." % (find, status)


@pytest.mark.unrecorded("the real one dies of it by chance")
@told_by(single_member)
def test_a_heartbeat_that_comes_too_early_kills_a_member(told: Any) -> None:
    """Now and then a real one; the simulator for certain, when it is asked for."""
    if told["died"]:
        assert "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV" in told["words of its death"]
        assert re.search(r"server/member\.\(\*Member\)\.GetLeaderAddr\(.*\n\t.*member\.go:108", told["words of its death"])
    assert told["died"] or told.real


@told_by(single_member)
def test_a_directory_that_is_half_there_is_a_panic_that_does_not_name_it(told: Any) -> None:
    assert told["half there, exit code"] == 2 and told["half there, panic"]
    assert not told["half there, names the database"]


@told_by(single_member)
def test_a_member_that_starts_takes_connections_before_it_answers(told: Any) -> None:
    """An election of one takes seconds, too."""
    assert 0.5 < told["connected before the first answer"] < 20


@told_by(single_member)
def test_a_killed_only_member_is_a_leader_without_clusters_until_its_old_lease_ends(told: Any) -> None:
    """Breaks the data node that is started meanwhile: it dies of `cluster not found`."""
    assert told["leads with no cluster"] is True
    assert 2 < told["knows its clusters after"] < 25


@told_by(elections)
def test_a_new_leader_makes_its_callers_wait_until_it_knows_its_clusters(told: Any) -> None:
    """An empty list is what an old leader says, and a new one for less than a moment."""
    assert told["first answers with an empty list"] <= 2 and told["last answer"] == 1


@told_by(refused_starts)
def test_the_version_of_a_member_has_four_lines(told: Any) -> None:
    meta, db = told["versions"]
    assert meta.out == "" and [line.split(":")[0] for line in meta.err.splitlines()] == [
        "HoraeMeta Server",
        "Git commit",
        "Git branch",
        "Build date",
    ]
    named = ["HoraeDB Server ", "Version", "Git commit", "Git branch", "Opt level", "Rustc version", "Target", "Build date"]
    assert [line.split(":")[0] for line in db.out.splitlines()] == named


@told_by(statements)
def test_the_leader_s_key_holds_a_member(told: Any) -> None:
    """A protobuf message: name, id, endpoint."""
    assert told["leader key"] == ["\n\x02m1"] and told["leader key names its endpoint"] and told["leader key has a lease"] == [True]


@told_by(statements)
def test_shard_locks_hold_a_message_with_the_node_s_name(told: Any) -> None:
    assert told["shard locks"]


@told_by(statements)
def test_nobody_lists_the_nodes_of_a_cluster(told: Any) -> None:
    assert told["nodes of a cluster"] == 404


@told_by(elections)
def test_a_dead_leader_is_followed_as_soon_as_its_key_is_gone(told: Any) -> None:
    assert told["the key names the dead one"]
    assert told["a leader after its key was taken away"] < 5


def asked_for(told: Any) -> None:
    if not told["asked for"]:
        pytest.skip("only the simulator hangs on request")


@told_by(hung)
def test_a_hung_leader_looks_healthy_and_answers_nothing(told: Any) -> None:
    asked_for(told)
    assert told["names itself"] and told["healthy"] == [True] * 3
    assert told["answers"] == [False] * 3 and told["stacks"] == [True] * 3
    assert told["told from its followers"], "a story that met one would not be told again"


@told_by(hung)
def test_the_lease_of_a_hung_leader_runs_out_and_nothing_follows(told: Any) -> None:
    asked_for(told)
    assert told["key gone after"] < 15 and told["still nobody answers"]


@told_by(hung)
def test_a_hung_leader_can_be_moved_away_from_and_goes_on_naming_itself(told: Any) -> None:
    asked_for(told)
    assert told["moved away"] == {"status": "success", "data": "ok"} and told["others answer after"] < 5
    assert told["goes on naming itself"]


@told_by(hung)
def test_a_hung_member_ends_by_sigkill_only(told: Any) -> None:
    asked_for(told)
    assert told["alive after SIGTERM"] and told["well after a new start"]


@told_by(hung)
def test_a_leader_that_hangs_at_its_end_leaves_none_behind_it(told: Any) -> None:
    asked_for(told)
    assert told["nobody leads"]
    assert told["led again after"] < 5 and told["the other goes on naming itself"]

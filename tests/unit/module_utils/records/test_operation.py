"""The lock, the journal and the notes of downtimes, in a real etcd."""

from __future__ import annotations

import json
import pathlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed, Client
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import downtime, journal, operation, operation_lock
from ansible_collections.horaedb.cluster.plugins.module_utils.records.journal import JournalEntry, Operation
from ansible_collections.horaedb.cluster.plugins.module_utils.records.operation import Operations

from tests.unit.helpers.etcd_server import etcd, free_port, topology

ANN = Operation("aaaa", "restart.yml", "ann", "laptop", "2026-11-24T10:00:00Z", "laptop boot1", 100, "1")
BOB = Operation("bbbb", "site.yml --limit db1", "bob", "ci", "2026-11-24T10:05:00Z", "ci boot2", 200, "2")
# What etcd gives at least; a lease of less is one of so much.
SHORTEST = 2


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with etcd(tmp_path_factory.mktemp("etcd")) as client_port:
        yield client_port


@pytest.fixture
def cluster(port: int) -> Topology:
    """Its first member is gone. Nothing is left of the test before."""
    model = topology(free_port(), port)
    store = Etcd(model.members[1].etcd, Client(5))
    for key in store.range("/ansible/"):
        store.delete(key)
    return model


@pytest.fixture
def doing(cluster: Topology, tmp_path: pathlib.Path) -> Operations:
    return Operations(cluster, folder=str(tmp_path))


def entries(cluster: Topology) -> dict[str, JournalEntry]:
    return {entry.operation.id: entry for entry in operation.entries(cluster)}


def test_a_second_operation_is_refused_and_told_of_the_first(doing: Operations) -> None:
    """Breaks when two controllers can work at once, or the refusal doesn't say who, from where, what, since when, and what to type."""
    doing.begin(ANN, lives=True)
    with pytest.raises(operation_lock.Held) as refused:
        doing.begin(BOB, lives=True)
    for word in ("restart.yml", "ann", "laptop", "2026-11-24T10:00:00Z", "horaedb_cluster_break_lock=aaaa", "10 minutes"):
        assert word in str(refused.value)
    assert refused.value.holder == ANN


def test_the_same_run_may_begin_twice_and_stays_the_first(doing: Operations, cluster: Topology) -> None:
    """Breaks when a run is refused by its own lock, or makes a second entry with another time."""
    doing.begin(ANN, lives=True)
    again = doing.begin(replace(ANN, since="2026-11-24T10:00:09Z"), lives=True)
    assert again == ANN
    assert len(operation.entries(cluster)) == 1


def test_a_lock_that_is_taken_over_stops_its_former_holder(doing: Operations, cluster: Topology) -> None:
    """Breaks when a run goes on to restart hosts although somebody else has taken the cluster over."""
    doing.begin(ANN, lives=True)
    doing.begin(BOB, lives=True, take_over=[ANN.id])
    with pytest.raises(operation_lock.Lost, match=r"site\.yml --limit db1 by bob on ci"):
        doing.step(ANN, "restart db2")
    doing.step(BOB, "restart db1")
    assert entries(cluster)[ANN.id].result == journal.INTERRUPTED
    assert entries(cluster)[ANN.id].steps == ()


def test_a_run_that_slept_through_somebody_else_s_stops(doing: Operations, cluster: Topology) -> None:
    """Breaks when a laptop that wakes up rolls the cluster back to what its inventory said yesterday."""
    doing.begin(ANN, lives=True)
    doing.begin(BOB, lives=True, take_over=[ANN.id])
    doing.end(BOB, journal.OK, "", {}, {})
    with pytest.raises(operation_lock.Lost, match="another run has worked on this cluster"):
        doing.step(ANN, "restart db2")
    with pytest.raises(operation_lock.Lost, match="another run has worked on this cluster"):
        doing.end(ANN, journal.OK, "", {}, {})
    assert operation_lock.EtcdLock(cluster, 5).holder() is None
    assert entries(cluster)[ANN.id].result == journal.INTERRUPTED


def test_another_id_takes_nothing_over(doing: Operations) -> None:
    """Breaks when horaedb_cluster_break_lock takes over whatever lock there is, not only the one that the operator has seen."""
    doing.begin(ANN, lives=True)
    with pytest.raises(operation_lock.Held):
        doing.begin(BOB, lives=True, take_over=["cccc"])


def test_the_lock_of_a_dead_controller_runs_out_by_itself(doing: Operations, cluster: Topology) -> None:
    """Breaks when the key has no lease: a controller that died would block the cluster for ever."""
    doing.begin(ANN, lives=True, ttl=SHORTEST)
    deadline = time.monotonic() + 15
    while True:
        try:
            doing.begin(BOB, lives=True)
            break
        except operation_lock.Held:
            assert time.monotonic() < deadline, "the lock doesn't run out"
            time.sleep(0.2)
    assert entries(cluster)[ANN.id].result == journal.INTERRUPTED


def test_a_step_keeps_the_lock_and_can_ask_for_more_time(doing: Operations) -> None:
    """Breaks when steps don't renew the lease, so that a long roll loses its lock in the middle, or a reboot its longer one."""
    doing.begin(ANN, lives=True, ttl=SHORTEST)
    began = time.monotonic()
    while time.monotonic() < began + 2 * SHORTEST:
        doing.step(ANN, "restart meta1", ttl=SHORTEST)
        time.sleep(0.3)
    doing.step(ANN, "reboot db1", ttl=60)
    time.sleep(2 * SHORTEST)
    with pytest.raises(operation_lock.Held):
        doing.begin(BOB, lives=True)


def test_a_lock_that_ran_out_is_taken_again_when_nobody_wanted_it(doing: Operations, cluster: Topology) -> None:
    """Breaks when a slow step makes the rest of the run fail although the cluster was its own all the time."""
    doing.begin(ANN, lives=True)
    operation_lock.EtcdLock(cluster, 5).release(ANN)
    doing.step(ANN, "restart db1")
    with pytest.raises(operation_lock.Held):
        doing.begin(BOB, lives=True)


def test_an_operation_leaves_one_entry_and_a_free_lock(doing: Operations, cluster: Topology) -> None:
    """Breaks when the journal lacks who did what with which result, from which version to which, or the lock stays."""
    doing.begin(ANN, lives=True)
    doing.step(ANN, "restart db1")
    doing.step(ANN, "restart db2")
    before = {"db1": {"horaedb": {"version": "2.1.0", "generation": "old"}}}
    after = {"db1": {"horaedb": {"version": "2.2.0", "generation": "new"}}}
    doing.end(ANN, journal.OK, "", before, after)
    entry = entries(cluster)[ANN.id]
    assert (entry.result, entry.before, entry.after) == (journal.OK, before, after)
    assert [step.name for step in entry.steps] == ["restart db1", "restart db2"]
    assert all(step.seconds is not None for step in entry.steps)
    assert "    horaedb 2.1.0 -> 2.2.0 on db1" in entry.lines()
    doing.begin(BOB, lives=True)


def test_a_failed_operation_says_during_which_step(doing: Operations, cluster: Topology) -> None:
    """Breaks when a failure is journaled as a success, or its step as done."""
    doing.begin(ANN, lives=True)
    doing.step(ANN, "restart db1")
    doing.end(ANN, journal.FAILED, "db1: it crashed\nlast words", {}, {})
    entry = entries(cluster)[ANN.id]
    assert entry.steps[-1].seconds is None
    lines = entry.lines()
    assert "FAILED during: restart db1" in lines[0]
    assert lines[-1] == "    db1: it crashed"


def test_a_refused_operation_leaves_nothing(doing: Operations, cluster: Topology) -> None:
    """Breaks when a run that preflight refused blocks the next one, or stands in the journal as if it had changed something."""
    doing.begin(ANN, lives=True)
    doing.drop(ANN)
    assert operation.entries(cluster) == []
    doing.begin(BOB, lives=True)


def test_times_are_the_controllers(doing: Operations, cluster: Topology, tmp_path: pathlib.Path) -> None:
    """Breaks when a step that began by one host's clock ends by another's, which may be minutes apart."""
    late = journal.clock("2026-11-24T10:00:10Z")
    held = doing.begin(ANN, lives=True)
    Operations(cluster, now=journal.clock("2026-11-24T10:00:07Z"), folder=str(tmp_path)).step(held, "restart db1")
    Operations(cluster, now=late, folder=str(tmp_path)).end(held, journal.OK, "", {}, {})
    entry = entries(cluster)["aaaa"]
    assert entry.steps[0].began == "2026-11-24T10:00:07Z" and 3 <= (entry.steps[0].seconds or 0) < 13
    assert "2026-11-24T10:00:00Z" < str(entry.ended) < "2026-11-24T10:01:00Z"
    with pytest.raises(ValueError, match="option now has to be a time like .* and is yesterday"):
        journal.clock("yesterday")


def test_the_journal_has_a_bounded_number_of_entries(doing: Operations, cluster: Topology) -> None:
    """Breaks when the journal grows for ever, or loses its newest entries instead of its oldest."""
    store = Etcd(cluster.members[1].etcd, Client(5))
    first = journal.time_of("2026-01-01T00:00:00Z")
    for number in range(journal.KEPT + 10):
        old = replace(BOB, since=journal.text_of(first + timedelta(hours=number)), id="old%d" % number)
        store.put(journal.key(cluster.cluster, old), JournalEntry(old, journal.OK).to_json())
    doing.begin(ANN, lives=True)
    kept = operation.entries(cluster)
    assert len(kept) == journal.KEPT
    assert kept[-1].operation == ANN
    assert kept[0].operation.id == "old11"


def test_status_tells_who_is_at_work_and_what_was_done(doing: Operations, cluster: Topology) -> None:
    """Breaks when status.yml can't read what the playbooks wrote."""
    doing.begin(BOB, lives=True)
    doing.end(BOB, journal.OK, "", {}, {})
    doing.begin(replace(ANN, since="2026-11-24T11:00:00Z"), lives=True)
    lines = operation.status_lines(operation.status(cluster, 5, 10))
    assert lines[0].startswith("at work: restart.yml by ann on laptop")
    assert "site.yml --limit db1 by bob on ci  ok after" in lines[2]
    assert "running" in lines[3]


def test_without_a_member_that_answers_status_is_empty() -> None:
    """Breaks when status.yml fails just when somebody needs it: while the members are down."""
    assert operation.status(topology(free_port()), 1, 10) == {"operation": None, "journal": []}


# While there is no cluster: a file on the host.


def test_without_a_cluster_a_file_is_the_lock(doing: Operations) -> None:
    """Breaks when two first deployments can run at once on the same hosts."""
    doing.begin(ANN, lives=False)
    with pytest.raises(operation_lock.Held, match="restart.yml by ann on laptop"):
        doing.begin(BOB, lives=False)
    assert doing.begin(replace(ANN, since="later"), lives=False) == ANN
    doing.begin(BOB, lives=False, take_over=[ANN.id])


def test_whoever_made_the_cluster_keeps_it_until_the_end(doing: Operations) -> None:
    """Breaks when the second run slips in between the birth of the cluster and the end of the run that made it."""
    doing.begin(ANN, lives=False)
    with pytest.raises(operation_lock.Held):
        doing.begin(BOB, lives=True)
    doing.step(ANN, "prove")
    doing.end(ANN, journal.OK, "", {}, {})
    doing.begin(BOB, lives=True)


class Restarting:
    """A member's client port that nobody listens on for a moment, as when systemd starts the process again."""

    def __init__(self, etcd_port: int, seconds: float) -> None:
        self.port = free_port()
        upstream = "http://127.0.0.1:%d" % etcd_port

        class Relay(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = Client(5).call("POST", upstream + self.path, body)
                self.send_response(answer.status)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        def listen() -> None:
            time.sleep(seconds)
            self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Relay)
            self.server.serve_forever(0.02)

        self._thread = threading.Thread(target=listen, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.mark.parametrize("act", ["begin", "step", "end", "drop", "downtime"])
def test_a_member_that_is_started_again_is_waited_for(cluster: Topology, port: int, tmp_path: pathlib.Path, act: str) -> None:
    """Breaks when the restart of a single member, or the reboot of an only host, ends an operation at its next step."""
    before = Operations(cluster, folder=str(tmp_path))
    if act != "begin":
        before.begin(ANN, lives=True)
    member = Restarting(port, 1.2)
    only = topology(member.port)
    doing = Operations(only, 2, folder=str(tmp_path))
    began = time.monotonic()
    if act == "begin":
        doing.begin(ANN, lives=True)
    elif act == "step":
        doing.step(ANN, "reboot db1")
    elif act == "end":
        assert doing.end(ANN, journal.OK, "", {}, {})
    elif act == "drop":
        doing.drop(ANN)
    else:
        downtime.change(only, "db1", downtime.Downtime("2026-11-24T10:00:00Z", "ann"), 2)
    assert 1 < time.monotonic() - began < 5
    member.stop()


@pytest.mark.parametrize("result", [journal.OK, journal.FAILED])
def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, result: str) -> None:
    monkeypatch.setattr(operation_lock, "PATIENCE", 1.5)
    doing = Operations(topology(free_port()), 1, folder=str(tmp_path))
    began = time.monotonic()
    with pytest.raises(CallFailed):
        doing.end(ANN, result, "", {}, {})
    assert 0.9 < time.monotonic() - began < 4


def test_a_file_is_let_go_of_where_no_cluster_answers(tmp_path: pathlib.Path) -> None:
    """Breaks when a first deployment that failed before there was a cluster keeps everybody else out for ten minutes."""
    doing = Operations(topology(free_port()), 1, folder=str(tmp_path))
    doing.begin(ANN, lives=False)
    began = time.monotonic()
    with pytest.raises(CallFailed):
        doing.end(ANN, journal.FAILED, "meta1: it crashed", {}, {})
    assert time.monotonic() - began < 2, "nobody waits for a cluster that there never was"
    doing.begin(BOB, lives=False)


def test_a_file_runs_out_and_a_half_written_one_is_nobodys(tmp_path: pathlib.Path) -> None:
    """Breaks when a dead controller's file blocks a first deployment for longer than its time, or a torn file for ever."""
    clock = [1000.0]
    lock = operation_lock.FileLock("default/cluster", str(tmp_path), lambda: clock[0])
    lock.take(ANN, 600)
    [path] = tmp_path.iterdir()
    clock[0] += 599
    with pytest.raises(operation_lock.Held):
        lock.take(BOB, 600)
    clock[0] += 2
    lock.take(BOB, 600)
    path.write_text('{"id": "bb')
    lock.take(ANN, 600)
    lock.release(BOB)
    with pytest.raises(operation_lock.Held):
        lock.take(BOB, 600)
    lock.release(ANN)
    assert not path.exists(), "a run that was refused leaves nothing on the host"
    lock.take(BOB, 600)


# Downtimes


def test_a_downtime_keeps_its_beginning_until_it_ends(cluster: Topology) -> None:
    """Breaks when a repeated begin makes an outage look shorter than it is, or an end leaves the note behind."""
    first, later = downtime.Downtime("2026-11-24T10:00:00Z", "ann"), downtime.Downtime("2026-11-24T11:00:00Z", "bob")
    assert downtime.change(cluster, "db1", first) is None
    assert downtime.change(cluster, "db1", later) == first
    assert downtime.noted(cluster, "db1") == first
    downtime.change(cluster, "db2", later)
    assert downtime.change(cluster, "db1", None) == first
    assert downtime.noted(cluster, "db1") is None
    assert downtime.noted(cluster, "db2") == later
    assert downtime.change(cluster, "db1", None) is None


def test_the_epilogue_of_a_failure_says_how_things_stand() -> None:
    """Breaks when an operator is left with an error and no word of which host runs what, and what to type."""
    before = {host: {"horaedb": {"version": "2.1.0", "generation": "old"}} for host in ("db1", "db2")}
    after = {**before, "db1": {"horaedb": {"version": "2.2.0", "generation": "new"}}}
    text = journal.epilogue(ANN, "db2: not ready\nits last words", before, after)
    assert "restart.yml stopped: db2: not ready\n" in text
    assert "horaedb 2.1.0 -> 2.2.0 on db1" in text
    assert "horaedb 2.1.0 on db2" in text
    assert "same command again" in text


def test_a_heading_is_told_with_what_it_announces() -> None:
    """Breaks when an operator reads that something isn't ready, and not what."""
    text = journal.epilogue(ANN, "db2: cluster c isn't ready after waiting 60 s:\n  member meta2 doesn't answer\n  more", {}, {})
    assert "restart.yml stopped: db2: cluster c isn't ready after waiting 60 s: member meta2 doesn't answer\n" in text


def test_hosts_that_changed_alike_share_a_line() -> None:
    """Breaks when a hundred hosts make a hundred lines, or a changed configuration isn't told from a new version."""

    def daemon(version: str, generation: str) -> dict[str, str]:
        return {"version": "HoraeDB Server\nHoraeDB version: horaedb-server %s (simulator)" % version, "generation": generation}

    before = {"db%d" % n: {"horaedb": daemon("2.1.0", "a%d" % n)} for n in (1, 2, 3)}
    after = {
        "db1": {"horaedb": daemon("2.2.0", "b1"), "meta_proxy": {"version": "", "generation": "p1"}},
        "db2": {"horaedb": daemon("2.2.0", "b2")},
        "db3": {"horaedb": daemon("2.1.0", "b3")},
    }
    assert journal.changes(before, after) == [
        "horaedb 2.1.0 -> 2.2.0 on db1, db2",
        "meta_proxy, new on db1",
        "horaedb 2.1.0, another configuration on db3",
    ]
    assert journal.changes(after, after) == []

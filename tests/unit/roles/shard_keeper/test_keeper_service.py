"""The program itself, over HTTP: tiny members and data nodes on loopback."""

from __future__ import annotations

import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.helpers.keeper_servers import CURES_PREFIX, LEADER_KEY, FakeCluster, Program, free_port, running, wait_for
from tests.unit.helpers.keeper_world import PROGRAM, kq, lw, sk


@pytest.fixture
def make() -> Iterator[Callable[..., FakeCluster]]:
    made: list[FakeCluster] = []

    def cluster(**options: Any) -> FakeCluster:
        made.append(FakeCluster(**options))
        return made[-1]

    yield cluster
    for one in made:
        one.close()


def well(program: Program, nodes: int = 2) -> None:
    """It leads and hears everybody."""

    def hears() -> bool:
        page = program.page()
        return "watch: %d mapped data nodes answer" % nodes in page and page.count(": answers\n") >= nodes

    wait_for("all nodes heard", hears)


def test_a_dead_node_moves_the_leadership_once(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when the keeper asks the wrong paths, takes a proxy of the environment, or goes on after it was deposed."""
    cluster = make()
    with running(tmp_path, cluster.config(tmp_path)) as program:
        well(program)
        cluster.node(1).close()
        wait_for("a move", lambda: cluster.moved)
        wait_for("standing by", lambda: "standby" in program.page())
        assert cluster.moved == [("m1", "m2")]
        assert "move: 192.0.2.21:8831 has been silent for" in program.log and "move: done" in program.log


def test_a_black_hole_delays_nobody(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when nodes are asked one after the other: many that take their whole time out would hide one another and the living."""
    cluster = make(nodes=1)
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(64)
        holes = {"192.0.2.1%02d:8831" % n: "http://127.0.0.1:%d" % hole.getsockname()[1] for n in range(20)}
        config = cluster.config(tmp_path)
        config["nodes"].update(holes)
        with running(tmp_path, config) as program:
            well(program, 1)
            died = time.monotonic()
            cluster.node(1).close()
            wait_for("a move", lambda: cluster.moved)
            assert time.monotonic() - died < 5


def test_a_name_that_cannot_be_resolved_says_nothing_about_the_node(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when a resolver that fails on this host makes living nodes look dead."""
    cluster = make()
    config = cluster.config(tmp_path)
    config["nodes"]["192.0.2.21:8831"] = "http://db1.invalid:5440"
    with running(tmp_path, config) as program:
        wait_for("its words", lambda: "192.0.2.21:8831 can't be judged" in program.log, 30)
        wait_for("watching", lambda: "watch: " in program.page())
        assert "192.0.2.21:8831: silent" not in program.page() and cluster.moved == []


def test_a_black_hole_is_silent_too(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when only a refused connection counts: a SIGSTOP, a cut cable, a dead host answer nothing."""
    cluster = make()
    with running(tmp_path, cluster.config(tmp_path)) as program:
        well(program)
        cluster.node(1).hang()
        wait_for("a move", lambda: cluster.moved)
        assert "nothing within 0.4 s" in program.log


def test_any_answer_in_http_is_a_sign_of_life(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when a node that answers with an error, or with what isn't understood, is taken for a dead one."""
    cluster = make()
    cluster.node(1).answer = lambda *_: (500, "no")
    with running(tmp_path, cluster.config(tmp_path)) as program:
        well(program)
        assert cluster.moved == []


def test_a_refused_move_is_tried_again(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when the first failure is the last try."""
    cluster = make()
    cluster.refuses = True
    with running(tmp_path, cluster.config(tmp_path)) as program:
        well(program)
        cluster.node(1).close()
        wait_for("two tries", lambda: len(cluster.moved) >= 2)
        cluster.refuses = False
        wait_for("a move", lambda: cluster.leader == "m2")
        assert "move: failed: " in program.log and "HTTP 500" in program.log


def test_a_repair_that_began_meanwhile_stops_the_move(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when the topology type isn't looked up again right before the move: it would start the dynamic scheduler."""
    cluster = make()
    settings = sk.Settings.read(json.dumps(cluster.config(tmp_path)))
    cluster.kind = "dynamic"
    assert "says dynamic topology by now" in sk.act(settings, sk.Decision(sk.MOVE, "", "", "m2"))
    cluster.kind = "static"
    assert sk.act(settings, sk.Decision(sk.MOVE, "", "", "m2")) == "" and cluster.moved == [("m1", "m2")]


def test_a_leader_that_was_deposed_meanwhile_asks_for_nothing(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when the leader isn't looked up anew at every try."""
    cluster = make()
    settings = sk.Settings.read(json.dumps(cluster.config(tmp_path)))
    cluster.lead("m2")
    assert "doesn't lead any more" in sk.act(settings, sk.Decision(sk.MOVE, "", "", "m2")) and cluster.moved == []


def test_while_the_lock_is_held_it_waits(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when the key of the operation lock is looked for elsewhere."""
    cluster = make()
    cluster.locked = True
    with running(tmp_path, cluster.config(tmp_path)) as program:
        well(program)
        cluster.node(1).close()
        wait_for("silence", lambda: re.search(r"192.0.2.21:8831: silent for [1-9]", program.page()))
        assert cluster.moved == []
        cluster.locked = False
        wait_for("a move", lambda: cluster.moved)


def test_the_only_member_is_restarted_by_a_file(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when systemd isn't asked, or is asked for ever by a file that nobody takes away."""
    cluster = make(members=1)
    config = cluster.config(tmp_path)
    with running(tmp_path, config) as program:
        well(program)
        cluster.node(1).close()
        wait_for("the wish", pathlib.Path(config["restart_file"]).exists)
        assert cluster.moved == []
        wait_for("what is wrong with it", lambda: "horaedb-shard-keeper-restart.path" in program.log)


def test_a_dry_run_does_nothing(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when --dry-run acts, or writes over the metrics of the service beside it."""
    cluster = make()
    with running(tmp_path, cluster.config(tmp_path), "--dry-run") as program:
        well(program)
        cluster.node(1).close()
        wait_for("its words", lambda: "move: dry run, nothing done" in program.log)
        assert cluster.moved == [] and cluster.leader == "m1"
        assert not (tmp_path / "shard_keeper.prom").exists()


def test_one_look(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when --once acts, doesn't end, or shows what it didn't ask."""
    cluster = make(nodes=3)
    cluster.node(1).close()
    # A key that names somebody who can't lead, and time to see it again and again.
    cluster.node(3).hang()
    cluster.stale = True
    cluster.lead("m2")
    with running(tmp_path, cluster.config(tmp_path, "m2", timeout=3, silence=4), "--once") as program:
        assert program.process.wait(30) == 0
        assert "192.0.2.21:8831: silent" in program.log and "192.0.2.22:8831: answers" in program.log
        assert "leadership: well" in program.log
        assert cluster.moved == [] and cluster.revoked == []


def test_it_starts_before_anybody_else_and_ends_when_asked(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when the start order matters, or when systemd has to kill it."""
    cluster = make()
    for member in cluster.members.values():
        member.server.close()
    with running(tmp_path, cluster.config(tmp_path)) as program:
        wait_for("idle", lambda: "idle: member m1 can't be asked" in program.page())
        for member in cluster.members.values():
            member.server.open()
        well(program)
        assert program.end(signal.SIGTERM) == 0
        assert program.log.endswith("stopped\n") and "Traceback" not in program.log


def test_each_state_is_logged_once(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when an idle keeper writes a line each half second."""
    cluster = make()
    with running(tmp_path, cluster.config(tmp_path)) as program:
        well(program)
        cluster.kind = "dynamic"
        wait_for("idle", lambda: "idle" in program.page())
        seen = program.page("/metrics")
        wait_for("more looks", lambda: program.page("/metrics").split("last_look")[-1] != seen.split("last_look")[-1])
        assert program.log.count("idle: cluster defaultCluster says dynamic") == 1


def test_metrics_as_page_and_as_file(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when a collector would read something else than Prometheus' text format, or half a file."""
    cluster = make()
    config = cluster.config(tmp_path)
    with running(tmp_path, config) as program:
        well(program)
        page = program.page("/metrics")
        assert 'horaedb_shard_keeper_state{state="watch"} 1' in page.splitlines()
        assert 'horaedb_shard_keeper_node_silence_seconds{node="192.0.2.21:8831"} 0' in page.splitlines()
        assert 'horaedb_shard_keeper_moves_total{result="done"} 0' in page.splitlines()
        samples = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
        assert samples and all(float(value) >= 0 for _name, value in samples)
        written = wait_for(
            "the file", lambda: pathlib.Path(config["metrics_file"]).exists() and pathlib.Path(config["metrics_file"]).read_text()
        )
        assert written.splitlines()[0] == page.splitlines()[0]
        assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == []


def test_a_page_whose_port_is_taken_does_not_end_the_watch(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when a port costs the protection."""
    cluster = make()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with running(tmp_path, cluster.config(tmp_path, port=taken.getsockname()[1])) as program:
            wait_for("watching", lambda: "watch: 2 mapped data nodes answer" in program.log)
            cluster.node(1).close()
            wait_for("a move", lambda: cluster.moved)
            assert "can't be opened" in program.log


def test_metrics_that_cannot_be_written_are_said_once(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when a full disk ends the watch."""
    cluster = make()
    with running(tmp_path, cluster.config(tmp_path, metrics_file=str(tmp_path / "none" / "x.prom"))) as program:
        well(program)
        assert "the metrics can't be written" in program.log


# ---- The leadership


def patient(cluster: FakeCluster, folder: pathlib.Path) -> Any:
    """For what is called here and not by the program: a busy machine says nothing about it."""
    return sk.Settings.read(json.dumps(cluster.config(folder, timeout=5, silence=6)))


def kill(cluster: FakeCluster, config: dict[str, Any]) -> Callable[[], bool]:
    """What root's unit does with a wish, once."""

    def wished() -> bool:
        wish = pathlib.Path(config["kill_file"])
        if not wish.exists():
            return False
        wish.unlink()
        cluster.start_again(config["member"])
        return True

    return wished


def test_a_leader_that_hangs_is_moved_and_killed(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when a hang is seen and nothing comes of it, when it is cured in another order, or when nobody can read of it afterwards."""
    cluster = make()
    config = cluster.config(tmp_path)
    with running(tmp_path, config) as program:
        well(program)
        lease = cluster.keys[LEADER_KEY][1]
        cluster.members["m1"].hangs = True
        wait_for("the kill", kill(cluster, config), 60)
        assert cluster.moved == [("m1", "m2")] and cluster.revoked == [lease]
        wait_for("the end", lambda: "cure: member m1 is well again after" in program.log)
        ((name, record),) = cluster.cures.items()
        assert name.endswith("-m1") and abs(int(name.split("-")[0]) / 1000 - time.time()) < 60
        assert record["member"] == "m1" and "has not answered GET /api/v1/clusters" in record["why"] and 0.8 <= record["seconds"] < 60
        assert "m1 hangs: it names itself leader" in program.log and "the leadership is to go to m2, and m1 is to be killed: done" in program.log
        assert "leadership: well: " in program.page()
        page = program.page("/metrics").splitlines()
        assert 'horaedb_shard_keeper_cures_total{result="done"} 1' in page and "horaedb_shard_keeper_hung 0" in page
        assert not pathlib.Path(config["kill_file"]).exists()


def test_a_leader_that_is_cut_off_is_killed(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when the keeper needs an etcd with a quorum for it, which is what is missing."""
    cluster = make()
    config = cluster.config(tmp_path)
    with running(tmp_path, config) as program:
        well(program)
        cluster.members["m1"].alone = True
        wait_for("the kill", kill(cluster, config), 60)
        assert cluster.moved == [] and cluster.revoked == [] and cluster.cures == {}
        wait_for("the log", lambda: "fence: it names itself leader, and its etcd has been cut off from the others for" in program.log)
        assert 'horaedb_shard_keeper_fences_total{result="done"} 1' in program.page("/metrics").splitlines()


def test_a_member_that_only_forwards_to_one_that_hangs_is_left_alone(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when a follower is judged by the silence that it passes on."""
    cluster = make()
    config = cluster.config(tmp_path, "m2")
    cluster.members["m1"].hangs = True
    with running(tmp_path, config) as program:
        wait_for("standing by", lambda: "standby" in program.page())
        seen = cluster.members["m2"].asked
        wait_for("many looks", lambda: seen.count("/debug/leader") > 20)
        assert "/api/v1/clusters" not in seen and cluster.cures == {} and not pathlib.Path(config["kill_file"]).exists()


def test_a_hanging_member_is_asked_one_question_at_a_time(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when questions pile up in a member that answers none of them, or when one that is left to a person is asked as often as before."""
    cluster = make()
    now = int(time.time() * 1000)
    for number in range(3):
        cluster.keys["%s%013d-m1" % (CURES_PREFIX, now - 1000 + number)] = ('{"member": "m1", "at": "", "why": "", "seconds": 1}', 0)
    config = cluster.config(tmp_path)
    member = cluster.members["m1"]
    member.hangs = True
    with running(tmp_path, config) as program:
        wait_for("giving up", lambda: "it was cured 3 times in 10 minutes and is left to you" in program.page(), 60)
        asked = member.asked.count("/api/v1/clusters")
        time.sleep(3)
        assert member.asked.count("/api/v1/clusters") == asked
        assert not pathlib.Path(config["kill_file"]).exists() and cluster.moved == [] and len(cluster.cures) == 3
        assert "horaedb_shard_keeper_left 1" in program.page("/metrics").splitlines()
        assert program.log.count("is left to you") == 1


def test_a_member_that_has_no_other_is_cured_more_often(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when an only member, whose every cure is an election that may hang, is given up as soon as one of three is; or is never given up."""
    cluster = make(members=1)
    now = int(time.time() * 1000)

    for number in range(5):
        cluster.keys["%s%013d-m1" % (CURES_PREFIX, now - 1000 + number)] = ('{"member": "m1", "at": "", "why": "", "seconds": 1}', 0)
    config = cluster.config(tmp_path)
    cluster.members["m1"].hangs = True
    with running(tmp_path, config) as program:
        wait_for("the kill", kill(cluster, config), 60)
        assert len(cluster.cures) == 6
        cluster.members["m1"].hangs = True
        wait_for("giving up", lambda: "it was cured 6 times in 10 minutes and is left to you" in program.page(), 60)


def test_the_cure_of_another_member_makes_room(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when an outage that goes through several members is given up as that of one."""
    cluster = make()
    now = int(time.time() * 1000)
    for number, member in enumerate(("m1", "m1", "m1", "m2")):
        cluster.keys["%s%013d-%s" % (CURES_PREFIX, now - 1000 + number, member)] = ('{"member": "%s", "at": "", "why": "", "seconds": 1}' % member, 0)
    config = cluster.config(tmp_path)
    cluster.members["m1"].hangs = True
    with running(tmp_path, config):
        wait_for("the kill", kill(cluster, config), 60)
        assert len(cluster.cures) == 5


def test_a_cure_that_cannot_be_noted_is_not_done(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when nobody could tell any more how often a member was killed."""
    cluster = make()
    settings = patient(cluster, tmp_path)
    cluster.members["m1"].server.answer = lambda *asked: (503, {}) if asked[1] == "/v3/kv/txn" else cluster.members["m1"].answer(*asked)
    assert "HTTP 503" in sk.cure(settings, "", "m2").failure
    assert cluster.moved == [] and not pathlib.Path(settings.kill_file).exists()


def test_a_member_is_asked_again_right_before_it_is_killed(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when one that a playbook has just killed, and that follows another one by now, is killed once more."""
    cluster = make()
    settings = patient(cluster, tmp_path)
    cluster.lead("m2")
    assert "says by now that another one leads" in sk.cure(settings, "", "").failure
    assert cluster.cures == {} and not pathlib.Path(settings.kill_file).exists()


def test_a_wish_that_nobody_fulfilled_is_named(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when the unit that kills is gone and nobody learns of it, or when each try counts as a cure."""
    cluster = make()
    settings = patient(cluster, tmp_path)
    pathlib.Path(settings.kill_file).touch()
    assert "horaedb-shard-keeper-kill.path" in sk.cure(settings, "", "m2").failure and cluster.cures == {}


def test_a_leadership_that_does_not_move_costs_the_member_no_less(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when a move that is refused leaves the member hanging: its death brings an election as well."""
    cluster = make()
    cluster.refuses = True
    settings = patient(cluster, tmp_path)
    done = sk.cure(settings, "it hangs", "m2")
    assert done.failure == "" and "HTTP 500" in done.remark and pathlib.Path(settings.kill_file).exists()
    ((_name, record),) = cluster.cures.items()
    assert (record["member"], record["why"], record["seconds"]) == ("m1", "it hangs", 0)


def test_a_member_that_lost_the_leadership_hangs_on(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when one that names itself while another leads is moved away from once more, or has the other's key ended."""
    cluster = make()
    config = cluster.config(tmp_path)
    cluster.members["m1"].hangs = True
    cluster.lead("m2")
    with running(tmp_path, config) as program:
        wait_for("the kill", kill(cluster, config), 60)
        wait_for("the end", lambda: "cure: member m1 is well again after" in program.log)
        assert cluster.moved == [] and cluster.revoked == [] and len(cluster.cures) == 1


def test_the_only_member_is_killed_and_its_key_ended(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when a single member that hangs is left, or waits for its own lease after its restart."""
    cluster = make(members=1)
    config = cluster.config(tmp_path)
    cluster.members["m1"].hangs = True
    with running(tmp_path, config):
        wait_for("the kill", kill(cluster, config), 60)
        assert cluster.moved == [] and len(cluster.revoked) == 1 and not pathlib.Path(config["restart_file"]).exists()


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_a_dead_leaders_key_is_ended_by_the_keeper_of_the_next(kind: str, make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when HoraeMeta has no leader until a lease is over."""
    cluster = make()
    cluster.kind, cluster.stale = kind, True
    config = cluster.config(tmp_path, "m2", topology_type=kind)
    with running(tmp_path, config) as program:
        wait_for("standing by", lambda: "standby" in program.page())
        lease = cluster.keys[LEADER_KEY][1]
        cluster.lead("m2")
        wait_for("its end", lambda: cluster.revoked == [lease])
        wait_for("leading", lambda: "watch: " in program.page())
        assert "revoke: the leader key names member 1, and 2 leads etcd: done" in program.log
        assert 'horaedb_shard_keeper_revokes_total{result="done"} 1' in program.page("/metrics").splitlines()
        assert cluster.moved == []


def test_a_member_that_names_itself_without_leading_is_not_offered_the_leadership(
    make: Callable[..., FakeCluster], tmp_path: pathlib.Path
) -> None:
    """Breaks when the leadership goes from one that hangs to another one that does."""
    cluster = make(members=3)
    config = cluster.config(tmp_path)
    with running(tmp_path, config) as program:
        well(program)
        cluster.members["m2"].names, cluster.members["m2"].hangs = "m2", True
        wait_for("asking m2 again", lambda: cluster.members["m2"].asked.clear() or True)
        wait_for("its words", lambda: cluster.members["m2"].asked.count("/debug/leader") > 1)
        cluster.members["m1"].hangs = True
        wait_for("a move", lambda: cluster.moved, 60)
        assert cluster.moved == [("m1", "m3")]


def test_a_dry_run_kills_nobody_and_ends_no_key(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when --dry-run acts."""
    cluster = make()
    config = cluster.config(tmp_path)
    cluster.members["m1"].hangs = True
    with running(tmp_path, config, "--dry-run") as program:
        wait_for("its words", lambda: "dry run, nothing done" in program.log, 60)
        assert cluster.moved == [] and cluster.revoked == [] and cluster.cures == {} and not pathlib.Path(config["kill_file"]).exists()


def test_only_so_many_cures_are_kept(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when the history grows in etcd for ever, or when the newest ones go."""
    cluster = make()
    for number in range(lw.KEPT + 3):
        cluster.keys["%s%013d-m2" % (CURES_PREFIX, number)] = ('{"member": "m2", "at": "", "why": "", "seconds": 1}', 0)
    settings = patient(cluster, tmp_path)
    assert sk.cure(settings, "why", "m2").noted
    names = list(cluster.cures)
    assert len(names) == lw.KEPT and names[-1].endswith("-m1") and names[0].startswith("%013d" % 4)


RECORDS = [
    ("HoraeMeta's own", b"\n\x05meta1\x10\xf0\xd7\xde\xcb\xf7\xb3\xf7\xee\xb1\x01\x1a\x18http://192.0.2.11:2379", 12816643791573724144),
    ("another order", b"\x1a\x01u\x10\x05\n\x01n", 5),
    ("a large varint", b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 2**64 - 1),
]


@pytest.mark.parametrize(("record", "expected"), [case[1:] for case in RECORDS], ids=[case[0] for case in RECORDS])
def test_whom_a_leader_key_names(record: bytes, expected: int) -> None:
    """Breaks when the record is read as something else than protobuf's."""
    assert kq._member_id(record) == expected


@pytest.mark.parametrize("record", [b"", b"\n\x05meta1", b"\n\x50short", b"\x10", b"\xff"])
def test_a_leader_key_without_a_member_is_refused(record: bytes) -> None:
    """Breaks when a record that isn't understood names member 0, which never leads: the key of a living leader would be ended."""
    with pytest.raises(ValueError):
        kq._member_id(record)


# ---- Its configuration

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("another member", {"member": "m9"}, "'m9' is not one of the members"),
    ("topology", {"topology_type": "fluid"}, "topology_type is 'fluid'"),
    ("no time", {"pause": 0}, "pause is not a number of seconds above 0"),
    ("too quick", {"silence": 0.3}, "interval + timeout <= silence <= silence_locked does not hold"),
    ("unknown", {"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("changes", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_configuration_that_cannot_work_is_refused(
    make: Callable[..., FakeCluster], tmp_path: pathlib.Path, changes: dict[str, Any], words: str
) -> None:
    """Breaks when the module `daemon` would put a keeper to use that can't protect anything."""
    path = tmp_path / "keeper.json"
    path.write_text(json.dumps(make().config(tmp_path, **changes)))
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--config", str(path), "--check"], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_a_good_configuration_passes_the_check(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when --check starts anything."""
    path = tmp_path / "keeper.json"
    path.write_text(json.dumps(make().config(tmp_path, port=free_port())))
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--config", str(path), "--check"], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

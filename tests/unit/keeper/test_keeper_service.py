"""The program itself, over HTTP: tiny members and data nodes on loopback."""

from __future__ import annotations

import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from keeper_servers import FakeCluster, Program, free_port, running, wait_for
from keeper_world import PROGRAM, sk


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
    cluster.leader = "m2"
    assert "doesn't lead any more" in sk.act(settings, sk.Decision(sk.MOVE, "", "", "m2")) and cluster.moved == []


def test_while_the_lock_is_held_it_waits(make: Callable[..., FakeCluster], tmp_path: pathlib.Path) -> None:
    """Breaks when the key of the operation lock is looked for elsewhere."""
    cluster = make()
    cluster.locked = True
    with running(tmp_path, cluster.config(tmp_path)) as program:
        well(program)
        cluster.node(1).close()
        wait_for("silence", lambda: "192.0.2.21:8831: silent for 1." in program.page())
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
    cluster = make()
    cluster.node(1).close()
    with running(tmp_path, cluster.config(tmp_path), "--once") as program:
        assert program.process.wait(10) == 0
        assert "192.0.2.21:8831: silent" in program.log and "192.0.2.22:8831: answers" in program.log
        assert cluster.moved == []


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

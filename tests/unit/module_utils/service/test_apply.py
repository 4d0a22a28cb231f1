"""The whole transaction against an imitated host: what it does, and what is left when it is cut off at any point."""

from __future__ import annotations

import json
import pathlib
import posixpath
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service import apply, inspect, remove
from ansible_collections.horaedb.cluster.plugins.module_utils.service import run as service_run
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Ran
from ansible_collections.horaedb.cluster.plugins.module_utils.service.plan import Do, Service, Step
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Layout, Refused, from_options, generation_of

from tests.unit.helpers.daemon_fakes import PROGRAMS, FakeHost, FakeWait, Killed, converge, options

UNIT_PATH = "/etc/systemd/system/tiny.service"


@pytest.fixture(autouse=True)
def probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[List[FakeHost]]:
    """The probe asks the host that was made last."""
    hosts: List[FakeHost] = []
    # Thousands of small files here, and no power cut to fear.
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    monkeypatch.setattr(service_run, "_until_ready", lambda options: FakeWait(hosts[-1]) if options.get("ready") else None)
    yield hosts


@pytest.fixture
def new_host(tmp_path: pathlib.Path, probes: List[FakeHost]) -> Callable[[], FakeHost]:
    def make() -> FakeHost:
        probes.append(FakeHost(tmp_path / str(len(probes))))
        return probes[-1]

    return make


@pytest.fixture
def host(new_host: Callable[[], FakeHost]) -> FakeHost:
    return new_host()


def path_in(wanted: Dict[str, Any], name: str) -> str:
    return posixpath.join(from_options(wanted).directory, name)


# What it does


def test_a_first_run_installs_enables_and_starts(host: FakeHost) -> None:
    wanted = options()
    result = converge(host, wanted)
    generation = from_options(wanted).generation
    assert (result["changed"], result["started"], result["stale"], result["version"]) == (True, True, False, "tinyd 1.0")
    assert result["running"] == result["current"] == result["generation"] == generation
    assert host.systemd.enabled and host.systemd.pid
    assert host.read("/opt/tiny/current/tiny.toml") == b"a = 1\n"
    assert host.read("/etc/tiny/tiny.toml") is None and host.target("/etc/tiny/tiny.toml") == "/opt/tiny/current/tiny.toml"
    stat = host.stat(path_in(wanted, "tiny.toml"))
    assert stat and (stat.mode, stat.gid) == (0o640, 600)


def test_the_group_is_made_before_anything_needs_it(host: FakeHost) -> None:
    del host.groups["tiny"]
    assert converge(host, options())["started"]


def test_a_second_run_does_nothing_and_asks_systemd_once(host: FakeHost) -> None:
    converge(host, options())
    asked: List[List[str]] = []
    run = host.run
    host.run = lambda argv, limit=0: (asked.append(list(argv)), run(argv, limit))[1]  # type: ignore[method-assign]
    points = host.points
    result = converge(host, options())
    assert (result["changed"], result["steps"]) == (False, [])
    assert [argv[:2] for argv in asked] == [["systemctl", "show"]]
    assert host.points == points


def test_a_running_process_is_left_alone_and_the_new_generation_staged(host: FakeHost) -> None:
    first = converge(host, options())
    pid = host.systemd.pid
    result = converge(host, options("a = 2\n"))
    assert (result["changed"], result["stale"], result["running"]) == (True, True, first["generation"])
    assert result["staged"] == result["generation"] != first["generation"]
    assert host.systemd.pid == pid
    assert generation_of((host.read(UNIT_PATH) or b"").decode()) == first["generation"]
    again = converge(host, options("a = 2\n"))
    assert (again["changed"], again["stale"]) == (False, True)


def test_the_same_binary_is_stored_once(host: FakeHost) -> None:
    converge(host, options())
    sent = converge(host, dict(options("a = 2\n"), binary=dict(options()["binary"], path=None)))
    one, two = (host.stat(path_in(options(c), "tinyd")) for c in ("a = 1\n", "a = 2\n"))
    assert sent["staged"] and one and two and one.inode == two.inode


def test_restarted_applies_what_was_staged(host: FakeHost) -> None:
    first = converge(host, options())
    converge(host, options("a = 2\n"))
    result = converge(host, options("a = 2\n", state="restarted"))
    assert (result["restarted"], result["stale"], result["staged"]) == (True, False, None)
    assert result["running"] == result["current"] == result["generation"]
    assert result["previous"] == first["generation"]
    assert converge(host, options("a = 2\n", state="restarted"))["changed"] is False


def test_force_restarts_a_process_that_is_as_desired(host: FakeHost) -> None:
    converge(host, options())
    pid = host.systemd.pid
    assert converge(host, options(state="restarted", force=True))["restarted"]
    assert host.systemd.pid != pid


def test_a_process_is_not_restarted_before_its_time(host: FakeHost) -> None:
    converge(host, options())
    started = host.systemd.started
    host.clock += 10
    converge(host, options(state="restarted", force=True, min_age=30.0))
    assert host.systemd.started >= started + 30


def test_going_back_to_an_earlier_config_drops_the_staged_one(host: FakeHost) -> None:
    converge(host, options())
    converge(host, options("a = 2\n"))
    result = converge(host, options())
    assert (result["changed"], result["staged"], result["stale"]) == (True, None, False)


@pytest.mark.parametrize("config", ["crash\n", "never\n"])
def test_a_generation_that_does_not_get_ready_is_taken_back(host: FakeHost, config: str) -> None:
    first = converge(host, options())
    before = host.read(UNIT_PATH)
    began = host.clock
    result = converge(host, options(config, state="restarted"))
    assert (result["failed"], result["rolled_back"], result["running"]) == (True, True, first["generation"])
    assert host.read(UNIT_PATH) == before
    assert result["current"] == first["generation"] and result["staged"] is None
    assert host.stat(path_in(options(config), "tiny.toml")), "the failed generation is kept for a look"
    assert first["generation"] in result["msg"]
    if config == "crash\n":
        assert "died 3 times" in result["msg"] and "exit status 101" in result["msg"] and "boom" in result["msg"]
        assert host.clock - began < 5, "a crash loop is noticed early"
    else:
        assert "accepts no connection" in result["msg"]
    assert converge(host, options())["changed"] is False


def test_a_first_start_that_fails_is_stopped_and_disabled(host: FakeHost) -> None:
    for _attempt in range(2):
        result = converge(host, options("crash\n"))
        assert (result["failed"], result["rolled_back"], result["running"]) == (True, False, None)
        assert "stopped and disabled" in result["msg"]
        assert not host.systemd.enabled and not host.systemd.crashing
    assert converge(host, options())["started"], "a corrected configuration starts"


def test_a_known_good_generation_that_stops_getting_ready_is_left_trying(host: FakeHost) -> None:
    converge(host, options("flaky = 1\n"))
    host.systemd.pid, host.systemd.config = 0, ""
    host.answers["systemctl"] = Ran(1, "", "Job for tiny.service failed")
    result = converge(host, options("flaky = 1\n"))
    assert (result["failed"], result["rolled_back"]) == (True, False)
    assert host.systemd.enabled and "nothing to go back to" in result["msg"]


def test_both_generations_failing_is_said(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    converge(host, options())
    monkeypatch.setattr(FakeWait, "poll", lambda _self, _elapsed: "the network is gone")
    result = converge(host, options("a = 2\n", state="restarted"))
    assert (result["failed"], result["rolled_back"]) == (True, False)
    assert "didn't get ready either: it was not ready within 10 s: the network is gone" in result["msg"]


def test_a_failed_service_is_started_from_the_new_generation(host: FakeHost) -> None:
    converge(host, options())
    host.systemd.pid = 0
    result = converge(host, options("a = 2\n"))
    assert result["started"] and result["running"] == result["generation"] and result["staged"] is None


def test_a_process_that_dies_while_its_successor_is_staged_is_replaced(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a crash loop that was caught alive for a moment is left for a roll that sees nothing to be rolled."""
    old = converge(host, options())["generation"]
    run = host.run

    def dying(argv: Sequence[str], limit: float = 0) -> Ran:
        host.systemd.crashing = host.systemd.crashing or "--version" in argv
        return run(argv, limit)

    monkeypatch.setattr(host, "run", dying)
    result = converge(host, options("a = 2\n"), with_diff=True)
    assert result["generation"] != old
    assert (result["running"], result["current"], result["stale"], result["started"]) == (result["generation"], result["generation"], False, True)
    assert "stage generation %s" % result["generation"] in result["steps"] and "start tiny.service" in result["steps"]
    assert result["before"]["generation"] == old and result["diff"]


def test_old_generations_are_pruned(host: FakeHost) -> None:
    for number in range(8):
        converge(host, options("a = %d\n" % number, state="restarted", keep=2))
    kept = host.names("/opt/tiny/generations")
    wanted = {from_options(options("a = %d\n" % n)).generation for n in (4, 5, 6, 7)}
    assert set(kept) == wanted


# Proof before use


@pytest.mark.parametrize(
    ("program", "answer", "words"),
    [
        ("tinyd", Ran(1, "", "./tinyd: /lib/libc.so.6: version `GLIBC_2.35' not found (required by ./tinyd)"), "GLIBC_2.35"),
        ("check", Ran(1, "", "tiny.toml:3: unknown key"), "unknown key"),
        ("systemd-analyze", Ran(1, "", "/x/tiny.service:3: Unknown section"), "Unknown section"),
    ],
)
def test_what_cannot_be_proved_gets_no_name(host: FakeHost, program: str, answer: Ran, words: str) -> None:
    first = converge(host, options())
    host.answers[program] = answer
    with pytest.raises(Refused, match=words):
        converge(host, options("a = 2\n", "program 2"))
    assert host.names("/opt/tiny/generations") == [first["generation"]]
    assert host.systemd.running == first["generation"]


def test_complaints_of_systemd_about_other_units_are_not_ours(host: FakeHost) -> None:
    host.answers["systemd-analyze"] = Ran(1, "", "/etc/systemd/system/other.service:1: Unknown section")
    assert converge(host, options())["started"]


def test_a_binary_that_changed_on_the_way_is_refused(host: FakeHost) -> None:
    host.mkdir("/opt/tiny", 0o750, "root")
    pathlib.Path(host.at("/tmp/sent")).write_text("something else")
    with pytest.raises(Refused, match="digest"):
        service_run.run(host, options())
    assert host.names("/opt/tiny/generations") == []


# Refusals before anything is touched


@pytest.mark.parametrize(
    ("more", "room", "words"),
    [
        ({"space": 5000}, 4000, "has 0.0 MiB free"),
    ],
)
def test_refusals(host: FakeHost, more: Dict[str, Any], room: int, words: str) -> None:
    host.room = room
    with pytest.raises(Refused, match=words):
        converge(host, options(**more))
    assert host.points == 0
    with pytest.raises(Refused, match=words):
        converge(host, options(**more), check_mode=True)


def test_units_of_somebody_else_are_not_replaced(host: FakeHost) -> None:
    host.write(UNIT_PATH, b"[Service]\nExecStart=/bin/other\n", 0o644, "root")
    with pytest.raises(Refused, match="doesn't come from this collection"):
        converge(host, options())
    with pytest.raises(Refused, match="doesn't come from this collection"):
        converge(host, options(state="absent"))
    host.remove(UNIT_PATH)
    host.symlink("/dev/null", UNIT_PATH)
    with pytest.raises(Refused, match="unmask"):
        converge(host, options())


def test_a_file_where_a_link_belongs_is_not_lost(host: FakeHost) -> None:
    host.mkdir("/etc/tiny", 0o755, "root")
    host.write("/etc/tiny/tiny.toml", b"mine", 0o644, "root")
    with pytest.raises(Refused, match="move it away"):
        converge(host, options())


# Drift


@pytest.mark.parametrize("name", ["tiny.toml", "environment", "tinyd", "tiny.service"])
def test_an_edited_file_is_mended_and_the_process_not_trusted_any_more(host: FakeHost, name: str) -> None:
    converge(host, options())
    path = pathlib.Path(host.at(path_in(options(), name)))
    whole = path.read_bytes()
    path.write_bytes(b"edited")
    result = converge(host, options())
    assert path.read_bytes() == whole
    assert (result["changed"], result["stale"]) == (True, True)
    assert (converge(host, options())["changed"], converge(host, options())["stale"]) == (False, True)
    pid = host.systemd.pid
    result = converge(host, options(state="restarted"))
    assert result["restarted"] and host.systemd.pid != pid and not result["stale"]
    assert host.read("/opt/tiny/distrusted") is None


def test_an_edited_unit_is_mended(host: FakeHost) -> None:
    converge(host, options())
    path = pathlib.Path(host.at(UNIT_PATH))
    whole = path.read_text()
    path.write_text(whole + "Environment=X=1\n")
    result = converge(host, options())
    assert path.read_text() == whole
    assert result["stale"] and not host._show().count("NeedDaemonReload=yes")


@pytest.mark.parametrize(
    "path", ["/etc/sysusers.d/tiny.conf", "/etc/tiny/tiny.toml", UNIT_PATH, "/opt/tiny/current", "/opt/tiny/outside.json"]
)
def test_a_deleted_file_comes_back_and_costs_no_restart(host: FakeHost, path: str) -> None:
    converge(host, options())
    pid = host.systemd.pid
    host.remove(path)
    result = converge(host, options())
    assert (result["changed"], result["stale"], host.systemd.pid) == (True, False, pid)
    assert host.stat(path)
    assert converge(host, options())["changed"] is False


def test_wrong_rights_are_set_right_and_cost_no_restart(host: FakeHost) -> None:
    converge(host, options())
    pathlib.Path(host.at(path_in(options(), "tiny.toml"))).chmod(0o644)
    result = converge(host, options())
    stat = host.stat(path_in(options(), "tiny.toml"))
    assert result["changed"] and not result["stale"] and stat and stat.mode == 0o640


def test_a_binary_that_was_copied_back_is_recognised_without_a_restart(host: FakeHost) -> None:
    converge(host, options())
    path = host.at(path_in(options(), "tinyd"))
    host.copy(path, path, 0o750, "tiny")
    result = converge(host, dict(options(), binary=dict(options()["binary"], path=None)))
    assert result["changed"] and not result["stale"]
    assert converge(host, options())["changed"] is False


def test_files_that_are_wanted_no_more_are_removed(host: FakeHost) -> None:
    converge(host, options())
    converge(host, options(files=options()["files"][1:], links=[]))
    assert host.stat("/etc/tmpfiles.d/tiny.conf") is None and host.target("/etc/tiny/tiny.toml") is None
    assert host.stat("/etc/sysusers.d/tiny.conf")


# Check mode, diff, secrets


def everything(host: FakeHost) -> List[str]:
    return sorted(str(p) for p in pathlib.Path(host.base).rglob("*"))


def test_check_mode_on_a_fresh_host_foretells_and_touches_nothing(host: FakeHost) -> None:
    del host.groups["tiny"]
    before = everything(host)
    foretold = converge(host, options(packages=[{"name": "tinylib", "provides": "/usr/lib/tiny.so"}]), check_mode=True)
    assert (everything(host), host.points, host.systemd.verbs) == (before, 0, [])
    assert foretold["changed"] and foretold["steps"][0] == "install package tinylib"
    host.groups["tiny"] = 600
    assert foretold["steps"][1:] == converge(host, options())["steps"]


def test_check_mode_foretells_a_roll(host: FakeHost) -> None:
    converge(host, options())
    verbs = list(host.systemd.verbs)
    foretold = converge(host, options("a = 2\n", state="restarted"), check_mode=True)
    assert host.systemd.verbs == verbs
    assert foretold["steps"] == converge(host, options("a = 2\n", state="restarted"))["steps"]


def test_diff_shows_what_changes_and_no_secret(host: FakeHost) -> None:
    converge(host, options('key_secret = "canary1"\nnote = "x"\n', environment={"DB_PASSWORD": "canary2", "A": "1"}))
    wanted = options('key_secret = "canary3"\nnote = "canary4"\n', environment={"DB_PASSWORD": "canary2", "A": "2"}, secrets=["canary4"])
    result = converge(host, wanted, with_diff=True)
    shown = json.dumps(result)
    assert "canary" not in shown
    by_name = {entry["after_header"]: entry for entry in result["diff"]}
    assert by_name["/opt/tiny/current/environment"]["after"] == 'A="2"\nDB_PASSWORD="********"\n'
    assert "/opt/tiny/current/tiny.service" not in by_name, "the name of the generation alone is no difference"


def test_a_change_of_nothing_but_a_secret_is_still_shown_as_one(host: FakeHost) -> None:
    converge(host, options('password = "canary1"\n'))
    entry = converge(host, options('password = "canary2"\n'), with_diff=True)["diff"][0]
    assert entry["before"] != entry["after"] and "canary" not in json.dumps(entry)


def test_last_words_are_shown_without_secrets(host: FakeHost) -> None:
    converge(host, options())
    result = converge(host, options('crash\nkey_secret = "canary1"\nplain = "canary2"\n', state="restarted", secrets=["canary2"]))
    assert "boom" in result["msg"] and "key_secret" in result["msg"] and "canary" not in json.dumps(result)


def test_a_lost_manifest_is_written_again_with_the_version(host: FakeHost) -> None:
    """Breaks when the next binary can't be told from an older one."""
    converge(host, options())
    pathlib.Path(host.at(path_in(options(), "manifest.json"))).unlink()
    assert converge(host, options())["changed"]
    assert converge(host, options())["after"]["version"] == "tinyd 1.0"


# Restarting it as it runs


def test_an_emergency_restarts_what_ran_whatever_is_pending(host: FakeHost) -> None:
    """Breaks when a repair waits for an upgrade that failed, or is what puts it to use."""
    converge(host, options())
    generation = from_options(options()).generation
    pending = options("b = 2\n")
    converge(host, pending)
    before = host.systemd.serial
    result = service_run.run(host, dict(pending, state="rerun"))
    assert result["changed"] and result["restarted"] and host.systemd.serial != before
    assert result["running"] == generation and host.systemd.running == generation
    assert converge(host, pending)["stale"], "what is pending stays pending"


def test_an_emergency_says_what_it_would_restart(host: FakeHost) -> None:
    converge(host, options())
    before = host.systemd.serial
    assert service_run.run(host, options(state="rerun"), check_mode=True)["steps"][-1] == "restart tiny.service as it runs"
    assert host.systemd.serial == before


def test_an_emergency_restarts_nothing_that_was_never_deployed(host: FakeHost) -> None:
    with pytest.raises(Refused, match=r"tiny\.service isn't deployed on this host"):
        service_run.run(host, options(state="rerun"))


def test_what_does_not_get_ready_after_it_is_left_to_systemd(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def poll(self, _elapsed: float) -> Any:
            return "it has no shards"

    converge(host, options())
    monkeypatch.setattr(service_run, "_until_ready", lambda options: Never() if options.get("ready") else None)
    with pytest.raises(Refused, match=r"restarted as it ran: it was not ready within .*: it has no shards\. systemd goes on"):
        service_run.run(host, options(state="rerun"))
    assert host.systemd.pid


# Taking it away


def test_a_young_process_is_not_stopped_before_its_time(host: FakeHost) -> None:
    """Breaks when the stop of the single-member procedure makes a node take back its locks twice within 30 s, which panics."""
    converge(host, options())
    started = host.systemd.started
    service_run.run(host, options(state="stopped", min_age=30.0, ready=None))
    assert not host.systemd.pid and host.clock >= started + 30


def test_stopped_stops_and_does_nothing_else(host: FakeHost) -> None:
    converge(host, options())
    result = service_run.run(host, options(state="stopped", ready=None))
    assert result["changed"] and not host.systemd.pid and host.systemd.enabled
    assert service_run.run(host, options(state="stopped", ready=None))["changed"] is False
    assert service_run.run(host, options(state="stopped"))["changed"] is False, "and doesn't wait for what only a running daemon has"


def test_what_is_stopped_for_long_is_not_started_by_a_boot_until_it_is_started(host: FakeHost) -> None:
    """Breaks when a machine that got a new disk starts its daemon on the empty one."""
    converge(host, options())
    assert service_run.run(host, options(state="stopped", ready=None, at_boot=False), check_mode=True)["steps"][1:] == [
        "disable tiny.service",
        "stop tiny.service",
    ]
    assert service_run.run(host, options(state="stopped", ready=None, at_boot=False))["changed"]
    assert not host.systemd.pid and not host.systemd.enabled
    assert service_run.run(host, options(state="stopped", ready=None, at_boot=False))["changed"] is False
    assert converge(host, options())["started"] and host.systemd.enabled
    assert service_run.run(host, options(state="stopped", ready=None))["changed"] and host.systemd.enabled


def test_a_stop_waits_until_the_cluster_can_do_without_it(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a stopped data node's shards aren't protected in the same execution, or not by the run after an interrupted one."""
    missing: List[str] = []

    class Away:
        def poll(self, _elapsed: float) -> Any:
            assert not host.systemd.pid, "protected before it was stopped, it would still be heard by the new leader"
            return missing.pop() if missing else None

    converge(host, options())
    monkeypatch.setattr(service_run, "_until_protected", lambda _protection: Away())
    missing[:] = ["nobody leads"] * 3
    assert service_run.run(host, options(state="stopped", protection={"host": "db1"}))["changed"]
    assert missing == []
    missing[:] = ["nobody leads"] * 3
    assert service_run.run(host, options(state="stopped", protection={"host": "db1"}))["changed"] is False
    assert missing == []
    missing[:] = ["nobody leads"] * 1000
    with pytest.raises(Refused, match=r"tiny\.service was stopped, and after 10 s: nobody leads"):
        service_run.run(host, options(state="stopped", protection={"host": "db1"}))


def test_a_process_that_is_slow_to_end_is_protected_before_and_after(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a node that hangs in its shutdown is forgotten while systemctl waits for it, or when what it said until its end undoes the protection."""
    moves: List[Tuple[float, bool]] = []

    class Away:
        def poll(self, _elapsed: float) -> Any:
            moves.append((host.clock - began, bool(host.systemd.pid)))

    def systemctl(_verb: str) -> Ran:
        return Ran(0, "", "")

    def sleep(seconds: float) -> None:
        host.clock += seconds
        if host.clock - began >= 20:
            host.systemd.pid = 0

    converge(host, options())
    began = host.clock
    monkeypatch.setattr(service_run, "_until_protected", lambda _protection: Away())
    monkeypatch.setattr(host, "_systemctl", systemctl)
    monkeypatch.setattr(host, "sleep", sleep)
    assert service_run.run(host, options(state="stopped", protection={"host": "db1"}, ready_timeout=60.0))["changed"]
    assert ["systemctl", "stop", "--no-block", "tiny.service"] in host.commands
    (early, alive), (late, still) = moves
    assert alive and 4 <= early < 5 and not still and 20 <= late < 21


@pytest.mark.parametrize("do", [Do.SETTLE, "vanish"])
def test_a_step_that_is_not_one_of_its_own_deletes_nothing(host: FakeHost, do: Any) -> None:
    """Breaks when what takes a service away has a branch for everything else, and that branch removes a path."""
    converge(host, options())
    layout = Layout("tiny", "/opt/tiny")
    with pytest.raises(KeyError):
        remove.carry_out(host, layout, Service(), [Step(do, "words", layout.unit)], 0)
    assert host.stat(layout.unit) is not None


def test_a_restart_begins_when_its_protection_says_so_and_a_start_at_once(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a data node is stopped before the moment that bounds its outage, or a node that is down is kept waiting."""
    asked: List[int] = []

    def before_restart(clock: Any) -> None:
        assert clock is host
        asked.append(host.systemd.pid)

    monkeypatch.setattr(service_run, "_before_restart", lambda _options: before_restart)
    converge(host, options())
    assert asked == []
    pid = host.systemd.pid
    converge(host, options("a = 2\n", state="restarted"))
    assert asked == [pid], "still running when it was asked, and asked once"


def test_an_older_binary_is_refused_unless_it_is_meant(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a downgrade slips in with a changed path: nothing of it may be left, and what runs goes on."""
    said = {"program 1": "tinyd v2.10.0 (simulator)", "program 2": "tinyd v2.9.1"}

    def version(_host: Any, wanted: Any, directory: str) -> str:
        return said[(host.read(posixpath.join(directory, wanted.binary.name)) or b"").decode()]

    monkeypatch.setattr(apply.verify, "version", version)
    first = converge(host, options())
    older = options(program="program 2")
    with pytest.raises(Refused, match=r"is 2\.9\.1, and 2\.10\.0 is in use on this host.*horaedb_cluster_allow_downgrade=true"):
        converge(host, older)
    assert converge(host, options())["changed"] is False
    meant = converge(host, dict(older, downgrade=True, state="restarted"))
    assert (meant["before"], meant["after"]) == (
        {"generation": first["generation"], "version": said["program 1"]},
        {"generation": meant["generation"], "version": said["program 2"]},
    )
    assert converge(host, dict(options(), state="restarted"))["restarted"], "the way up needs no permission"
    # Its generation is still there, so that nothing has to be staged.
    for check_mode in (True, False):
        with pytest.raises(Refused, match="horaedb_cluster_allow_downgrade=true"):
            converge(host, dict(older, state="restarted"), check_mode)
    assert converge(host, dict(older, state="restarted", downgrade=True))["restarted"]


def test_absent_removes_what_it_made_and_nothing_else(host: FakeHost) -> None:
    before = everything(host)
    converge(host, options())
    host.write("/opt/tiny/precious", b"data", 0o600, "root")
    service_run.run(host, options(state="absent", files=[], links=[]))
    left = set(everything(host)) - set(before)
    assert left == {host.at("/opt/tiny"), host.at("/opt/tiny/precious")}
    assert not host.systemd.pid and not host.systemd.enabled
    assert service_run.run(host, options(state="absent"))["changed"] is False
    host.remove("/opt/tiny/precious")
    assert converge(host, options())["started"]


# Cut off at every point


def whole(host: FakeHost) -> None:
    """What has to hold at every instant: whatever has a name is complete, and so is what the unit refers to."""
    for name in host.names("/opt/tiny/generations"):
        if not name.startswith("."):
            directory = "/opt/tiny/generations/" + name
            assert inspect.manifest(host, directory).get("generation") == name
            assert {"tinyd", "tiny.toml", "environment", "tiny.service", "manifest.json"} <= set(host.names(directory))
            assert (host.read(directory + "/tinyd") or b"").decode() in PROGRAMS
    unit = host.read(UNIT_PATH)
    if unit is not None:
        assert generation_of(unit.decode()) in host.names("/opt/tiny/generations")


Prepare = Callable[[FakeHost], None]


def started(config: str = "a = 1\n", **more: Any) -> Prepare:
    return lambda host: converge(host, options(config, **more)) and None


def both(*prepare: Prepare) -> Prepare:
    return lambda host: [p(host) for p in prepare] and None


def edited(host: FakeHost) -> None:
    converge(host, options())
    pathlib.Path(host.at(path_in(options(), "tiny.toml"))).write_text("edited")
    pathlib.Path(host.at(path_in(options(), "tinyd"))).write_text("edited")


def stopped(host: FakeHost) -> None:
    converge(host, options())
    host.systemd.pid = 0


SCENARIOS: Dict[str, Tuple[Prepare, Dict[str, Any]]] = {
    "first start": (lambda _host: None, options()),
    "stage": (started(), options("a = 2\n", "program 2")),
    "roll": (both(started(), started("a = 2\n")), options("a = 2\n", state="restarted")),
    "stage and roll at once": (started(), options("a = 2\n", "program 2", state="restarted")),
    "start from a new generation": (stopped, options("a = 2\n")),
    "mend": (edited, options(state="restarted")),
    "other files": (started(), options(files=options()["files"][1:], links=[{"path": "/etc/tiny.d/x", "target": "@current@/x"}])),
    "prune": (both(started(), *(started("a = %d\n" % n, state="restarted") for n in (2, 3, 4))), options(state="restarted", keep=0)),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_point_and_run_again(new_host: Callable[[], FakeHost], name: str) -> None:
    prepare, wanted = SCENARIOS[name]
    points = 0
    while True:
        points += 1
        host = new_host()
        prepare(host)
        pid = host.systemd.pid
        host.kill_at = host.points + points
        try:
            converge(host, wanted)
            break
        except Killed:
            host.kill_at, host.dead = None, False
        if name not in ("mend", "prune"):
            whole(host)
        if pid and wanted["state"] == "started":
            assert host.systemd.pid == pid, "point %d" % points
        assert not pid or host.systemd.pid, "point %d left a stopped service" % points
        converge(host, wanted)
        assert_as_desired(host, wanted, "point %d" % points)
    assert points > 5


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_disk_full_at_any_point_is_told_and_leaves_a_service_running(new_host: Callable[[], FakeHost], name: str) -> None:
    prepare, wanted = SCENARIOS[name]
    points = 0
    while True:
        points += 1
        host = new_host()
        prepare(host)
        pid, running = host.systemd.pid, host.systemd.running
        host.fail_at = fail_at = host.points + points
        try:
            result = converge(host, wanted)
        except (OSError, Refused) as error:
            result = {"failed": True, "msg": str(error)}
        if host.points < fail_at:
            break
        host.fail_at = None
        assert result.get("failed") and "No space left" in result["msg"], "point %d" % points
        if pid:
            assert host.systemd.pid and host.systemd.running in (running, from_options(wanted).generation), "point %d" % points
        converge(host, wanted)
        assert_as_desired(host, wanted, "point %d" % points)
    assert points > 5


def test_a_kill_during_a_rollback_is_finished_by_the_next_run(new_host: Callable[[], FakeHost]) -> None:
    points = 0
    while True:
        points += 1
        host = new_host()
        first = converge(host, options())
        host.kill_at = host.points + points
        try:
            converge(host, options("never\n", state="restarted"))
            break
        except Killed:
            host.kill_at, host.dead = None, False
        whole(host)
        result = converge(host, options("never\n", state="restarted"))
        assert (result["failed"], result["rolled_back"]) == (True, True), "point %d" % points
        assert result["running"] == first["generation"] == result["current"]
        assert converge(host, options())["changed"] is False
    assert points > 10


def assert_as_desired(host: FakeHost, wanted: Dict[str, Any], when: str) -> None:
    result = converge(host, wanted)
    assert (result["changed"], result["steps"]) == (False, []), when
    desired = from_options(wanted)
    whole(host)
    if wanted["state"] == "restarted" or not result["stale"]:
        assert result["running"] == result["current"] == desired.generation, when
        assert (host.read(UNIT_PATH) or b"").decode() == desired.unit, when
        assert host.systemd.loaded == desired.unit, when
    else:
        assert result["staged"] == desired.generation, when
    assert host.systemd.enabled
    assert not [p for p in everything(host) if "/.new-" in p or "/.old-" in p], when

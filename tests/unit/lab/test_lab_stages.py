"""The stages: which are chosen, how they end, what is left behind when their time is over."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import shlex
import sys
import threading
import time

import pytest

from lab import artifact, binaries, demo, dockerd, environment, packages, recipe, sanity, stages, testing, watched
from lab.console import LabError
from lab.context import Context
from lab.stages import Stage

REPORT = '<testsuite><testcase name="a"/></testsuite>'


def passes(context: Context) -> None:
    (context.reports / "one.xml").write_text(REPORT)


def fails(context: Context) -> None:
    passes(context)
    raise LabError("it broke")


def runs_nothing(_context: Context) -> None:
    return None


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pytest.MonkeyPatch:
    """The runner without an environment to install and without a checkout to write into."""
    monkeypatch.setattr(environment, "ensure", lambda *_: pathlib.Path(sys.executable).parent)
    monkeypatch.setattr(testing, "REPORTS", tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return monkeypatch


@pytest.mark.parametrize(
    ("first", "keep_going", "code", "rows", "closing"),
    [
        (passes, False, 0, ["ok", "ok"], "2 passed, 0 failed, 0 skipped"),
        (fails, False, 1, ["FAILED: it broke", "not run"], "1 passed, 1 failed, 0 skipped"),
        (fails, True, 1, ["FAILED: it broke", "ok"], "2 passed, 1 failed, 0 skipped"),
        (runs_nothing, False, 1, ["FAILED: not one test ran", "not run"], "0 passed, 1 failed, 0 skipped"),
    ],
)
def test_the_run_ends_as_its_stages_did(
    bench: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], first: object, keep_going: bool, code: int, rows: list[str], closing: str
) -> None:
    bench.setattr(stages, "every_stage", lambda: [Stage("one", first, 9), Stage("two", passes, 9)])  # type: ignore[arg-type]
    assert testing.run([], keep_going) == code
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith(row) for line, row in zip(lines[-3:-1], rows)] == [True, True]
    assert lines[-1] == closing


def test_stages_that_measure_nothing_run_beside_each_other(bench: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks when everything takes an hour again, when two outputs are mixed, or when one that measures isn't alone."""
    meeting, at_work = threading.Barrier(2, timeout=20), []

    def meets(context: Context) -> None:
        passes(context)
        at_work.append("beside")
        meeting.wait()
        context.call(sys.executable, "-c", "print('one'); print('two')")
        at_work.remove("beside")

    def measures(context: Context) -> None:
        passes(context)
        assert at_work == []

    chosen = [Stage("a", meets, 30, beside=True), Stage("measures", measures, 30), Stage("b", meets, 30, beside=True)]
    bench.setattr(stages, "every_stage", lambda: chosen)
    assert testing.run([], False) == 0
    shown = capsys.readouterr().out
    assert shown.count("\none\ntwo\n=== ") == 2, shown
    assert shown.splitlines()[-1] == "3 passed, 0 failed, 0 skipped"


def test_a_stage_that_fails_keeps_the_waiting_ones_from_beginning(bench: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [Stage(name, fails, 30, beside=True) for name in "abc"] + [Stage("alone", passes, 30)]
    bench.setattr(stages, "every_stage", lambda: chosen)
    bench.setattr(testing, "LANES", 1)
    assert testing.run([], False) == 1
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.endswith("not run")] == ["b", "c", "alone"]


def test_a_command_in_a_lane_ends_with_everything_else(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Breaks when Ctrl-C ends the main thread and waits for what the others have started."""
    monkeypatch.setattr(watched, "stopped", threading.Event())
    threading.Timer(1, watched.stopped.set).start()
    with pytest.raises(LabError, match="stopped with everything else"):
        watched.call([sys.executable, "-c", "import time; time.sleep(60)"], cwd=tmp_path, env=os.environ, deadline=time.monotonic() + 30)


def test_reports_of_an_earlier_run_do_not_count(bench: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "old.xml").write_text(REPORT)
    bench.setattr(stages, "every_stage", lambda: [Stage("one", runs_nothing, 9)])
    assert testing.run([], False) == 1


def test_a_deadline_ends_all_that_was_started(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(watched, "TERM_GRACE", 1.0)
    # As Ansible's workers do, the grandchild leaves the process group and does not mind SIGTERM.
    script = tmp_path / "stubborn.py"
    note = tmp_path / "pid"
    script.write_text(
        "import os, signal, subprocess, sys, time\n"
        "if len(sys.argv) > 1:\n"
        "    os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"    open({str(note)!r} + '.new', 'w').write(str(os.getpid())); os.rename({str(note)!r} + '.new', {str(note)!r})\n"
        "else:\n"
        "    subprocess.Popen([sys.executable, __file__, 'child'])\n"
        "time.sleep(60)\n"
    )
    started = time.monotonic()
    with pytest.raises(watched.OutOfTime, match="its time was over"):
        watched.call([sys.executable, str(script)], cwd=tmp_path, env=os.environ, deadline=started + 2)
    state = pathlib.Path(f"/proc/{note.read_text()}/stat")
    assert not state.exists() or ") Z " in state.read_text()
    assert time.monotonic() - started < 30


def test_a_command_in_time_gives_its_exit_code(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit(3)"]
    assert watched.call(command, cwd=tmp_path, env=os.environ, deadline=time.monotonic() + 30) == 3


def test_a_process_name_with_parentheses_is_read() -> None:
    tail = " ".join(str(number) for number in range(5, 23))
    assert watched.parse_stat(f"42 (a) b (c) S 7 {tail}") == (7, "22")
    assert watched.parse_stat(f"42 (a) b (c) Z 7 {tail}") is None


def test_only_the_family_is_ended() -> None:
    processes = {1: (0, "a"), 7: (1, "b"), 8: (7, "c"), 9: (8, "d"), 10: (1, "e")}
    assert watched.descendants(7, processes) == {7: "b", 8: "c", 9: "d"}
    assert watched.descendants(99, processes) == {}


def test_stages_are_chosen_by_name() -> None:
    known = [Stage(name, runs_nothing, 9, asked=name == "asked") for name in ("lint", "unit", "asked", "molecule:default", "molecule:guards")]
    names = ((), ("asked",), ("unit", "lint"), ("molecule",), ("molecule:guards",))
    chosen = {wanted: [stage.name for stage in stages.select(known, wanted)] for wanted in names}
    assert chosen == {
        (): ["lint", "unit", "molecule:default", "molecule:guards"],
        ("asked",): ["asked"],
        ("unit", "lint"): ["lint", "unit"],
        ("molecule",): ["molecule:default", "molecule:guards"],
        ("molecule:guards",): ["molecule:guards"],
    }
    with pytest.raises(LabError, match="no such stage: molecule:nonesuch"):
        stages.select(known, ["molecule:nonesuch"])


def test_the_whole_run_has_every_kind_of_test() -> None:
    names = {stage.name.split(":")[0] for stage in stages.every_stage()}
    assert {"lint", "unit", "sanity", "build", "contract"} <= names
    assert {f"molecule:{name}" for name in stages.scenarios()} <= {stage.name for stage in stages.every_stage()}


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        ([*artifact.MUST_HAVE], []),
        ([*artifact.MUST_HAVE, "lab/hosts.py"], ["lab/ must not be in it"]),
        ([name for name in artifact.MUST_HAVE if name != "playbooks/site.yml"], ["playbooks/site.yml is missing"]),
    ],
)
def test_the_built_collection_is_looked_into(names: list[str], wrong: list[str]) -> None:
    assert artifact.wrong_contents(names) == wrong


def test_ansible_tests_own_pip_pin_is_found() -> None:
    source = importlib.metadata.distribution("ansible-core").locate_file("ansible_test/_internal/python_requirements.py")
    assert sanity.pinned_pip(pathlib.Path(str(source)).read_text()).count(".") >= 1
    with pytest.raises(LabError, match="lab/sanity.py has to learn"):
        sanity.pinned_pip("nothing")


def test_changed_requirements_are_another_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    requirements = tmp_path / "requirements.txt"
    monkeypatch.setitem(environment.REQUIREMENTS, "demo", requirements)
    paths = []
    for content in ("a==1\n", "a==2\n", "a==1\n"):
        requirements.write_text(content)
        paths.append(environment.venv_path("demo"))
    assert paths[0] == paths[2] != paths[1]


def test_who_may_not_install_is_told_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="mmdebstrap: makes the image\ntype: sudo apt-get install --yes --no-install-recommends mmdebstrap"):
        packages.install({"mmdebstrap": "makes the image"})
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(LabError, match="its own package manager"):
        packages.install({"mmdebstrap": "makes the image"})
    packages.install({})


def test_a_pid_that_was_given_again_is_not_our_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    note = tmp_path / "dockerd.pid"
    monkeypatch.setattr(dockerd, "PID_FILE", note)
    assert dockerd._started_here() is None
    note.write_text(dockerd._identity(os.getpid()) or "")
    assert dockerd._started_here() == os.getpid()
    note.write_text(f"{os.getpid()} 1")
    assert dockerd._started_here() is None


@pytest.mark.parametrize(
    ("programs", "user", "host", "lacks"),
    [
        ((), 1000, None, True),
        (("docker",), 0, None, True),
        (("docker",), 0, "tcp://192.0.2.1:2375", False),
        (("docker",), 1000, None, False),
        (("docker", "dockerd"), 0, None, False),
    ],
)
def test_an_engine_is_installed_where_none_could_be_started(
    monkeypatch: pytest.MonkeyPatch, programs: tuple[str, ...], user: int, host: str | None, lacks: bool
) -> None:
    """Breaks when a machine that has only the client gets no engine, or one whose engine is elsewhere gets a second one."""
    monkeypatch.setattr("shutil.which", lambda name: name if name in programs else None)
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    if host:
        monkeypatch.setenv("DOCKER_HOST", host)
    assert dockerd._lacks_engine() is lacks


def test_a_binary_that_is_not_there_is_said_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HORAE_META_BIN", "/nonexistent/horaemeta-server")
    with pytest.raises(LabError, match="HORAE_META_BIN names /nonexistent/horaemeta-server, and there is no such file"):
        binaries.ensure(sys.executable)


def test_the_demo_says_which_kind_runs_and_how_to_ask_it() -> None:
    assert "SIMULATORS" in demo.kind_banner(True)
    assert "REAL BINARIES" in demo.kind_banner(False)
    words = shlex.split(demo.query_command("192.0.2.1", "SELECT 'it''s'"))
    assert words[-1] == "http://192.0.2.1:5440/sql"
    assert "content-type: application/json" in words
    assert words[words.index("-d") + 1] == '{"query": "SELECT \'it\'\'s\'"}'


def test_what_one_scenario_needs_is_not_installed_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a linter waits for a registry, or when a scenario finds no skopeo on a fresh machine."""
    needing = {
        part: {stage.name for stage in stages.every_stage() if part in stage.needs} for part in (environment.REGISTRY, environment.WHEELS)
    }
    assert needing == {environment.REGISTRY: {"molecule:artifacts"}, environment.WHEELS: {"molecule:airgap"}}
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert "skopeo" in environment._missing_packages("test", (environment.REGISTRY,), "bookworm")
    assert "skopeo" not in environment._missing_packages("test", (environment.TOOL,), "bookworm")
    monkeypatch.setattr(environment, "TOOLS_BIN", pathlib.Path("/nonexistent"))
    with pytest.raises(LabError, match="the tests need docker-registry: put them on PATH"):
        environment._fetch_tools(environment.REGISTRY)


def test_every_release_of_a_lab_host_has_its_python() -> None:
    assert set(environment.PYTHONS) == set(recipe.DISTROS)

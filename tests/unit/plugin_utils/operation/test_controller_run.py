"""Which run of ansible-playbook holds a lock, and whether it still lives."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from ansible import context
from ansible_collections.horaedb.cluster.plugins.module_utils.records.journal import Operation
from ansible_collections.horaedb.cluster.plugins.plugin_utils.operation import controller_run

ARGUMENTS = {"args": ["/somewhere/playbooks/restart.yml"], "subset": "db1"}


@pytest.fixture(autouse=True)
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "CLIARGS", ARGUMENTS)


def in_worker() -> Operation:
    """As a task sees it: in a child of the process that is the run."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(controller_run.this_run)


def test_all_tasks_of_a_run_are_the_same_operation() -> None:
    """Breaks when a run is refused by its own lock, because each task calls itself another operation."""
    first, second = in_worker(), in_worker()
    assert first.id == second.id
    assert (first.pid, first.what) == (os.getpid(), "restart.yml --limit db1")


def test_a_run_that_lives_is_not_over() -> None:
    """Breaks when the lock of a run in another terminal is taken over by itself."""
    assert not controller_run.is_over(in_worker())


def test_a_run_that_was_killed_is_over() -> None:
    """Breaks when an operator who has interrupted a run has to wait ten minutes for its lock."""
    sleeper = subprocess.Popen(["sleep", "60"])
    holder = replace(in_worker(), pid=sleeper.pid, started=controller_run._started(sleeper.pid))
    assert not controller_run.is_over(holder)
    sleeper.kill()
    sleeper.wait()
    assert controller_run.is_over(holder)


def test_a_run_that_cannot_be_seen_is_not_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when the run of another user is taken for dead on a machine that hides the processes of others."""
    holder = replace(in_worker(), started="1")
    monkeypatch.setattr(controller_run, "_started", lambda _pid: "")
    refused: list[int] = []

    def kill(pid: int, _signal: int) -> None:
        refused.append(pid)
        raise PermissionError

    monkeypatch.setattr("os.kill", kill)
    assert not controller_run.is_over(holder)
    assert refused


def test_a_container_of_the_same_name_is_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when two containers that share a host's name and boot take each other's runs for dead."""
    holder = replace(in_worker(), pid=2**22 + 1, started="1")
    assert controller_run.is_over(holder)
    monkeypatch.setattr("os.readlink", lambda _path: "pid:[4711]")
    assert not controller_run.is_over(holder)


@pytest.mark.parametrize(
    "changed",
    [{"machine": "elsewhere boot"}, {"machine": ""}],
)
def test_of_other_machines_nothing_is_known(changed: dict[str, Any]) -> None:
    """Breaks when a pid of another controller is looked up on this one."""
    assert not controller_run.is_over(replace(in_worker(), pid=2**22 + 1, started="1", **changed))


def test_a_pid_that_was_given_again_is_over() -> None:
    """Breaks when only the number of the process is compared."""
    assert controller_run.is_over(replace(in_worker(), started="1"))


def test_the_module_is_asked_again_only_for_a_dead_holder() -> None:
    """Breaks when a refusal by somebody alive is overridden, or a dead holder's lock isn't."""
    dead, alive = replace(in_worker(), started="1"), in_worker()
    for holder, calls, failed in ((dead, 2, False), (alive, 1, True)):
        asked: list[Any] = []

        def module(module_args: dict[str, Any], holder: Operation = holder, asked: list[Any] = asked) -> dict[str, Any]:
            asked.append(module_args)
            if holder.id in module_args["take_over"]:
                return {"operation": module_args["operation"]}
            return {"failed": True, "holder": holder.to_dict()}

        answer = controller_run.begun(module, {"topology": {}}, [])
        assert (len(asked), bool(answer.get("failed"))) == (calls, failed)
        assert bool(answer.get("warnings")) is not failed


def test_two_dead_runs_are_taken_over_one_after_the_other() -> None:
    """Breaks when a first deployment that was killed before and after its cluster lived can't be typed again."""
    before, after = replace(in_worker(), id="before", started="1"), replace(in_worker(), id="after", started="1")

    def module(module_args: dict[str, Any]) -> dict[str, Any]:
        for holder in (before, after):
            if holder.id not in module_args["take_over"]:
                return {"failed": True, "holder": holder.to_dict()}
        return {"operation": module_args["operation"]}

    answer = controller_run.begun(module, {"topology": {}}, [])
    assert not answer.get("failed")
    assert len(answer["warnings"]) == 2


ORPHAN = """
import multiprocessing, os, signal, time
from ansible_collections.horaedb.cluster.plugins.plugin_utils.operation import controller_run

def task(playbook):
    while os.getppid() == playbook:
        time.sleep(0.01)
    print(controller_run._playbook_pid(), flush=True)

multiprocessing.get_context("fork").Process(target=task, args=(os.getpid(),)).start()
print(os.getpid(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_task_that_outlives_its_playbook_still_names_it() -> None:
    """Breaks the next run for ten minutes: a lock of pid 1, which takes in orphans, is never over."""
    said = subprocess.run(
        [sys.executable, "-c", ORPHAN],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    playbook, named = said.stdout.split()
    assert named == playbook, said


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a run in a container, whose user has no entry in passwd, ends in a traceback."""
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert controller_run.this_run().who == "uid %d" % os.getuid()

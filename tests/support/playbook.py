"""Runs ansible-playbook as an operator does, in a process of its own, and tells what it did."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[2]
COUNTING = pathlib.Path(__file__).resolve().parent / "counting"


@dataclass(frozen=True)
class Run:
    """How a playbook ended. `executions`: (host, module) -> how often a module was run there."""

    rc: int
    output: str
    seconds: float
    executions: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """Host -> {"ok": n, "changed": n, ...} of the PLAY RECAP."""
        lines = re.findall(r"^(\S+)\s+: (ok=.*)$", self.output.split("PLAY RECAP")[-1], re.MULTILINE)
        return {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in lines}

    @property
    def changed(self) -> int:
        return sum(counts["changed"] for counts in self.recap.values())

    def on(self, host: str) -> int:
        return sum(count for (where, _module), count in self.executions.items() if where == host)


def run(
    playbook: str,
    inventory: pathlib.Path,
    *arguments: str,
    variables: Mapping[str, object] | None = None,
    kill_at: str | Callable[[str], bool] | None = None,
    kill_after: float = 0.0,
    environment: Mapping[str, str] | None = None,
    timeout: float = 600,
    prefix: Sequence[str] = (),
    cwd: pathlib.Path = ROOT,
) -> Run:
    """Runs `playbook` (a path from `cwd`, the root of the checkout, or a name of the collection).

    kill_at: SIGKILL to everything that the run started on this machine, `kill_after` seconds after the first line of output
    that contains this text, or for which this function says so.
    """
    fatal = (lambda line: kill_at in line) if isinstance(kill_at, str) else kill_at
    command = [*prefix, "ansible-playbook", "-i", str(inventory), playbook, *arguments]
    if variables:
        command += ["--extra-vars", json.dumps(dict(variables))]
    with tempfile.NamedTemporaryFile("r", prefix="horae-count-") as log:
        surroundings = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_FORCE_COLOR="0", ANSIBLE_NOCOLOR="1")
        surroundings.update(PYTHONPATH=str(COUNTING), HORAE_COUNT=log.name, PYTHONUNBUFFERED="1", **(environment or {}))
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=cwd, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        assert process.stdout is not None
        lines: list[str] = []
        watchdog = _Watchdog(process, timeout)
        with watchdog:
            for line in process.stdout:
                lines.append(line)
                if fatal and fatal(line):
                    # The moment inside the task is the point of the test, not a wait for something.
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(kill_after or 0.001)
                    watchdog.kill()
                    break
            rc = process.wait()
        counts = Counter(tuple(line.split(" ", 1)) for line in log.read().splitlines())
    assert not watchdog.expired, "%s didn't end within %s s:\n%s" % (playbook, timeout, "".join(lines[-40:]))
    return Run(rc, "".join(lines), time.monotonic() - started, counts)  # type: ignore[arg-type]


class _Watchdog:
    def __init__(self, process: subprocess.Popen[str], timeout: float) -> None:
        import threading

        self._process = process
        self._timer = threading.Timer(timeout, self._expire)
        self.expired = False

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()

    def kill(self) -> None:
        # Ansible's workers and their ssh are in sessions of their own, and would go on. Stopped first, none of them can start another.
        family: set[int] = set()
        while fresh := _family(self._process.pid) - family:
            _signal(fresh, signal.SIGSTOP)
            family |= fresh
        _signal(family, signal.SIGKILL)

    def _expire(self) -> None:
        self.expired = True
        self.kill()


def _family(root: int) -> set[int]:
    """`root` and every process below it."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    parents = {int(pid): int(parent) for pid, parent in map(str.split, listed.splitlines())}
    family = {root} & set(parents)
    while below := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= below
    return family


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

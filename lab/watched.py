"""Runs a command in sight of the user, until it ends or its time is over; then nothing it started goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.console import LabError

PROC = Path("/proc")
TERM_GRACE = 15.0


class OutOfTime(LabError):
    """The command was ended because its time was over."""


def parse_stat(text: str) -> tuple[int, str]:
    """Parent and start time. The name before them stands in parentheses and may hold anything, also a parenthesis."""
    fields = text.rsplit(")", 1)[1].split()
    return int(fields[1]), fields[19]


def _processes() -> dict[int, tuple[int, str]]:
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = parse_stat((entry / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def descendants(root: int, processes: Mapping[int, tuple[int, str]]) -> dict[int, str]:
    """Pid -> start time of `root` and all below it. A process group is not enough: Ansible's workers leave theirs."""
    family = {root: processes[root][1]} if root in processes else {}
    grew = True
    while grew:
        children = {pid: start for pid, (parent, start) in processes.items() if parent in family and pid not in family}
        family.update(children)
        grew = bool(children)
    return family


def _signal(family: Mapping[int, str], number: signal.Signals) -> None:
    now = _processes()
    for pid, start in family.items():
        if now.get(pid, (0, ""))[1] == start:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def end(process: subprocess.Popen[bytes]) -> None:
    family = descendants(process.pid, _processes())
    _signal(family, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(TERM_GRACE)
    _signal(family, signal.SIGKILL)
    process.wait()


def call(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], deadline: float) -> int:
    """The exit code. `deadline` is a moment of time.monotonic()."""
    process = subprocess.Popen(list(argv), cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise OutOfTime(f"its time was over while `{argv[0]}` ran") from None
    finally:
        if process.poll() is None:
            end(process)

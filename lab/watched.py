"""Runs a command in sight of the user, until it ends or its time is over; then nothing it started goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Optional

from lab.console import LabError, wait_until

PROC = Path("/proc")
TERM_GRACE = 15.0
KILL_GRACE = 10.0
LISTENS = 1.0
# Set when the user wants an end: only the main thread hears it, and commands run in others as well.
stopped = threading.Event()


class OutOfTime(LabError):
    """The command was ended because its time was over."""


def parse_stat(text: str) -> Optional[tuple[int, str]]:
    """Parent and start time; None for a zombie. The name before them stands in parentheses and may hold anything, also a parenthesis."""
    fields = text.rsplit(")", 1)[1].split()
    return None if fields[0] in "ZX" else (int(fields[1]), fields[19])


def _processes() -> dict[int, tuple[int, str]]:
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                read = parse_stat((entry / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
            if read is not None:
                found[int(entry.name)] = read
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


def _left_of(family: Mapping[int, str]) -> dict[int, str]:
    """Those that still live; a pid that was given again to another process has another start time."""
    now = _processes()
    return {pid: start for pid, start in family.items() if now.get(pid, (0, ""))[1] == start}


def _signal(family: Mapping[int, str], number: signal.Signals) -> None:
    for pid in _left_of(family):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end(process: subprocess.Popen[bytes]) -> None:
    family = descendants(process.pid, _processes())

    def alive() -> Optional[str]:
        process.poll()
        left = _left_of(family)
        return f"processes {', '.join(map(str, left))} have not ended" if left else None

    _signal(family, signal.SIGTERM)
    try:
        wait_until(alive, TERM_GRACE)
    except LabError:
        _signal(family, signal.SIGKILL)
        wait_until(alive, KILL_GRACE)


def call(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], deadline: float, output: Optional[IO[str]] = None) -> int:
    """The exit code. `deadline` is a moment of time.monotonic(). `output`: where its words go, if not to the user at once."""
    words = subprocess.STDOUT if output else None
    process = subprocess.Popen(list(argv), cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=words, start_new_session=True)
    try:
        while time.monotonic() < deadline and not stopped.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(max(0.0, min(LISTENS, deadline - time.monotonic())))
        if stopped.is_set():
            raise LabError(f"{Path(argv[0]).name} was stopped with everything else")
        raise OutOfTime(f"its time was over while {Path(argv[0]).name} ran")
    finally:
        if process.poll() is None:
            end(process)

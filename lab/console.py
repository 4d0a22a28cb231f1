"""What every part of the lab shares: commands are run in one place, and a failure is a sentence."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Optional


class LabError(Exception):
    """Something the user has to know or to do; shown without a traceback."""


def say(text: str) -> None:
    print(text, flush=True)


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(
    argv: Sequence[str],
    *,
    stdin: Optional[bytes] = None,
    timeout: float = 120,
    cwd: Optional[Path] = None,
    env: Optional[Mapping[str, str]] = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, its output caught; a failure carries the command's own last words."""
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            cwd=cwd,
            env=env,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(argv)}` was not done within {timeout:.0f} s") from error
    result = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and result.returncode != 0:
        words = (result.stderr.strip() or result.stdout.strip()).splitlines()[-15:]
        raise LabError(f"`{' '.join(argv)}` failed with exit code {result.returncode}:\n  " + "\n  ".join(words))
    return result


def wait_until(missing: Callable[[], Optional[str]], timeout: float, interval: float = 0.2) -> None:
    """Poll until `missing` has nothing more to name; on time-out say what was missing last."""
    deadline = time.monotonic() + timeout
    while True:
        what = missing()
        if what is None:
            return
        if time.monotonic() > deadline:
            raise LabError(f"after {timeout:.0f} s still waiting: {what}")
        time.sleep(interval)

"""Environments of Python packages: which Python makes one, and when it is complete."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from lab.console import run, say
from lab.paths import locked

NEWEST_MINOR = 14
PIP_TIMEOUT = 1200


def can_make(python: str) -> bool:
    return run([python, "-c", "import ensurepip, venv"], check=False).returncode == 0


def _candidates(minor: int) -> Iterator[str]:
    found = shutil.which(f"python3.{minor}")
    if found:
        yield found
        # pyenv puts a name on PATH for every Python that it has, and starts only those that its user has chosen.
        yield from map(str, sorted(Path(found).parent.parent.glob(f"versions/3.{minor}.*/bin/python3.{minor}")))


def find_python(oldest: tuple[int, int]) -> Optional[str]:
    """The one that runs this, or else the newest on PATH that can make environments."""
    if sys.version_info >= oldest:
        return sys.executable
    found = (python for minor in range(NEWEST_MINOR, oldest[1] - 1, -1) for python in _candidates(minor))
    return next((python for python in found if can_make(python)), None)


def is_complete(venv: Path) -> bool:
    return (venv / ".complete").exists()


def pip(venv: Path) -> list[str]:
    return [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]


def ensure(venv: Path, python: str, requirements: Path, *more: str) -> None:
    """`more`: what pip shall install besides what `requirements` lists."""
    if is_complete(venv):
        return
    with locked(venv.name):
        if is_complete(venv):
            return
        say(f"installing {', '.join((f'what {requirements.name} lists', *more))} into {venv}")
        if venv.exists():
            shutil.rmtree(venv)
        run([python, "-m", "venv", str(venv)])
        run([*pip(venv), "--quiet", "install", "--requirement", str(requirements), *more], timeout=PIP_TIMEOUT)
        (venv / ".complete").touch()

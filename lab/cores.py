"""The releases of ansible-core that the collection is for, besides the one of requirements-test.txt with which everything is tested."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from lab import venvs
from lab.context import Context
from lab.paths import CACHE, ROOT

REQUIREMENTS = ROOT / "requirements.txt"


@dataclass(frozen=True)
class Core:
    """`oldest_python`: of a controller; hosts may have an older one."""

    version: str
    oldest_python: tuple[int, int] = (3, 12)

    def ensure(self) -> None:
        python = venvs.find_python(self.oldest_python)
        if python:
            # The file too: it has to allow this release, and names what else a controller needs.
            venvs.ensure(self._venv(python), python, REQUIREMENTS, f"ansible-core=={self.version}")

    def bin_folder(self) -> Optional[Path]:
        python = venvs.find_python(self.oldest_python)
        return self._venv(python) / "bin" if python else None

    def not_tried(self) -> str:
        return f"ansible-core {self.version} is not tried: it needs Python {'.'.join(map(str, self.oldest_python))} or newer, and PATH has none"

    def _venv(self, python: str) -> Path:
        """Named after what is in it, as the environment of the tests."""
        content = REQUIREMENTS.read_bytes() + python.encode() + sys.version.encode()
        return CACHE / f"venv-core-{self.version}-{hashlib.sha256(content).hexdigest()[:10]}"


OTHERS = (Core("2.20.10"), Core("2.21.5"))


def ensure() -> None:
    for core in OTHERS:
        core.ensure()


def contexts(context: Context) -> Iterator[Context]:
    """One for each that this machine has a Python for; of the others it is said that they aren't tried, and why."""
    for core in OTHERS:
        bin_folder = core.bin_folder()
        if bin_folder is None:
            context.tell(core.not_tried())
        else:
            yield context.of(bin_folder)

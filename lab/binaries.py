"""Which HoraeDB is run: the simulators, built from this checkout, or real binaries that the user names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lab.console import LabError, run
from lab.paths import ROOT

BUILD = ROOT / "build"
# Each variable names a real binary; playbooks and tests take the simulator from the build folder where it is not set.
VARIABLES = ("HORAE_META_BIN", "HORAE_DB_BIN")


def ensure(python: str) -> Mapping[str, str]:
    """Build the simulators that take the place of what is not named; returns the named ones, absolute."""
    given = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    for name, path in given.items():
        if not Path(path).is_file():
            raise LabError(f"{name} names {path}, and there is no such file")
    if len(given) < len(VARIABLES):
        run([python, str(ROOT / "tests" / "simulator" / "build.py"), str(BUILD)])
    return {name: str(Path(path).resolve()) for name, path in given.items()}

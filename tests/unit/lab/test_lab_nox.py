"""The sessions of nox, and what they share with the stages."""

from __future__ import annotations

import re
import subprocess
import sys

from lab import stages
from lab.paths import ROOT


def test_nox_has_a_session_for_each_stage_and_those_that_a_stage_runs() -> None:
    """Breaks when a stage is added or renamed, or a check in antsibull-nox.toml that `make test` counts on."""
    command = [sys.executable, "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), "--list-sessions", "--nocolor"]
    listed = set(re.findall(r"^[*-] (\S+)", subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout, re.MULTILINE))
    assert {stage.name.split(":")[0] for stage in stages.every_stage()} <= listed
    assert {*stages.NOX_SESSIONS, "docs-check", "build-import-check"} <= listed


def test_the_pins_can_be_constraints() -> None:
    """Breaks when a line has extras: pip takes none in constraints, and the sessions of antsibull-nox.toml end there."""
    assert [line for line in (ROOT / "requirements-test.txt").read_text().splitlines() if "[" in line and line[0] != "#"] == []

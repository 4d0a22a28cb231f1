"""`make test`: everything it needs, then the stages, then a table and one plain line."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Optional

from lab import binaries, environment, hosts, reports, stages
from lab.console import LabError, say
from lab.context import Context
from lab.paths import ROOT

REPORTS = ROOT / "build" / "reports"
TOTAL_DEADLINE = 60 * 60


def _be_ended(_number: int, _frame: Optional[FrameType]) -> None:
    # As with Ctrl-C: what was started is ended, and the labs are taken down.
    raise KeyboardInterrupt


def _fresh_folder(stage: stages.Stage) -> Path:
    folder = REPORTS / stage.name.replace(":", "-")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def _run(stage: stages.Stage, bin_folder: Path, total_deadline: float) -> reports.Outcome:
    say(f"\n=== {stage.name}")
    started = time.monotonic()
    folder = _fresh_folder(stage)
    problem = None
    try:
        chosen = binaries.ensure(str(bin_folder / "python")) if stage.binaries else {}
        variables = {**environment.variables(bin_folder), **chosen, **reports.variables(folder)}
        stage.run(Context(bin_folder, variables, folder, min(started + stage.deadline, total_deadline)))
    except LabError as error:
        problem = str(error)
        say(f"{stage.name}: {problem}")
    finally:
        if stage.lab is not None and stage.lab.folder.exists():
            hosts.down(stage.lab)
    counts = reports.count(folder.glob("*.xml")) if stage.tests else None
    outcome = reports.judge(stage.name, time.monotonic() - started, counts, problem)
    say(f"=== {stage.name}: {outcome.problem or 'ok'} ({outcome.seconds:.0f} s)")
    return outcome


def run(wanted: Sequence[str], keep_going: bool) -> int:
    signal.signal(signal.SIGTERM, _be_ended)
    deadline = time.monotonic() + TOTAL_DEADLINE
    chosen = stages.select(stages.every_stage(), wanted)
    started = time.monotonic()
    bin_folder = environment.ensure("test", {part for stage in chosen for part in stage.needs})
    outcomes = [reports.Outcome("setup", time.monotonic() - started, None)]
    for stage in chosen:
        outcomes.append(_run(stage, bin_folder, deadline))
        if outcomes[-1].problem and not keep_going:
            break
    not_run = [stage.name for stage in chosen[len(outcomes) - 1 :]]
    say("\n" + reports.table(outcomes, not_run))
    say(reports.closing_line(outcomes))
    sys.stdout.flush()
    return 1 if any(outcome.problem for outcome in outcomes) else 0

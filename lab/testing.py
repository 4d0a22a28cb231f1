"""`make test`: everything it needs, then the stages, then a table and one plain line."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO, Optional

from lab import binaries, environment, hosts, reports, stages, watched
from lab.console import LabError, say
from lab.context import Context
from lab.paths import ROOT

REPORTS = ROOT / "build" / "reports"
# Less than the 70 that the whole of .ci/run may take.
MINUTES = 68
# Most stages wait more than they work, and there are two cores.
LANES = 2
_BUILDING = threading.Lock()


def _be_ended(_number: int, _frame: Optional[FrameType]) -> None:
    # As with Ctrl-C: what was started is ended, and the labs are taken down.
    raise KeyboardInterrupt


def _fresh_folder(stage: stages.Stage) -> Path:
    folder = REPORTS / stage.name.replace(":", "-")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def _run(stage: stages.Stage, bin_folder: Path, total_deadline: float, output: Optional[IO[str]] = None) -> reports.Outcome:
    started = time.monotonic()
    folder = _fresh_folder(stage)
    problem, real = None, False
    try:
        with _BUILDING:
            chosen = binaries.ensure(str(bin_folder / "python")) if stage.binaries else {}
        real = bool(chosen)
        variables = {**environment.variables(bin_folder), **chosen, **reports.variables(folder)}
        stage.run(Context(bin_folder, variables, folder, min(started + stage.deadline, total_deadline), output))
    except LabError as error:
        problem = str(error)
    finally:
        if stage.lab is not None and stage.lab.folder.exists():
            hosts.down(stage.lab)
    counts = reports.count(folder.glob("*.xml")) if stage.tests else None
    skipped = reports.skips(folder.glob("*.xml"))
    wrong = reports.left_out(skipped, real) if stage.whole else []
    return reports.judge(stage.name, time.monotonic() - started, counts, problem, skipped, wrong)


def _alone(stage: stages.Stage, bin_folder: Path, total_deadline: float) -> reports.Outcome:
    say(f"\n=== {stage.name}")
    outcome = _run(stage, bin_folder, total_deadline)
    say(f"=== {stage.name}: {outcome.problem or 'ok'} ({outcome.seconds:.0f} s)")
    return outcome


def _beside(stage: stages.Stage, bin_folder: Path, total_deadline: float) -> reports.Outcome:
    """What it said is shown in one piece when it is over."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        outcome = _run(stage, bin_folder, total_deadline, output)
        output.seek(0)
        say(f"\n=== {stage.name}\n{output.read()}=== {stage.name}: {outcome.problem or 'ok'} ({outcome.seconds:.0f} s)")
    return outcome


def _in_lanes(chosen: Sequence[stages.Stage], run_one: Callable[[stages.Stage], reports.Outcome], keep_going: bool) -> list[reports.Outcome]:
    """In the order of their ends. One that fails keeps those from beginning that have not, unless it is to go on."""
    waiting = list(chosen)
    outcomes: list[reports.Outcome] = []
    say(f"{LANES} at a time, each shown when it is over: {', '.join(stage.name for stage in chosen)}")

    def lane() -> None:
        while waiting and not watched.stopped.is_set() and (keep_going or not any(outcome.problem for outcome in outcomes)):
            outcomes.append(run_one(waiting.pop(0)))

    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(lane) for _ in range(LANES)]
        try:
            for one in lanes:
                one.result()
        except BaseException:
            watched.stopped.set()
            raise
    return outcomes


def run(wanted: Sequence[str], keep_going: bool, minutes: Optional[int] = None) -> int:
    """`minutes`: how long all of it may take, and each stage, for what is more than the tests usually do."""
    signal.signal(signal.SIGTERM, _be_ended)
    deadline = time.monotonic() + 60 * (minutes or MINUTES)
    chosen = stages.select(stages.every_stage(), wanted)
    if minutes:
        chosen = [replace(stage, deadline=60 * minutes) for stage in chosen]
    started = time.monotonic()
    bin_folder = environment.ensure("test", {part for stage in chosen for part in stage.needs})
    outcomes = [reports.Outcome("setup", time.monotonic() - started, None)]
    together = [stage for stage in chosen if stage.beside]
    if len(together) > 1:
        outcomes += _in_lanes(together, lambda stage: _beside(stage, bin_folder, deadline), keep_going)
    for stage in chosen:
        if stage.name in {outcome.stage for outcome in outcomes}:
            continue
        if not keep_going and any(outcome.problem for outcome in outcomes):
            break
        outcomes.append(_alone(stage, bin_folder, deadline))
    done = {outcome.stage for outcome in outcomes}
    say("\n" + reports.table(outcomes, [stage.name for stage in chosen if stage.name not in done]))
    say(reports.closing_line(outcomes))
    sys.stdout.flush()
    return 1 if any(outcome.problem for outcome in outcomes) else 0

"""Adds up what tests really ran. A green exit code alone proves nothing: molecule is green with nothing run."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from lab.paths import ROOT

FOLDER_VARIABLE = "LAB_REPORTS"
# How the reason of a skip begins that is allowed where a scenario runs on real binaries, and nowhere else.
ONLY_SIMULATORS = "only simulators play this"


@dataclass(frozen=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


@dataclass(frozen=True)
class Skip:
    test: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """How one stage ended. `counts` is None for stages that are no tests, such as a linter."""

    stage: str
    seconds: float
    counts: Optional[Counts]
    problem: Optional[str] = None
    skips: Sequence[Skip] = ()

    @property
    def failures(self) -> int:
        """A stage that failed without a failed test, or without any, still counts as one failure."""
        failed = self.counts.failed if self.counts else 0
        return failed or (1 if self.problem else 0)


def variables(folder: Path) -> Mapping[str, str]:
    """The process environment that makes every pytest, also one that molecule starts, leave a report in `folder`."""
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} -p lab.pytest_report".strip()
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {FOLDER_VARIABLE: str(folder), "PYTEST_ADDOPTS": options, "PYTHONPATH": path}


def _case(case: ElementTree.Element) -> Counts:
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        return Counts(failed=1)
    return Counts(skipped=1) if "skipped" in kinds else Counts(passed=1)


def count(files: Iterable[Path]) -> Counts:
    total = Counts()
    for path in files:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            total += _case(case)
    return total


def skips(files: Iterable[Path]) -> list[Skip]:
    cases = (case for path in files for case in ElementTree.parse(path).getroot().iter("testcase"))
    return [Skip(case.get("name", ""), skipped.get("message", "")) for case in cases for skipped in case.iter("skipped")]


def left_out(found: Iterable[Skip], real: bool) -> list[Skip]:
    """What a stage may not leave out that has to run whole: anything but, where real binaries run, what only simulators play."""
    return [skip for skip in found if not (real and skip.reason.startswith(ONLY_SIMULATORS))]


def judge(
    stage: str, seconds: float, counts: Optional[Counts], problem: Optional[str], skipped: Sequence[Skip] = (), wrong: Sequence[Skip] = ()
) -> Outcome:
    """`wrong`: those of the skipped tests that had to run."""
    if problem is None and counts is not None:
        if counts.failed:
            problem = f"{counts.failed} tests failed"
        elif not counts.passed:
            problem = "not one test ran"
        elif wrong:
            problem = f"{len(wrong)} tests were skipped that have to run"
    return Outcome(stage, seconds, counts, problem, skipped)


def table(outcomes: Sequence[Outcome], not_run: Sequence[str]) -> str:
    width = max([len("stage"), *(len(outcome.stage) for outcome in outcomes), *map(len, not_run)])
    lines = [f"{'stage':{width}}  {'time':>7} {'passed':>7} {'failed':>7} {'skipped':>8}"]
    for outcome in outcomes:
        counts = outcome.counts
        cells = ("-", "-", "-") if counts is None else (str(counts.passed), str(counts.failed), str(counts.skipped))
        verdict = f"  FAILED: {outcome.problem}" if outcome.problem else "  ok"
        lines.append(f"{outcome.stage:{width}}  {outcome.seconds:>5.0f} s {cells[0]:>7} {cells[1]:>7} {cells[2]:>8}{verdict}")
    lines += [f"{stage:{width}}  not run" for stage in not_run]
    lines += [f"skipped in {outcome.stage}: {skip.test}: {skip.reason}" for outcome in outcomes for skip in outcome.skips]
    return "\n".join(lines)


def closing_line(outcomes: Iterable[Outcome]) -> str:
    ended = list(outcomes)
    counted = sum((outcome.counts for outcome in ended if outcome.counts), Counts())
    return f"{counted.passed} passed, {sum(outcome.failures for outcome in ended)} failed, {counted.skipped} skipped"

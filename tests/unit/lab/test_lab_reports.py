"""What counts as a green run."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from lab import reports
from lab.paths import ROOT
from lab.reports import Counts, Outcome, Skip

REPORT = """\
<testsuites><testsuite tests="4">
<testcase name="a"/>
<testcase name="b"><failure message="no"/></testcase>
<testcase name="c"><error message="broken"/></testcase>
<testcase name="d"><skipped message="not today"/></testcase>
<testcase name="e"><system-out>words</system-out></testcase>
</testsuite></testsuites>
"""


def test_cases_are_counted_over_all_reports(tmp_path: pathlib.Path) -> None:
    for name in ("one.xml", "two.xml"):
        (tmp_path / name).write_text(REPORT)
    assert reports.count(tmp_path.glob("*.xml")) == Counts(passed=4, failed=4, skipped=2)


@pytest.mark.parametrize(
    ("counts", "problem", "verdict"),
    [
        (Counts(passed=3), None, None),
        (None, None, None),
        (Counts(), None, "not one test ran"),
        (Counts(skipped=5), None, "not one test ran"),
        (Counts(passed=3, failed=1), None, "1 tests failed"),
        (Counts(passed=3), "its time was over", "its time was over"),
    ],
)
def test_a_stage_is_judged_by_what_ran(counts: Counts | None, problem: str | None, verdict: str | None) -> None:
    assert reports.judge("unit", 1.0, counts, problem).problem == verdict


@pytest.mark.parametrize(
    ("outcomes", "line"),
    [
        ([Outcome("setup", 1, None), Outcome("unit", 1, Counts(passed=7, skipped=1))], "7 passed, 0 failed, 1 skipped"),
        ([Outcome("unit", 1, Counts(passed=7, failed=2), "2 tests failed")], "7 passed, 2 failed, 0 skipped"),
        ([Outcome("lint", 1, None, "findings")], "0 passed, 1 failed, 0 skipped"),
        ([Outcome("unit", 1, Counts(passed=7)), Outcome("molecule:guards", 1, Counts(), "not one test ran")], "7 passed, 1 failed, 0 skipped"),
    ],
)
def test_the_closing_line_never_hides_a_failure(outcomes: list[Outcome], line: str) -> None:
    assert reports.closing_line(outcomes) == line


def test_what_was_skipped_is_named_with_its_reason(tmp_path: pathlib.Path) -> None:
    """Breaks when a test that didn't run is a number, and nobody learns which it was."""
    (tmp_path / "one.xml").write_text(REPORT)
    found = reports.skips(tmp_path.glob("*.xml"))
    assert found == [Skip("d", "not today")]
    assert reports.table([Outcome("unit", 1, Counts(passed=1, skipped=1), None, found)], []).splitlines()[-1] == "skipped in unit: d: not today"


@pytest.mark.parametrize(
    ("reason", "real", "wrong"),
    [
        ("not today", True, 1),
        ("%s: a clock of its own" % reports.ONLY_SIMULATORS, True, 0),
        ("%s: a clock of its own" % reports.ONLY_SIMULATORS, False, 1),
    ],
)
def test_a_scenario_leaves_out_what_only_simulators_play_and_nothing_else(reason: str, real: bool, wrong: int) -> None:
    """Breaks when a scenario is green without the test that would have been red."""
    left = reports.left_out([Skip("a", reason)], real)
    assert len(left) == wrong
    said = reports.judge("molecule:guards", 1, Counts(passed=3, skipped=1), None, [Skip("a", reason)], left).problem
    assert said == ("1 tests were skipped that have to run" if wrong else None)


def test_the_table_has_a_row_for_what_did_not_run() -> None:
    table = reports.table([Outcome("lint", 12.4, None, "findings of ruff")], ["unit", "molecule:default"])
    assert [line.split() for line in table.splitlines()[1:]] == [
        ["lint", "12", "s", "-", "-", "-", "FAILED:", "findings", "of", "ruff"],
        ["unit", "not", "run"],
        ["molecule:default", "not", "run"],
    ]


def test_each_pytest_run_leaves_a_report_of_its_own(tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_one():\n    assert True\n")
    folder = tmp_path / "reports"
    folder.mkdir()
    for _ in range(2):
        environment = {**os.environ, **reports.variables(folder)}
        subprocess.run([sys.executable, "-m", "pytest", "-q", str(tmp_path)], cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert len(list(folder.glob("*.xml"))) == 2
    assert reports.count(folder.glob("*.xml")) == Counts(passed=2)


@pytest.mark.parametrize(
    ("last_line", "make_code", "code"),
    [
        ("12 passed, 0 failed, 0 skipped", 0, 0),
        ("12 passed, 0 failed, 0 skipped", 2, 2),
        ("0 passed, 0 failed, 0 skipped", 0, 1),
        ("12 passed, 1 failed, 0 skipped", 0, 1),
        ("nothing to be done", 0, 1),
    ],
)
def test_the_ci_script_believes_only_tests_that_ran(tmp_path: pathlib.Path, last_line: str, make_code: int, code: int) -> None:
    make = tmp_path / "make"
    make.write_text(f"#!/bin/sh\necho \"called: $*\"\necho '{last_line}'\nexit {make_code}\n")
    make.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False)
    assert "called: test" in done.stdout
    assert done.returncode == code

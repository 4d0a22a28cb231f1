"""The table in docs/operations.md is a script's work."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests import figures
from tests.support.load import Figures, Move, Phase


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    phase = Phase("`restart.yml`", 61.2, 900, 12, 1200, 9, {"db1": [3.2, 0.4], "db2": []}, [Move("meta1", "meta2", 1)])
    Figures(tmp_path / "figures" / "operations.jsonl").add(phase.record())
    return tmp_path / "figures"


def test_what_a_scenario_noted_becomes_a_table_between_the_markers(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Breaks when figures get lost on the way, when the text around them changes, or when a second run adds a second table."""
    document = tmp_path / "operations.md"
    document.write_text("before\n%s\nold\n%s\nafter\n" % (figures.BEGIN, figures.END))
    assert figures.main([str(folder), str(document)]) == 0
    once = document.read_text()
    assert once.startswith("before\n") and once.endswith("\nafter\n") and "old" not in once
    [row] = [line for line in once.splitlines() if "restart.yml" in line]
    assert row == "| `restart.yml` | 61 s | db1 3.2 s | 1 (1) | 12 of 900 | 1200, 9, 0 |"
    assert figures.main([str(folder), str(document)]) == 0
    assert document.read_text() == once


def test_it_says_which_daemons_were_measured(folder: pathlib.Path) -> None:
    """Breaks when figures of simulators pass for figures of HoraeDB."""
    records = figures.load(folder)
    assert "Measured with the simulators on one machine of" in figures.preamble(records)
    assert "Measured with real daemons" in figures.preamble([dict(records[0], daemons="real")])


def test_without_figures_or_markers_the_document_stays_as_it_is(
    folder: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Breaks when a table of nothing replaces the one that was there."""
    document = tmp_path / "operations.md"
    document.write_text("%s\nold\n%s\n" % (figures.BEGIN, figures.END))
    assert figures.main([str(tmp_path / "nothing"), str(document)]) == 1
    assert "make molecule SCENARIO=operations" in capsys.readouterr().err
    document.write_text("no markers\n")
    assert figures.main([str(folder), str(document)]) == 1
    assert document.read_text() == "no markers\n"


def test_a_new_run_begins_a_new_file(folder: pathlib.Path) -> None:
    """Breaks when the table mixes two runs."""
    path = folder / "operations.jsonl"
    assert json.loads(path.read_text())["scenario"] == "operations"
    Figures(path)
    assert path.read_text() == ""

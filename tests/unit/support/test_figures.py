"""The table in docs/operations.md is a script's work."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests import figures
from tests.support.load import Figures, Move, Phase

MARKERS = (figures.BEGIN % "the simulators", figures.END % "the simulators")


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    phase = Phase("`restart.yml`", 61.2, 900, 12, 1200, 9, {"db1": [3.2, 0.4], "db2": []}, [Move("meta1", "meta2", 1)])
    Figures(tmp_path / "figures", "operations").add(phase.record())
    return tmp_path / "figures"


def test_what_a_scenario_noted_becomes_a_table_between_the_markers(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Breaks when figures get lost on the way, when the text around them changes, or when a second run adds a second table."""
    document = tmp_path / "operations.md"
    document.write_text("before\n%s\nold\n%s\nafter\n" % MARKERS)
    assert figures.main([str(folder), str(document)]) == 0
    once = document.read_text()
    assert once.startswith("before\n") and once.endswith("\nafter\n") and "old" not in once
    [row] = [line for line in once.splitlines() if "restart.yml" in line]
    assert row == "| `restart.yml` | 61 s | db1 3.2 s | 1 (1) | 12 of 900 | 1200, 9, 0 |"
    assert figures.main([str(folder), str(document)]) == 0
    assert document.read_text() == once


def test_each_kind_of_daemon_has_a_table_of_its_own(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Breaks when figures of simulators pass for figures of HoraeDB, or a run on the ones takes away the table of the others."""
    Figures(folder, "operations", "real").add(Phase("`upgrade.yml`", 41.2, 900, 12, 1200, 9, {"db1": [2.9]}, []).record())
    document = tmp_path / "operations.md"
    real = (figures.BEGIN % "the real daemons", figures.END % "the real daemons")
    document.write_text("\n".join([*real, *MARKERS, ""]))
    assert figures.main([str(folder), str(document)]) == 0
    of_real, of_simulators = document.read_text().split(MARKERS[0])
    assert "Measured with the real daemons on one machine of" in of_real and "upgrade.yml" in of_real and "restart.yml" not in of_real
    assert "Measured with the simulators on one machine of" in of_simulators and "upgrade.yml" not in of_simulators
    (folder / "real" / "operations.jsonl").unlink()
    assert figures.main([str(folder), str(document)]) == 0
    assert document.read_text().split(MARKERS[0])[0] == of_real


def test_without_figures_or_markers_the_document_stays_as_it_is(
    folder: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Breaks when a table of nothing replaces the one that was there."""
    document = tmp_path / "operations.md"
    document.write_text("%s\nold\n%s\n" % MARKERS)
    assert figures.main([str(tmp_path / "nothing"), str(document)]) == 1
    assert "make molecule SCENARIO=operations" in capsys.readouterr().err
    document.write_text("no markers\n")
    assert figures.main([str(folder), str(document)]) == 1
    assert document.read_text() == "no markers\n"


def test_a_new_run_begins_a_new_file(folder: pathlib.Path) -> None:
    """Breaks when the table mixes two runs."""
    path = folder / "simulators" / "operations.jsonl"
    assert json.loads(path.read_text())["scenario"] == "operations"
    Figures(folder, "operations")
    assert path.read_text() == ""

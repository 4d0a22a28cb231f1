from __future__ import annotations

import pathlib
from typing import Dict

import pytest
from common.knobs import Knobs


def knobs(folder: pathlib.Path, environment: Dict[str, str] = {}) -> Knobs:  # noqa: B006
    return Knobs([str(folder)], environment)


@pytest.mark.parametrize(("text", "happens"), [("1", True), ("0", False), ("1.0", True)])
def test_a_probability(tmp_path: pathlib.Path, text: str, happens: bool) -> None:
    assert knobs(tmp_path, {"HORAE_SIM_HANG": text}).happens("HANG", 0.5) is happens
    (tmp_path / "hang").write_text(text + "\n")
    assert knobs(tmp_path).happens("HANG", 0.5) is happens


def test_without_one_the_usual_counts(tmp_path: pathlib.Path) -> None:
    assert knobs(tmp_path).happens("HANG", 1.0) and not knobs(tmp_path).happens("HANG", 0.0)


def test_the_environment_wins(tmp_path: pathlib.Path) -> None:
    (tmp_path / "hang").write_text("1")
    assert not knobs(tmp_path, {"HORAE_SIM_HANG": "0"}).happens("HANG", 1.0)


def test_next_counts_once(tmp_path: pathlib.Path) -> None:
    (tmp_path / "hang").write_text("next\n")
    asked = knobs(tmp_path)
    assert asked.happens("HANG", 0.0)
    assert not asked.happens("HANG", 0.0) and not (tmp_path / "hang").exists()


def test_nonsense_is_not_taken_for_never(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError):
        knobs(tmp_path, {"HORAE_SIM_HANG": "often"}).happens("HANG", 0.0)

"""A later version of whatever program the scenarios are given."""

from __future__ import annotations

import pathlib

import pytest

from tests.simulator import build
from tests.support import programs

SAYS = "#!/bin/sh\nprintf '\\nVersion: 2.1.0\\nGit commit: Unknown\\n'\nexit\n"
SAYS_NOTHING = "#!/bin/sh\nprintf 'Git commit:\\n'\nexit\n"


def executable(path: pathlib.Path, text: str) -> pathlib.Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Programs that aren't simulators: a data node that says its version, and a member that doesn't."""
    monkeypatch.setenv("HORAE_DB_BIN", str(executable(tmp_path / programs.DB, SAYS)))
    monkeypatch.setenv("HORAE_META_BIN", str(executable(tmp_path / programs.META, SAYS_NOTHING)))


@pytest.mark.usefixtures("real")
def test_a_copy_of_a_real_program_has_other_bytes_and_another_number(tmp_path: pathlib.Path) -> None:
    """Breaks when an upgrade on real daemons goes to the same bytes, or a simulator is started on their data."""
    made = programs.later(tmp_path / "made", 1)
    assert programs.number(made[programs.DB]) == "2.2.0" and programs.number(made[programs.META]) == ""
    for name, path in programs.given().items():
        assert programs.digest(path) != programs.digest(made[name])
        assert made[name].read_bytes().startswith(path.read_bytes().replace(b"2.1.0", b"2.2.0"))
    assert programs.variables(made) == {"horaemeta_binary": str(made[programs.META]), "horaedb_binary": str(made[programs.DB])}


def test_simulators_are_built_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Breaks when a simulator is patched like a binary, whose digest says nothing of what is in its archive."""
    first = build.build(tmp_path / "first")
    monkeypatch.setenv("HORAE_DB_BIN", str(first[programs.DB]))
    monkeypatch.setenv("HORAE_META_BIN", str(first[programs.META]))
    made = programs.later(tmp_path / "made", 2)
    assert programs.number(made[programs.DB]) == "2.3.0"
    assert all(programs.digest(made[name]) != programs.digest(path) for name, path in first.items())


@pytest.mark.parametrize(("now", "step", "later"), [("2.1.0", 1, "2.2.0"), ("2.9.1", 1, "3.9.1"), ("2.10.0", 2, "2.12.0")])
def test_a_later_number_is_as_long(now: str, step: int, later: str) -> None:
    """Breaks when what stands behind the number in the program moves."""
    assert programs._later(now, step) == later

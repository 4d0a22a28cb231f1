"""Releases of ansible-core, and the Python of each."""

from __future__ import annotations

import pathlib
import re
import sys
import time
import types

import pytest
from packaging.requirements import Requirement

from lab import artifact, cores, venvs
from lab.context import Context
from lab.cores import Core
from lab.paths import ROOT

NO_PYTHON = Core("2.99.0", (3, venvs.NEWEST_MINOR + 1))


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """A machine whose own Python is too old; the folder is all that PATH has, besides what a shell script needs."""
    monkeypatch.setattr(venvs, "sys", types.SimpleNamespace(version_info=(3, 9, 2), executable="/old/python3"))
    folder = tmp_path / "shims"
    folder.mkdir()
    monkeypatch.setattr("shutil.which", lambda name: str(folder / name) if (folder / name).exists() else None)
    return folder


def program(path: pathlib.Path, code: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def test_a_python_that_is_new_enough_is_used_itself() -> None:
    assert venvs.find_python((3, 9)) == sys.executable


def test_the_newest_python_that_makes_environments_is_found(old: pathlib.Path) -> None:
    """Breaks when Debian's python3.13 without python3-venv keeps a core from being tried with python3.12."""
    assert venvs.find_python((3, 12)) is None
    program(old / "python3.13", 1)
    usable = program(old / "python3.12", 0)
    program(old / "python3.11", 0)
    assert venvs.find_python((3, 12)) == usable


def test_a_python_of_pyenv_that_is_not_chosen_is_found(old: pathlib.Path) -> None:
    """Breaks when a name on PATH that doesn't start is taken for a Python, or for the lack of one."""
    program(old / "python3.12", 127)
    behind = program(old.parent / "versions" / "3.12.1" / "bin" / "python3.12", 0)
    assert venvs.find_python((3, 12)) == behind


def test_a_core_without_its_python_is_said_not_to_be_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    """Breaks when a run that tried one release looks like one that tried all."""
    monkeypatch.setattr(cores, "OTHERS", (NO_PYTHON,))
    context = Context(tmp_path, {}, tmp_path, time.monotonic() + 9)
    cores.ensure()
    assert list(cores.contexts(context)) == []
    wanted = f"3.{venvs.NEWEST_MINOR + 1}"
    assert capsys.readouterr().out == f"ansible-core 2.99.0 is not tried: it needs Python {wanted} or newer, and PATH has none\n"


def test_a_core_is_tried_with_its_own_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Breaks when ansible-playbook of the tests' own environment stands for every release."""
    monkeypatch.setattr(cores, "CACHE", tmp_path)
    monkeypatch.setattr(cores, "OTHERS", (Core("2.99.0", (3, 9)),))
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(venvs, "ensure", lambda *arguments: asked.append(arguments))
    cores.ensure()
    [[venv, python, requirements, pin]] = asked
    assert (python, requirements, pin) == (sys.executable, ROOT / "requirements.txt", "ansible-core==2.99.0")
    [other] = cores.contexts(Context(tmp_path / "bin", {"PATH": f"{tmp_path}/bin:/usr/bin"}, tmp_path, time.monotonic() + 9))
    assert other.bin_folder == pathlib.Path(str(venv)) / "bin"
    assert other.variables["PATH"] == f"{other.bin_folder}:/usr/bin"


def test_every_release_that_is_allowed_is_tried() -> None:
    """Breaks when requirements.txt allows a release of ansible-core that no run has, or refuses one that is promised."""
    [allowed] = [Requirement(line) for line in cores.REQUIREMENTS.read_text().splitlines() if line.startswith("ansible-core")]
    [pinned] = re.findall(r"^ansible-core==(.+)$", (ROOT / "requirements-test.txt").read_text(), re.MULTILINE)
    tried = [pinned, *(core.version for core in cores.OTHERS)]
    assert [version for version in tried if not allowed.specifier.contains(version)] == []
    releases = {f"2.{minor}" for minor in range(99) if allowed.specifier.contains(f"2.{minor}.99")}
    assert {version.rsplit(".", 1)[0] for version in tried} == releases
    assert min(releases) in (ROOT / "meta" / "runtime.yml").read_text()


def test_every_playbook_of_the_collection_is_loaded(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "ansible_collections" / "horaedb" / "cluster" / "playbooks"
    (folder / "steps").mkdir(parents=True)
    for name in ("site.yml", "status.yml", "steps/roll.yml"):
        (folder / name).touch()
    assert artifact.playbooks(tmp_path) == ["horaedb.cluster.site", "horaedb.cluster.status"]

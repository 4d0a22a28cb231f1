from __future__ import annotations

import ast
import os
import pathlib
import subprocess
import sys
from typing import List

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCES = sorted(path for part in ("common", "horaemeta", "horaedb") for path in (ROOT / part).glob("*.py"))


def build(outdir: pathlib.Path, *options: str) -> pathlib.Path:
    subprocess.run([sys.executable, str(ROOT / "build.py"), str(outdir), *options], check=True, stdout=subprocess.DEVNULL)
    return outdir


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_the_same_source_gives_the_same_bytes(tmp_path: pathlib.Path) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other")
    for name in ("horaemeta-server", "horaedb-server"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
        assert os.access(one / name, os.X_OK)


def test_another_version_is_another_file_and_says_so(tmp_path: pathlib.Path) -> None:
    built = build(tmp_path, "--version", "2.2.0")
    told = run(str(built / "horaemeta-server"), "--version")
    assert told.stdout == "" and told.stderr.splitlines()[0] == "HoraeMeta Server" and "2.2.0 (simulator)" in told.stderr
    assert len(told.stderr.splitlines()) == 4
    assert "2.2.0 (simulator)" in run(str(built / "horaedb-server"), "-V").stdout


@pytest.mark.parametrize(("daemon", "version"), [("horaemeta-server", "--version"), ("horaedb-server", "-V")])
class TestFlavours:
    def arguments(self, daemon: str, tmp_path: pathlib.Path) -> List[str]:
        config = tmp_path / "c.toml"
        config.write_text("")
        return ["--config" if daemon == "horaemeta-server" else "-c", str(config)]

    def test_crash_has_a_version_and_dies_at_the_start(self, tmp_path: pathlib.Path, daemon: str, version: str) -> None:
        binary = str(build(tmp_path, "--flavour", "crash") / daemon)
        assert run(binary, version).returncode == 0
        ended = run(binary, *self.arguments(daemon, tmp_path))
        assert ended.returncode == 1 and "panicked" in ended.stdout

    def test_mute_stays(self, tmp_path: pathlib.Path, daemon: str, version: str) -> None:
        binary = str(build(tmp_path, "--flavour", "mute") / daemon)
        assert run(binary, version).returncode == 0
        with subprocess.Popen([binary, *self.arguments(daemon, tmp_path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert any("Server is starting" in line for line in process.stdout)
            assert process.poll() is None
            process.kill()

    def test_badglibc_does_nothing_but_complain(self, tmp_path: pathlib.Path, daemon: str, version: str) -> None:
        ended = run(str(build(tmp_path, "--flavour", "badglibc") / daemon), version)
        assert ended.returncode == 1 and "version `GLIBC_2.35' not found" in ended.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_oldest_python_of_a_target_reads_it(path: pathlib.Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))

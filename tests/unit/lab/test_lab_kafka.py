"""Whether this machine can run a real Kafka, and what is said where it can't."""

from __future__ import annotations

import pathlib

import pytest

from lab import kafka


def program(folder: pathlib.Path, name: str, text: str) -> None:
    (folder / name).write_text("#!/bin/sh\n%s\n" % text)
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The only folder of PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(kafka, "JARS", tmp_path / "kafka")
    monkeypatch.setattr(kafka, "CACHE", tmp_path)
    return tmp_path / "bin"


@pytest.mark.parametrize("java", [None, "echo 'openjdk version \"11.0.22\" 2024-01-16' >&2", "exit 1"])
def test_without_a_recent_java_it_is_a_double(path: pathlib.Path, capsys: pytest.CaptureFixture[str], java: str | None) -> None:
    """Breaks when a machine without a JVM, or with one that Kafka doesn't start on, has to have one."""
    program(path, "mvn", "exit 1")
    if java:
        program(path, "java", java)
    kafka.ensure()
    assert "needs java (17 or newer) and mvn: the tests take a double" in capsys.readouterr().out
    assert not kafka.can_run()


def test_it_is_fetched_once_and_announced(path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(path, "java", "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2")
    program(path, "mvn", 'test -f pom.xml || exit 1; for word in "$@"; do case $word in -DoutputDirectory=*) /bin/mkdir "${word#*=}";; esac; done')
    assert not kafka.can_run()
    kafka.ensure()
    assert kafka.can_run()
    assert "fetching Kafka %s" % kafka.VERSION in capsys.readouterr().out
    program(path, "mvn", "exit 1")
    kafka.ensure()
    assert capsys.readouterr().out == ""


def test_jars_that_cannot_be_fetched_are_no_failure(path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Breaks when everything else isn't tested because a mirror is down."""
    program(path, "java", "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2")
    program(path, "mvn", "echo 'mirror is down' >&2; exit 1")
    kafka.ensure()
    said = capsys.readouterr().out
    assert "the tests take a double of it" in said and "mirror is down" in said
    assert not kafka.can_run()

"""A binary that doesn't run on a host: what the kernel or the loader says, and what it means."""

from __future__ import annotations

import pathlib
import time

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import CANNOT_RUN, TIMED_OUT, Ran, TargetHost
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.module_utils.service.verify import explain, not_older
from ansible_collections.horaedb.cluster.plugins.module_utils.service.version import version_text

PATH = "/opt/tiny/generations/.new-1/tinyd"


@pytest.mark.parametrize(
    ("ran", "noexec", "words"),
    [
        (Ran(1, "", PATH + ": libc.so.6: version `GLIBC_2.35' not found"), False, "built for a newer system (GLIBC_2.35)"),
        (
            Ran(127, "", "tinyd: error while loading shared libraries: liblzma.so.5: cannot open shared object file"),
            False,
            "has liblzma.so.5",
        ),
        (Ran(CANNOT_RUN, "", PATH + ": Exec format error"), False, "another architecture than x86_64"),
        (Ran(CANNOT_RUN, "", PATH + ": Permission denied"), True, "mounted noexec"),
        (Ran(CANNOT_RUN, "", PATH + ": Permission denied"), False, "isn't mounted noexec, so the service user may not pass"),
        (Ran(CANNOT_RUN, "", PATH + ": No such file or directory"), False, "another C library"),
        (Ran(TIMED_OUT, "", ""), False, "had not ended after 20 s"),
        (Ran(3, "", ""), False, "exit status 3: it printed nothing"),
    ],
)
def test_what_it_means(ran: Ran, noexec: bool, words: str) -> None:
    explained = explain(ran, PATH, lambda _path: noexec, "x86_64")
    assert words in explained
    assert noexec or ".new-1" not in explained, "the temporary place is of no use to an operator"


def program(folder: pathlib.Path, content: str) -> str:
    (folder / "tinyd").write_text(content)
    (folder / "tinyd").chmod(0o755)
    return str(folder / "tinyd")


def proved(path: str, limit: float = 10) -> Ran:
    return TargetHost(None).run_as("no-such-user", "no-such-group", [path, "--version"], limit)


def test_a_program_answers(tmp_path: pathlib.Path) -> None:
    assert proved(program(tmp_path, '#!/bin/sh\necho "$1"; echo problem >&2; exit 4\n')) == Ran(4, "--version\n", "problem\n")


def test_a_file_that_is_no_program_is_never_given_to_a_shell(tmp_path: pathlib.Path) -> None:
    assert proved(program(tmp_path, "touch %s/harm\n" % tmp_path)) == Ran(CANNOT_RUN, "", "%s/tinyd: Exec format error" % tmp_path)
    assert not (tmp_path / "harm").exists()


def test_a_loader_that_is_missing(tmp_path: pathlib.Path) -> None:
    assert proved(program(tmp_path, "#!/no/such/loader\n")).err.endswith("tinyd: No such file or directory")


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: pathlib.Path) -> None:
    began = time.monotonic()
    assert proved(program(tmp_path, "#!/bin/sh\nsleep 60\n"), limit=0.2) == Ran(TIMED_OUT, "", "")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("new", "old", "older"),
    [
        ("HoraeDB 2.1.0", "HoraeDB 2.1.0", False),
        ("v2.1.1", "v2.1.0", False),
        ("2.10.0", "2.9.9", False),
        ("2.9.9", "2.10.0", True),
        ("horaedb-server 2.0.0 (rustc 1.77.0)", "horaedb-server 2.1.0 (rustc 1.70.0)", True),
        ("", "2.1.0", False),
        ("nightly-20261101", "2.1.0", False),
        ("2.1.0", "", False),
    ],
)
def test_versions_are_compared_by_their_numbers(new: str, old: str, older: bool) -> None:
    """Breaks when 2.10 is taken for less than 2.9, another number of the line for the version, or an unknown version for a lower one."""
    try:
        not_older("tiny", new, old)
    except Refused:
        assert older
    else:
        assert not older


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("HoraeMeta Server\nGit commit:\nGit branch:\nBuild date:", "HoraeMeta Server, no version in the build (sha256 0123456789ab)"),
        ("HoraeMeta Server \nGit commit: 5a1e9b2\nGit branch: \nBuild date:", "HoraeMeta Server\nGit commit: 5a1e9b2"),
        ("HoraeDB Server\nHoraeDB version: 2.1.0\nGit branch: ", "HoraeDB Server\nHoraeDB version: 2.1.0"),
        ("tinyd 1.0", "tinyd 1.0"),
        ("tinyd", "tinyd"),
        ("Build date:", "no version in the build (sha256 0123456789ab)"),
        ("", ""),
    ],
)
def test_a_build_without_a_version_is_told_apart_by_its_digest(said: str, shown: str) -> None:
    assert version_text(said, "0123456789abcdef") == shown

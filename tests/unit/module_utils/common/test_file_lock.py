"""A lock that is a file. What a module's own lock adds to it: tests/unit/module_utils/service/test_lock.py."""

from __future__ import annotations

import os
import pathlib
import threading

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.common.file_lock import Busy, locked


def test_the_second_learns_what_the_first_one_wrote(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "folder" / "lock")
    with locked(path) as descriptor:
        os.pwrite(descriptor, b"me", 0)
        with pytest.raises(Busy, match="^me$"), locked(path, timeout=0.3):
            raise AssertionError
    with locked(path, timeout=0):
        pass


def test_without_a_timeout_it_is_waited_for(tmp_path: pathlib.Path) -> None:
    path, order = str(tmp_path / "lock"), []

    def wait() -> None:
        with locked(path):
            order.append("second")

    with locked(path):
        other = threading.Thread(target=wait)
        other.start()
        other.join(0.3)
        order.append("first")
    other.join(5)
    assert order == ["first", "second"]


def test_a_file_that_its_holder_took_away_is_no_lock(tmp_path: pathlib.Path) -> None:
    """Breaks when whoever waited holds a file that nobody else can find."""
    path, inside = tmp_path / "folder" / "lock", []

    def wait() -> None:
        with locked(str(path)) as descriptor:
            inside.append(os.path.samestat(os.fstat(descriptor), path.stat()))

    with locked(str(path)):
        other = threading.Thread(target=wait)
        other.start()
        other.join(0.3)
        path.unlink()
        path.parent.rmdir()
    other.join(5)
    assert inside == [True]


def test_nothing_is_made_without_being_asked_to(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError), locked(str(tmp_path / "lock"), os.O_RDONLY):
        raise AssertionError
    assert os.listdir(tmp_path) == []


def test_the_modes_of_what_is_made(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "folder" / "lock"
    before = os.umask(0)
    try:
        with locked(str(path), mode=0o640, folder=0o750):
            assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o640, 0o750)
    finally:
        os.umask(before)

"""One run at a time, and nobody waits for ever."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import time

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service.lock import locked
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused


def test_the_second_is_told_who_holds_it(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "root" / ".lock")
    with (
        locked(path, 1),
        pytest.raises(Refused, match=r"pid %d since \d{4}-.* didn't let go within 0.3 s" % os.getpid()),
        locked(path, 0.3),
    ):
        raise AssertionError
    with locked(path, 0):
        pass


def hold(path: str, taken: str) -> None:
    with locked(path, 5):
        pathlib.Path(taken).touch()
        time.sleep(60)


def test_a_killed_holder_lets_go(tmp_path: pathlib.Path) -> None:
    path, taken = str(tmp_path / ".lock"), tmp_path / "taken"
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(path, str(taken)))
    process.start()
    deadline = time.monotonic() + 20
    while not taken.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    with locked(path, 5):
        pass
    process.join(5)


def test_a_lock_that_was_removed_with_its_folder_is_taken_anew(tmp_path: pathlib.Path) -> None:
    path = tmp_path / ".lock"
    with locked(str(path), 1):
        path.unlink()
        with locked(str(path), 1):
            pass


def test_without_create_nothing_appears_and_nothing_is_written(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "root" / ".lock"
    with locked(str(path), 1, create=False, trace=False):
        assert not path.parent.exists()
    with locked(str(path), 1):
        pass
    before = path.read_text()
    with locked(str(path), 1, create=False, trace=False):
        assert path.read_text() == before

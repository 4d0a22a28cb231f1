from __future__ import annotations

import threading
import time
from typing import Callable, List

from common.rwlock import RwLock

MOMENT = 0.05
LONG = 5.0


def start(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_readers_share_and_a_writer_is_alone() -> None:
    lock, seen = RwLock(), []
    with lock.read(), lock.read():
        writer = start(lambda: _write(lock, seen))
        until(lambda: lock.writer)
        assert not seen
    writer.join(LONG)
    assert seen == ["written"]


def _write(lock: RwLock, seen: List[str]) -> None:
    with lock.write():
        seen.append("written")


def test_a_waiting_writer_keeps_out_new_readers() -> None:
    lock, seen = RwLock(), []

    def read() -> None:
        with lock.read():
            seen.append("read")

    with lock.read():
        writer = start(lambda: _write(lock, seen))
        until(lambda: lock.writer)
        reader = start(read)
        until(lambda: lock.waiting_readers == 1)
        assert not seen
    writer.join(LONG)
    reader.join(LONG)
    assert seen == ["written", "read"]


def test_readers_that_waited_come_before_the_next_writer() -> None:
    """The order on which the election's deadlock stands."""
    lock, seen = RwLock(), []

    def read() -> None:
        with lock.read():
            seen.append("read")

    with lock.write():
        reader = start(read)
        until(lambda: lock.waiting_readers == 1)
    with lock.write():
        seen.append("written again")
    reader.join(LONG)
    assert seen == ["read", "written again"]


def test_a_reader_that_asks_again_while_a_writer_waits_hangs_with_it() -> None:
    lock, seen = RwLock(), []

    def read_twice() -> None:
        with lock.read():
            until(lambda: lock.writer)
            with lock.read():
                seen.append("read twice")

    def write() -> None:
        with lock.write():
            seen.append("written")

    reader = start(read_twice)
    until(lambda: lock.readers == 1)
    writer = start(write)
    until(lambda: lock.waiting_readers == 1)
    time.sleep(MOMENT)
    assert reader.is_alive() and writer.is_alive() and not seen

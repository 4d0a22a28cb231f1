"""A lock as Go's sync.RWMutex: many readers or one writer, and a writer that waits keeps out new readers.

So it is not recursive: a reader that asks again while a writer waits, and the writer that waits for that reader,
wait for each other for ever. HoraeMeta hangs on exactly that.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Iterator


class RwLock:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reading = 0
        self._waiting_readers = 0
        # A writer that waits for the readers of before, or that has the lock.
        self._writer = False
        self._generation = 0

    @property
    def readers(self) -> int:
        return self._reading

    @property
    def waiting_readers(self) -> int:
        return self._waiting_readers

    @property
    def writer(self) -> bool:
        """Whether one has the lock or waits for it."""
        return self._writer

    @contextlib.contextmanager
    def read(self) -> Iterator[None]:
        self._lock_read()
        try:
            yield
        finally:
            with self._changed:
                self._reading -= 1
                self._changed.notify_all()

    def _lock_read(self) -> None:
        with self._changed:
            if not self._writer:
                self._reading += 1
                return
            self._waiting_readers += 1
            waited_for = self._generation
            # The writer's end counts every waiting reader in, before another writer can come.
            self._changed.wait_for(lambda: self._generation != waited_for)

    @contextlib.contextmanager
    def write(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._writer)
            self._writer = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._reading == 0)
        try:
            yield
        finally:
            with self._changed:
                self._writer = False
                self._reading += self._waiting_readers
                self._waiting_readers = 0
                self._generation += 1
                self._changed.notify_all()

"""A process under test, restarted by a supervisor as systemd would (Restart=always, RestartSec=1s)."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import threading
import time
from typing import Callable, Dict, List, Optional, TypeVar

RESTART_PAUSE = 1.0
T = TypeVar("T")


def wait_for(what: str, check: Callable[[], Optional[T]], timeout: float, interval: float = 0.1) -> T:
    """The first true value of `check`; fails with `what` and the last value."""
    deadline = time.monotonic() + timeout
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError("%s: not within %.1f s, last seen: %r" % (what, timeout, found))
        time.sleep(interval)


class Daemon:
    def __init__(self, name: str, command: List[str], log: pathlib.Path, environment: Dict[str, str], supervised: bool = True) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._environment = dict(os.environ, **environment)
        self._supervised = supervised
        self._wanted = False
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._lock = threading.Lock()
        self.restarts = 0
        # Exit codes since the last `start`.
        self.ends: List[int] = []

    def start(self) -> None:
        self._wanted = True
        with self._lock:
            self.ends = []
            self._spawn()
        threading.Thread(target=self._watch, args=(self._process, self.ends), daemon=True).start()

    def _spawn(self) -> None:
        with open(self._log, "ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._environment, cwd=self._log.parent
            )

    def _watch(self, process: Optional[subprocess.Popen[bytes]], ends: List[int]) -> None:
        while process is not None:
            ends.append(process.wait())
            if not self._supervised:
                return
            time.sleep(RESTART_PAUSE)
            with self._lock:
                if not self._wanted or self._process is not process:
                    return
                self.restarts += 1
                self._spawn()
                process = self._process

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "%s was never started" % self.name
        return self._process

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15) -> int:
        """The exit code."""
        self._wanted = False
        with self._lock:
            process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        return process.wait(timeout)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def exit_code(self, timeout: float) -> int:
        """How it ended by itself, for the first time since its start."""
        wait_for("the end of %s" % self.name, lambda: bool(self.ends), timeout)
        return self.ends[0]

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

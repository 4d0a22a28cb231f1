"""The real etcd below: a child that can't outlive this process."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from typing import List, Optional

from common import log
from common.etcd import Etcd, EtcdError
from common.http import Unreachable, call

from horaemeta.config import Config

# etcd commits its backend every 100 ms; a copy of the database taken after a stop must have it all.
BACKEND_COMMIT = 0.15
# 3.3 has its JSON gateway elsewhere, and no learners.
OLDEST = (3, 4)


class StartFailed(Exception):
    """etcd's own last words, or that it found no quorum in time."""


class Panicked(Exception):
    """etcd panicked, and with it the process of which the embedded one is a part. The trace is Go's own."""

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message)
        self.trace = trace


def find_etcd() -> str:
    wanted = os.environ.get("HORAE_SIM_ETCD") or shutil.which("etcd") or "/usr/bin/etcd"
    if not os.access(wanted, os.X_OK):
        raise StartFailed("the simulator needs a real etcd: %s is not executable; install etcd-server or set HORAE_SIM_ETCD" % wanted)
    told = subprocess.run(
        [wanted, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=10
    ).stdout
    version = re.search(r"etcd Version: (\d+)\.(\d+)", told)
    if not version:
        raise StartFailed("%s does not run: %s" % (wanted, told.strip()))
    if (int(version.group(1)), int(version.group(2))) < OLDEST:
        raise StartFailed("%s is too old: %s; the simulator needs 3.4 or newer, set HORAE_SIM_ETCD" % (wanted, version.group()))
    return wanted


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _message(line: str) -> str:
    """The words in a line of etcd's log: the error, if it has one."""
    try:
        entry = json.loads(line)
        return str(entry.get("error") or entry["msg"])
    except (ValueError, KeyError, TypeError):
        return line


class EtcdProcess:
    def __init__(self, config: Config) -> None:
        self._config = config
        self.url = "http://127.0.0.1:%d" % free_port()
        self._log = os.path.join(config["data-dir"], "etcd.log")
        self._process: Optional[subprocess.Popen[bytes]] = None
        self.started = False

    def _command(self) -> List[str]:
        config = self._config
        data = config["data-dir"]
        # The child must die even if this process is killed with SIGKILL. A service manager sees to that by the control
        # group (and its sandbox forbids setpriv); elsewhere setpriv does, because ctypes needs writable executable memory.
        managed = "INVOCATION_ID" in os.environ
        return [
            *(() if managed else ("setpriv", "--pdeathsig", "KILL")),
            find_etcd(),
            *("--name", config["node-name"]),
            *("--data-dir", os.path.join(data, "etcd"), "--wal-dir", os.path.join(data, "wal")),
            *("--listen-client-urls", self.url, "--advertise-client-urls", config["advertise-client-urls"]),
            *("--listen-peer-urls", config["peer-urls"], "--initial-advertise-peer-urls", config["advertise-peer-urls"]),
            *("--initial-cluster", config["initial-cluster"], "--initial-cluster-state", config["initial-cluster-state"]),
            *("--initial-cluster-token", config["initial-cluster-token"]),
            *("--heartbeat-interval", str(config["tick-interval-ms"]), "--election-timeout", str(config["election-timeout-ms"])),
            *("--quota-backend-bytes", str(config["quota-backend-bytes"]), "--max-request-bytes", str(config["max-request-bytes"])),
            *("--auto-compaction-mode", config["auto-compaction-mode"]),
            *("--auto-compaction-retention", config["auto-compaction-retention"], "--logger", "zap", "--log-outputs", "stderr"),
        ]

    def start(self) -> None:
        """Returns when the member has a leader. Raises StartFailed, Panicked.

        Must be called by the main thread: the kernel kills the child when the thread that made it ends.
        """
        try:
            os.makedirs(self._config["data-dir"], exist_ok=True)
            size = os.path.getsize(self._log) if os.path.exists(self._log) else 0
            with open(self._log, "ab") as output:
                environment = {k: v for k, v in os.environ.items() if not k.startswith("ETCD_")}
                self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        except OSError as error:
            raise StartFailed(str(error)) from error
        deadline = time.monotonic() + self._config["etcd-start-timeout-ms"] / 1000
        while not self.healthy():
            if self._process.poll() is not None:
                raise self._last_words(size)
            if time.monotonic() > deadline:
                raise StartFailed("(#500)start etcd server timeout, cause:timeout is:%gs" % (self._config["etcd-start-timeout-ms"] / 1000))
            time.sleep(0.1)
        self.started = True

    def _last_words(self, since: int) -> Exception:
        with open(self._log, "rb") as stream:
            stream.seek(since)
            said = stream.read().decode(errors="replace")
        _, panicked, rest = ("\n" + said).partition("\npanic: ")
        if panicked:
            message, _, trace = rest.partition("\n")
            return Panicked(message, trace.rstrip())
        lines = said.splitlines()
        fatal = [line for line in lines if any('"level":"%s"' % level in line for level in ("fatal", "error"))]
        return StartFailed("(#500)start embed etcd, cause:" + "\n".join(_message(line) for line in (fatal or lines)[-3:]))

    def healthy(self) -> bool:
        try:
            return call("GET", self.url + "/health", timeout=2).status == 200
        except Unreachable:
            return False

    def _follows(self) -> bool:
        try:
            status = Etcd([self.url], timeout=1).status()
        except (Unreachable, EtcdError):
            return False
        return status.leader not in (0, status.member)

    def exited(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        """Only a follower is asked to stop. A leader would hand over at once, where the real daemon's end costs an election
        (4-6 s); and without a leader etcd takes long to go."""
        if self._process is None or self._process.poll() is not None:
            return
        if self._follows():
            self._process.send_signal(signal.SIGTERM)
        else:
            time.sleep(BACKEND_COMMIT)
            self._process.kill()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            log.warn("etcd does not stop, killing it")
            self._process.kill()

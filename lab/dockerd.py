"""Starts an engine where none runs, remembers that it did, and stops only what it started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Optional

from lab import engine, packages
from lab.console import LabError, run, say, wait_until
from lab.paths import CACHE, locked, write_atomically

PID_FILE = CACHE / "dockerd.pid"
LOG = CACHE / "dockerd.log"
START_TIMEOUT = 60
STOP_TIMEOUT = 60
SYSTEMD_RUNS = Path("/run/systemd/system")


def _identity(pid: int) -> Optional[str]:
    """A pid and its start time: pids are given again, so the number alone could name somebody else's process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return None
    dead = fields[0] == "Z"
    return None if dead else f"{pid} {fields[19]}"


def _started_here() -> Optional[int]:
    if not PID_FILE.exists():
        return None
    noted = PID_FILE.read_text().strip()
    pid = int(noted.split()[0])
    return pid if _identity(pid) == noted else None


def _start() -> None:
    if SYSTEMD_RUNS.is_dir():
        say("starting the docker service")
        run(["systemctl", "start", "docker"])
    else:
        say(f"starting dockerd, as no service manager runs here; its log is {LOG}")
        with LOG.open("ab") as log:
            process = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        write_atomically(PID_FILE, _identity(process.pid) or "")
    wait_until(engine.why_unusable, START_TIMEOUT)


def _advice(why: str) -> str:
    if "permission denied" in why.lower():
        return "type: sudo usermod --append --groups docker $USER  and log in again"
    return "start it; on most machines: sudo systemctl start docker"


def _lacks_engine() -> bool:
    """Nothing to start is on this machine. A client alone may be all that is wanted where DOCKER_HOST says who it talks to."""
    if shutil.which("docker") is None:
        return True
    return os.geteuid() == 0 and shutil.which("dockerd") is None and "DOCKER_HOST" not in os.environ


def ensure() -> None:
    why = engine.why_unusable()
    if why is None:
        return
    with locked("dockerd"):
        if _lacks_engine():
            packages.install({"docker.io": "runs the hosts of the lab", "iptables": "docker's networks need it"})
        if shutil.which("docker") is None:
            # Debian 13 made a package of its own out of the client.
            packages.install({"docker-cli": "starts and stops the hosts of the lab"})
        why = engine.why_unusable()
        if why is None:
            return
        if os.geteuid() != 0 or shutil.which("dockerd") is None:
            raise LabError(f"no container engine can be used here: {why}\n{_advice(why)}")
        _start()


def stop_if_started_here() -> str:
    """Returns what became of it, for the user."""
    pid = _started_here()
    if pid is None:
        PID_FILE.unlink(missing_ok=True)
        return "no engine was started by the lab"
    others = engine.docker("ps", "--quiet").split()
    if others:
        return f"dockerd (pid {pid}) goes on: {len(others)} containers that are not of this checkout's labs run in it"
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: f"dockerd (pid {pid}) has not stopped" if _started_here() else None, STOP_TIMEOUT)
    PID_FILE.unlink()
    LOG.unlink(missing_ok=True)
    return "dockerd, started by the lab, is stopped"

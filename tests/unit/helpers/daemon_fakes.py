"""A host in a folder: real files, an imitated systemd, and a kill or a full disk at any point.

Only what a kill leaves behind is imitated: once it has struck, nothing that the code under test still does has an effect.
"""

# ruff: noqa: ARG002  (the signatures are those of the real host)

from __future__ import annotations

import errno
import hashlib
import os
import pathlib
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from ansible_collections.horaedb.cluster.plugins.module_utils.service import run as service_run
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Ran, Stat, TargetHost
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused, generation_of

GROUPS = {"root": 0, "tiny": 600}
UNIT = """[Service]
User=tiny
Environment=HORAE_GENERATION=@generation@
EnvironmentFile=@dir@/environment
ExecStart=@dir@/tinyd --config @dir@/tiny.toml
[Install]
WantedBy=multi-user.target
"""


class Killed(BaseException):
    """kill -9 of the module."""


class NoModule:
    def selinux_enabled(self) -> bool:
        return False


@dataclass
class Systemd:
    """What the service manager knows; it survives the module."""

    loaded: Optional[str] = None
    enabled: bool = False
    pid: int = 0
    serial: int = 100
    running: str = ""
    config: str = ""
    crashing: bool = False
    restarts: int = 0
    started: float = 0.0
    verbs: List[str] = field(default_factory=list)


class FakeHost(TargetHost):
    def __init__(self, base: pathlib.Path) -> None:
        super().__init__(NoModule())
        self.base = str(base)
        self.systemd = Systemd()
        self.owners: Dict[int, int] = {}
        self.groups = dict(GROUPS)
        self.clock = 1000.0
        self.room = 1 << 40
        self.points = 0
        self.kill_at: Optional[int] = None
        self.fail_at: Optional[int] = None
        self.dead = False
        self.answers: Dict[str, Ran] = {}
        self.commands: List[List[str]] = []
        for folder in ("etc/systemd/system", "etc/tiny.d", "opt", "tmp"):
            (base / folder).mkdir(parents=True)

    def at(self, path: str) -> str:
        return path if path.startswith(self.base) else self.base + path

    def point(self) -> None:
        """Before every single effect."""
        if self.dead:
            raise Killed()
        self.points += 1
        if self.points == self.kill_at:
            self.dead = True
            raise Killed()
        if self.points == self.fail_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")

    # Reading

    def read(self, path: str) -> Optional[bytes]:
        if path.startswith("/proc/"):
            return self._proc(path)
        return super().read(self.at(path))

    def tail(self, path: str, offset: int, limit: int) -> bytes:
        return super().tail(self.at(path), offset, limit)

    def stat(self, path: str) -> Optional[Stat]:
        found = super().stat(self.at(path))
        return found and Stat(**dict(found.__dict__, uid=0, gid=self.owners.get(found.inode, 0)))

    def names(self, path: str) -> List[str]:
        return super().names(self.at(path))

    def target(self, path: str) -> Optional[str]:
        return super().target(self.at(path))

    def digest(self, path: str) -> str:
        return super().digest(self.at(path))

    def gid(self, group: str) -> Optional[int]:
        return self.groups.get(group)

    def free(self, path: str) -> int:
        return self.room

    # Writing

    def mkdir(self, path: str, mode: int, group: str) -> None:
        self.point()
        super().mkdir(self.at(path), mode, group)

    def write(self, path: str, data: bytes, mode: int, group: str) -> None:
        self.point()
        super().write(self.at(path), data, mode, group)

    def copy(self, source: str, path: str, mode: int, group: str) -> str:
        self.point()
        return super().copy(self.at(source), self.at(path), mode, group)

    def hardlink(self, source: str, path: str) -> None:
        self.point()
        super().hardlink(self.at(source), self.at(path))

    def own(self, path: str, mode: int, group: str) -> None:
        super().own(self.at(path), mode, group)

    def symlink(self, target: str, path: str) -> None:
        self.point()
        super().symlink(target, self.at(path))

    def rename(self, source: str, path: str) -> None:
        self.point()
        super().rename(self.at(source), self.at(path))

    def remove(self, path: str) -> None:
        self.point()
        folder = self.at(path)
        if os.path.isdir(folder) and not os.path.islink(folder):
            # A removal that is cut short has removed something.
            for name in sorted(os.listdir(folder))[:1]:
                super().remove(os.path.join(folder, name))
            self.point()
        super().remove(folder)

    def _attributes(self, path: str, final: str, mode: int, group: str) -> None:
        # In the middle of a write: the temporary file is there, its final name isn't.
        self.point()
        if group not in self.groups:
            raise Refused("group %s doesn't exist" % group)
        os.chmod(path, mode)
        self.owners[os.lstat(path).st_ino] = self.groups[group]

    # Programs

    def run(self, argv: Sequence[str], limit: float = 0) -> Ran:
        words = list(argv)
        if words[:2] == ["systemctl", "show"]:
            return Ran(0, self._show(), "")
        self.point()
        self.commands.append(words)
        name = os.path.basename(words[0])
        if name in self.answers:
            return self.answers[name]
        if words[0] == "systemctl":
            return self._systemctl(words[1])
        if name == "systemd-sysusers":
            self.groups["tiny"] = GROUPS["tiny"]
        return Ran(0, "tinyd 1.0\n" if name == "tinyd" else "", "")

    def run_as(self, user: str, group: str, argv: Sequence[str], limit: float) -> Ran:
        return self.run(argv, limit)

    def monotonic(self) -> float:
        return self.clock

    def sleep(self, seconds: float) -> None:
        if self.dead:
            raise Killed()
        self.clock += seconds

    def _systemctl(self, verb: str) -> Ran:
        systemd = self.systemd
        systemd.verbs.append(verb)
        if verb == "daemon-reload":
            data = self.read("/etc/systemd/system/tiny.service")
            systemd.loaded = None if data is None else data.decode()
        elif verb in ("enable", "disable"):
            systemd.enabled = verb == "enable"
        if verb == "restart":
            self._start()
        elif verb in ("stop", "disable"):
            systemd.pid, systemd.crashing = 0, False
        return Ran(0, "", "")

    def _start(self) -> None:
        systemd = self.systemd
        if systemd.loaded is None:
            data = self.read("/etc/systemd/system/tiny.service")
            systemd.loaded = None if data is None else data.decode()
        systemd.serial += 1
        systemd.pid = systemd.serial
        systemd.running = generation_of(systemd.loaded) or ""
        systemd.config = (self.read("/opt/tiny/generations/%s/tiny.toml" % systemd.running) or b"crash").decode()
        systemd.started = self.clock
        systemd.restarts = 0
        systemd.crashing = "crash" in systemd.config
        if systemd.crashing:
            log = pathlib.Path(self.at("/tmp/tiny.log"))
            log.write_text((log.read_text() if log.exists() else "") + "boom\n%s" % systemd.config)

    def _show(self) -> str:
        systemd = self.systemd
        active, sub, pid = ("active", "running", systemd.pid) if systemd.pid else ("inactive", "dead", 0)
        if systemd.crashing:
            systemd.restarts += 1
            active, sub, pid = "activating", "auto-restart", 0
        on_disk = self.read("/etc/systemd/system/tiny.service")
        shown = {
            "ActiveState": active,
            "SubState": sub,
            "MainPID": pid,
            "InvocationID": "invocation-%d" % systemd.serial,
            "UnitFileState": "enabled" if systemd.enabled else "disabled",
            "NeedDaemonReload": "yes"
            if systemd.loaded is not None and on_disk is not None and systemd.loaded.encode() != on_disk
            else "no",
            "ExecMainStartTimestampMonotonic": int(systemd.started * 1e6),
            "NRestarts": systemd.restarts,
            "Result": "exit-code" if systemd.crashing else "success",
            "ExecMainCode": 1 if systemd.crashing else 0,
            "ExecMainStatus": 101 if systemd.crashing else 0,
        }
        return "".join("%s=%s\n" % item for item in shown.items())

    def _proc(self, path: str) -> Optional[bytes]:
        if path == "/proc/%d/environ" % self.systemd.pid and self.systemd.pid:
            return b"PATH=/bin\0HORAE_GENERATION=%s\0" % self.systemd.running.encode()
        return None


class FakeWait:
    """Ready when a process runs whose configuration lets it."""

    def __init__(self, host: FakeHost) -> None:
        self._systemd = host.systemd

    def poll(self, elapsed: float) -> Optional[str]:
        if not self._systemd.pid or self._systemd.crashing or "never" in self._systemd.config:
            return "127.0.0.1:7070 accepts no connection"
        return None


def binary(content: str = "program 1") -> Dict[str, Any]:
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return {"name": "tinyd", "checksum": "sha256:" + sha256, "version_command": ["--version"], "path": "/tmp/sent", "size": len(content)}


def options(config: str = "a = 1\n", program: str = "program 1", **more: Any) -> Dict[str, Any]:
    """The module's options with its defaults."""
    given: Dict[str, Any] = {
        "name": "tiny",
        "root": "/opt/tiny",
        "user": "tiny",
        "group": "tiny",
        "binary": binary(program),
        "executable": None,
        "packages": [],
        "configs": [{"name": "tiny.toml", "content": config}],
        "environment": {"GREETING": "hello"},
        "unit": UNIT,
        "checks": [["/usr/bin/check", "@dir@/tiny.toml"]],
        "files": [
            {"path": "/etc/tmpfiles.d/tiny.conf", "content": "d /var/log/tiny\n", "mode": "0644", "apply": "tmpfiles"},
            {"path": "/etc/sysusers.d/tiny.conf", "content": "u tiny\n", "mode": "0644", "apply": "sysusers"},
        ],
        "links": [{"path": "/etc/tiny/tiny.toml", "target": "@current@/tiny.toml"}],
        "state": "started",
        "force": False,
        "downgrade": False,
        "ready": {"kind": "fake"},
        "ready_timeout": 10.0,
        "rollback_timeout": 10.0,
        "crashes": 3,
        "ports": [7070],
        "bind": "0.0.0.0",
        "space": 1000,
        "paths": [],
        "at_boot": True,
        "min_age": 0.0,
        "keep": 3,
        "log": "/tmp/tiny.log",
        "lines": 20,
        "secrets": [],
    }
    given.update(more)
    return given


def converge(host: FakeHost, wanted: Dict[str, Any], check_mode: bool = False, with_diff: bool = False) -> Dict[str, Any]:
    """What module and action plugin do: the lock makes the root, and the binary is sent when the host asks for it."""
    if not check_mode:
        pathlib.Path(host.at("/opt/tiny")).mkdir(exist_ok=True)
    sent = pathlib.Path(host.at("/tmp/sent"))
    asked = dict(wanted, binary=dict(wanted["binary"], path=None)) if wanted.get("binary") else wanted
    result = service_run.run(host, asked, check_mode, with_diff)
    if "needs" in result:
        program = next(p for p in PROGRAMS if hashlib.sha256(p.encode()).hexdigest() in wanted["binary"]["checksum"])
        sent.write_text(program)
        try:
            result = service_run.run(host, wanted, check_mode, with_diff)
        finally:
            sent.unlink()
    return result


PROGRAMS = ("program 1", "program 2")

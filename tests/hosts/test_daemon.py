"""Module `daemon` on a real host: systemd, ssh, full disks, kills. The daemon is a tiny one that does what its configuration says."""

from __future__ import annotations

import hashlib
import itertools
import json
import pathlib
import re
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import Host
from support import playbook

HERE = pathlib.Path(__file__).resolve().parent / "daemon"
NUMBERS = itertools.count(1)


@dataclass
class Daemon:
    """A daemon of its own for each test, so that none has to clean up for the next."""

    host: Host
    name: str
    port: int
    options: dict[str, Any] = field(default_factory=dict)
    output: str = ""
    executions: int = 0

    @property
    def root(self) -> str:
        return "/opt/" + self.name

    def wanted(self, mode: str, **more: Any) -> dict[str, Any]:
        config = {"mode": mode, "port": self.port, "delay": more.pop("delay", 0), "password": more.pop("password", "not shown")}
        wanted: dict[str, Any] = {
            "name": self.name,
            "root": self.root,
            "user": "tinyd",
            "group": "tinyd",
            "binary": {"name": "tinyd", "src": str(HERE / "tinyd"), "version_command": ["--version"]},
            "configs": [{"name": "tinyd.toml", "content": "".join("%s = %s\n" % (k, json.dumps(v)) for k, v in config.items())}],
            "environment": {"GREETING": 'say "hi" to $HOME \\o/'},
            "unit": (HERE / "tinyd.service").read_text().replace("@name@", self.name),
            "files": [
                {"path": "/etc/tmpfiles.d/%s.conf" % self.name, "content": "d /var/log/tinyd 0750 root tinyd\n", "apply": "tmpfiles"},
                {"path": "/etc/sysusers.d/%s.conf" % self.name, "content": "u tinyd -\n", "apply": "sysusers"},
            ],
            "ready": {"kind": "tcp", "host": "127.0.0.1", "port": self.port},
            "ready_timeout": 8,
            "ports": [self.port],
            "space": 1 << 20,
            "log": "/var/log/tinyd/%s.log" % self.name,
        }
        return dict(wanted, **dict(self.options, **more))

    def run(self, mode: str = "ok", *arguments: str, variables: dict[str, Any] | None = None, kill_at: Any = None, **more: Any) -> Any:
        """The module's result; None when it failed (then `output` says why) or was killed."""
        run = playbook.run(
            str(HERE / "converge.yml"),
            self.host.inventory,
            *arguments,
            variables=dict({"tiny": self.wanted(mode, **more)}, **(variables or {})),
            kill_at=kill_at,
            environment={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
            timeout=200,
        )
        self.output = run.output
        self.executions = sum(n for (_host, module), n in run.executions.items() if "daemon" in module)
        found = re.search(r'"msg": (".*RESULT .*")', run.output)
        return json.loads(json.loads(found.group(1)).split("RESULT ", 1)[1]) if found else None

    def fail(self, mode: str = "ok", *arguments: str, **more: Any) -> str:
        """The message to the operator, on one line."""
        assert self.run(mode, *arguments, **more) is None, self.output
        return " ".join(self.output.replace("\\n", " ").split())

    def show(self, name: str) -> str:
        return self.host.shell("systemctl show --value --property=%s %s" % (name, self.name))

    @property
    def pid(self) -> str:
        return self.show("MainPID")

    @property
    def generations(self) -> list[str]:
        return self.host.shell("ls -A %s/generations" % self.root, check=False).split()


@pytest.fixture
def tiny(host: Host) -> Daemon:
    number = next(NUMBERS)
    return Daemon(host, "tiny%d" % number, 7000 + number)


def untouched(host: Host) -> str:
    return host.shell(
        "find /opt /etc /var/lib /run/systemd/system -xdev | sort | sha256sum; systemctl list-units --no-legend --plain --type=service"
    )


def test_from_a_fresh_host_to_no_op(tiny: Daemon) -> None:
    before = untouched(tiny.host)
    foretold = tiny.run("ok", "--check", "--diff")
    assert foretold["changed"] and untouched(tiny.host) == before

    first = tiny.run()
    assert (first["started"], first["version"], first["steps"]) == (True, "tinyd 1.0", foretold["steps"])
    assert tiny.executions == 2
    assert first["running"] == first["current"] == first["generation"]
    environment = tiny.host.shell("tr '\\0' '\\n' < /proc/%s/environ" % tiny.pid)
    assert 'GREETING=say "hi" to $HOME \\o/' in environment, "systemd reads back what was meant"
    assert tiny.host.shell("stat -c '%%a %%U %%G' %s %s/current/tinyd.toml" % (tiny.root, tiny.root)) == "750 root tinyd\n640 root tinyd"
    assert tiny.show("UnitFileState") == "enabled"

    pid = tiny.pid
    again = tiny.run()
    assert (again["changed"], tiny.executions, tiny.pid) == (False, 0, pid)


DRIFTS = [
    "echo >> %(root)s/current/tinyd.toml",
    "chmod 666 %(root)s/current/tinyd.toml",
    "chown 1 %(root)s/current/environment",
    "chmod 755 %(root)s/generations",
    "touch %(root)s/current/tinyd",
    "echo '#' >> %(root)s/current/tinyd",
    "rm %(root)s/current/manifest.json",
    "rm %(root)s/current/environment",
    "rm %(root)s/outside.json",
    "rm %(root)s/current",
    "touch %(root)s/generations/.new-left-over",
    "echo >> /etc/systemd/system/%(name)s.service",
    "rm /etc/tmpfiles.d/%(name)s.conf",
    "chmod 600 /etc/sysusers.d/%(name)s.conf",
    "rm /etc/%(name)s.link",
    "systemctl disable %(name)s",
    "systemctl stop %(name)s",
]


def test_what_was_changed_by_hand_is_seen_and_mended(tiny: Daemon) -> None:
    """Breaks when the look by a shell line takes a host for right that isn't, or sends the module to one that is."""
    wanted = {"state": "restarted", "links": [{"path": "/etc/%s.link" % tiny.name, "target": "@current@/tinyd.toml"}]}
    first = tiny.run(**wanted)
    for drift in DRIFTS:
        tiny.host.shell(drift % {"root": tiny.root, "name": tiny.name})
        mended = tiny.run(**wanted)
        assert mended and mended["changed"] and tiny.executions, drift
    again = tiny.run(**wanted)
    assert tiny.executions == 0
    assert again == dict(first, changed=False, started=False, steps=[], before=first["after"]), "as the module itself would have answered"


def test_what_somebody_is_at_work_on_is_not_taken_for_done(tiny: Daemon) -> None:
    """Breaks when the shell line doesn't see the lock of a module whose controller has died."""
    tiny.run()
    holder = "holds-%s" % tiny.name
    tiny.host.shell("systemd-run --quiet --collect --unit=%s flock %s/.lock sleep 8" % (holder, tiny.root))
    _until(lambda: tiny.host.shell("flock --nonblock %s/.lock true || echo held" % tiny.root, check=False) == "held")
    assert tiny.run()["changed"] is False and tiny.executions == 1
    assert tiny.host.shell("systemctl is-active %s" % holder, check=False) == "inactive", "it was waited for"


def test_a_change_is_staged_and_then_rolled(tiny: Daemon) -> None:
    first = tiny.run()
    pid = tiny.pid
    staged = tiny.run(delay=0.2)
    assert (staged["changed"], staged["stale"], staged["running"], tiny.pid) == (True, True, first["generation"], pid)
    tiny.host.shell("kill -9 %s" % pid)
    _until(lambda: tiny.pid not in ("0", pid))
    assert tiny.run(delay=0.2)["running"] == first["generation"], "a crash before the roll brings back what was current"

    rolled = tiny.run(delay=0.2, state="restarted", min_age=4)
    assert (rolled["restarted"], rolled["stale"], rolled["previous"]) == (True, False, first["generation"])
    assert rolled["running"] == staged["generation"]
    again = tiny.run(delay=0.2, state="restarted")
    assert (again["changed"], tiny.executions) == (False, 0)
    started = float(tiny.show("ExecMainStartTimestampMonotonic")) / 1e6
    tiny.run(delay=0.2, state="restarted", force=True, min_age=4)
    assert float(tiny.show("ExecMainStartTimestampMonotonic")) / 1e6 >= started + 4


@pytest.mark.parametrize(("mode", "words", "patience"), [("crash", "the process died 3 times", 60), ("never", "connection refused", 4)])
def test_a_roll_that_fails_is_rolled_back(tiny: Daemon, mode: str, words: str, patience: int) -> None:
    first = tiny.run(password="canary-one")
    message = tiny.fail(mode, "-vvv", "--diff", state="restarted", password="canary-two", ready_timeout=patience)
    assert words in message and "is in place again and ready" in message and '"rolled_back": true' in message
    assert ("boom: this can't work" in message) is (mode == "crash")
    assert "exit status 3" in message or mode == "never"
    assert tiny.host.shell("readlink %s/current" % tiny.root).endswith(first["generation"])
    assert len(tiny.generations) == 2, "the failed one is kept"
    assert tiny.run(password="canary-one")["changed"] is False

    assert "canary" not in tiny.output and "canary" not in message
    assert "canary" in tiny.host.shell("cat /var/log/tinyd/%s.log" % tiny.name), "the daemon itself did say it"
    assert "canary" not in tiny.host.shell("journalctl --no-pager --all")


def test_a_first_start_that_fails_leaves_nothing_running(tiny: Daemon) -> None:
    message = tiny.fail("crash")
    assert "There is no earlier generation to go back to: the service is stopped and disabled" in message
    assert (tiny.show("ActiveState"), tiny.show("UnitFileState")) == ("inactive", "disabled")
    assert tiny.run()["started"]


def test_an_abandoned_run_is_waited_for(tiny: Daemon) -> None:
    def while_it_waits_for_the_daemon(line: str) -> bool:
        if "TASK [The daemon" in line:
            _until(lambda: tiny.pid != "0")
        return "TASK [The daemon" in line

    assert tiny.run(delay=6, ready_timeout=20, kill_at=while_it_waits_for_the_daemon) is None
    assert "PLAY RECAP" not in tiny.output
    at_work = "kill -0 $(cut -d' ' -f2 %s/.lock) && echo yes" % tiny.root
    assert tiny.host.shell(at_work, check=False) == "yes", "it should go on without its controller"
    after = tiny.run(delay=6, ready_timeout=20)
    assert (after["changed"], after["running"], after["current"]) == (False, after["generation"], after["generation"])


@pytest.mark.parametrize(
    "moment", ["/opt/%s/.lock", "/opt/%s/generations/.new-*", "/opt/%s/generations/[0-9a-f]*", "/etc/systemd/system/%s.service"]
)
def test_a_killed_module_is_completed_by_the_next_run(tiny: Daemon, moment: str) -> None:
    tiny.host.shell(
        """cat > /run/killer <<'END'
until ls -d %s; do :; done
until [ -n "$pid" ]; do pid=$(cut -d' ' -f2 %s/.lock); done
kill -9 $pid
END
systemd-run --quiet --property=RuntimeMaxSec=60 --unit=killer-%s sh /run/killer"""
        % (moment % tiny.name, tiny.root, tiny.name)
    )
    assert tiny.run() is None, "the module was to be killed"
    result = tiny.run()
    assert result["running"] == result["current"] == result["generation"]
    assert tiny.run()["changed"] is False
    assert tiny.generations == [result["generation"]]


def test_drift_is_mended(tiny: Daemon) -> None:
    first = tiny.run()
    tiny.host.shell("echo 'mode = \"never\"' >> %s/current/tinyd.toml; rm /etc/sysusers.d/%s.conf" % (tiny.root, tiny.name))
    tiny.host.shell("sed -i s/RestartSec=1s/RestartSec=9s/ /etc/systemd/system/%s.service" % tiny.name)
    pid = tiny.pid
    mended = tiny.run()
    assert (mended["changed"], mended["stale"], mended["generation"], tiny.pid) == (True, True, first["generation"], pid)
    assert "never" not in tiny.host.shell("cat %s/current/tinyd.toml" % tiny.root)
    assert (tiny.show("RestartUSec"), tiny.show("NeedDaemonReload")) == ("1s", "no")
    assert tiny.run()["changed"] is False
    assert tiny.run(state="restarted")["stale"] is False


def test_a_full_disk(tiny: Daemon, tmp_path: pathlib.Path) -> None:
    big = tmp_path / "tinyd"
    big.write_text((HERE / "tinyd").read_text() + "#" * (6 << 20))
    tiny.host.shell("mkdir %s && mount -t tmpfs -o size=4m tmpfs %s" % (tiny.root, tiny.root))
    first = tiny.run()
    binary = {"name": "tinyd", "src": str(big)}
    assert "/opt/%s has 4.0 MiB free and 7.0 MiB are wanted: make room there" % tiny.name in tiny.fail(binary=binary)
    tiny.host.shell("fallocate -l 3500k %s/filler" % tiny.root)
    half = tmp_path / "half"
    half.write_text((HERE / "tinyd").read_text() + "#" * (1 << 20))
    assert "No space left on device" in tiny.fail(binary={"name": "tinyd", "src": str(half)}, space=-(2 << 20))
    assert tiny.generations == [first["generation"]]
    tiny.host.shell("rm %s/filler" % tiny.root)
    assert tiny.run()["changed"] is False


def test_a_taken_port(tiny: Daemon) -> None:
    tiny.host.shell("systemd-run --quiet --unit=taker-%s python3 -m http.server %d" % (tiny.name, tiny.port))
    _until(lambda: tiny.host.shell("ss -Hltn sport = :%d" % tiny.port) != "")
    assert re.search(r"port %d is held by pid \d+ \(python3\): stop that process" % tiny.port, tiny.fail())
    assert tiny.host.shell("ls %s/generations" % tiny.root, check=False) == ""
    tiny.host.shell("systemctl stop taker-%s" % tiny.name)
    assert tiny.run()["started"]


NEWER_LIBC = '#!/bin/sh\necho "$0: libc.so.6: version \\`GLIBC_2.99\' not found" >&2\nexit 1\n'
NO_PROGRAM = "<html>404</html>\n"


def test_a_binary_that_does_not_run_here(tiny: Daemon, tmp_path: pathlib.Path) -> None:
    first = tiny.run()
    pid = tiny.pid
    for content, words in (
        (NEWER_LIBC, "built for a newer system (GLIBC_2.99)"),
        (NO_PROGRAM, "Exec format error. It is built for another architecture"),
    ):
        (tmp_path / "tinyd").write_text(content)
        message = tiny.fail(binary={"name": "tinyd", "src": str(tmp_path / "tinyd"), "version_command": ["--version"]}, state="restarted")
        assert words in message, message
        assert (tiny.generations, tiny.pid) == ([first["generation"]], pid)


def test_a_root_that_is_mounted_noexec(tiny: Daemon) -> None:
    tiny.host.shell("mkdir %s && mount -t tmpfs -o size=4m,noexec tmpfs %s" % (tiny.root, tiny.root))
    assert "is mounted noexec: mount it without, or choose another root" in tiny.fail()


def test_a_wrong_checksum_reaches_no_host(tiny: Daemon) -> None:
    before = untouched(tiny.host)
    message = tiny.fail(binary={"name": "tinyd", "src": str(HERE / "tinyd"), "checksum": "sha256:" + "0" * 64})
    assert "binary.checksum says sha256:000" in message and hashlib.sha256((HERE / "tinyd").read_bytes()).hexdigest() in message
    assert tiny.executions == 0 and untouched(tiny.host) == before


def test_a_binary_from_a_url(tiny: Daemon) -> None:
    sha256 = hashlib.sha256((HERE / "tinyd").read_bytes()).hexdigest()
    binary = {"name": "tinyd", "src": (HERE / "tinyd").as_uri(), "checksum": "sha256:" + sha256}
    assert tiny.run(binary=binary)["started"] and tiny.executions == 2
    assert tiny.run(binary=dict(binary, src="http://127.0.0.1:1/gone"))["changed"] is False, "what the host has is not fetched"


def test_a_sudo_user(tiny: Daemon) -> None:
    before = untouched(tiny.host)
    asked = {"ansible_user": "ops-asked", "ansible_become": True}
    assert "password" in tiny.fail(variables=dict(asked, ansible_become_password="wrong")).lower()
    assert untouched(tiny.host) == before
    assert "set become to true" in tiny.fail(variables={"ansible_user": "ops-asked"})
    result = tiny.run(variables=dict(asked, ansible_become_password="lab-password"))
    assert result["started"] and tiny.executions == 2
    assert tiny.host.shell("ls -A ~ops-asked/.ansible/tmp") == "", "what was sent is removed again"


def test_a_program_of_a_distribution(tiny: Daemon) -> None:
    def wanted(config: str, **more: Any) -> dict[str, Any]:
        unit = "[Service]\nType=notify\nEnvironment=HORAE_GENERATION=@generation@\nExecStart=/usr/sbin/haproxy -Ws -f @dir@/haproxy.cfg\n"
        return dict(
            binary=None,
            executable="/usr/sbin/haproxy",
            packages=[{"name": "haproxy", "provides": "/usr/sbin/haproxy"}],
            unit=unit + "Restart=always\n[Install]\nWantedBy=multi-user.target\n",
            configs=[{"name": "haproxy.cfg", "content": config}],
            checks=[["/usr/sbin/haproxy", "-c", "-f", "@dir@/haproxy.cfg"]],
            log=None,
            **more,
        )

    config = "defaults\n timeout client 1s\n timeout server 1s\n timeout connect 1s\nlisten x\n mode tcp\n bind 127.0.0.1:%d\n" % tiny.port
    first = tiny.run(**wanted(config))
    assert first and first["started"] and tiny.executions == 1, tiny.output
    assert "unknown keyword 'nonsense'" in tiny.fail(**wanted(config + " nonsense\n"))
    assert tiny.run(**wanted(config))["changed"] is False
    assert tiny.run(**wanted(config + " maxconn 100\n", state="restarted"))["restarted"]


def test_stopped_and_absent(tiny: Daemon) -> None:
    before = tiny.host.shell("find /opt /etc -xdev | grep -v systemd | sort")
    tiny.run(links=[{"path": "/etc/%s/tinyd.toml" % tiny.name, "target": "@current@/tinyd.toml"}])
    assert "mode" in tiny.host.shell("cat /etc/%s/tinyd.toml" % tiny.name)
    assert tiny.run(state="stopped")["changed"] and tiny.show("ActiveState") == "inactive"
    assert tiny.run(state="stopped")["changed"] is False
    assert tiny.run("ok", "--check", state="absent")["changed"]
    assert tiny.run(state="absent", files=[])["changed"]
    assert (tiny.run(state="absent")["changed"], tiny.executions) == (False, 1)
    assert tiny.host.shell("find /opt /etc -xdev | grep -v systemd | sort") == before
    assert tiny.show("LoadState") == "not-found"


def _until(condition: Any, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)

"""What happens to whole machines, and to the daemons on them, without anybody's playbook."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import shlex
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import testinfra

from lab import engine, network
from lab import hosts as lab_hosts
from lab.model import Lab
from tests.support.cluster import until
from tests.support.inventory import hostvars

KEEPER = "horaedb-shard-keeper"
# The knob of the simulators for it: tests/support/hangs.py.
CHANCE = "/etc/horae-simulator/hang"
_DROP_IN = "/run/systemd/system/%s.service.d"

_ANOTHER_TIME = """
import datetime
import time

OFFSET = %d
right, right_ns = time.time, time.time_ns
time.time = lambda: right() + OFFSET
time.time_ns = lambda: right_ns() + OFFSET * 10**9


class Another(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=OFFSET)


datetime.datetime = Another
"""


class Machines:
    """The hosts of a lab, reached through the engine: it gets in without a network, and has no connection that a reboot leaves stale."""

    def __init__(self, inventory: pathlib.Path) -> None:
        self.addresses: Mapping[str, str] = {name: values["ansible_host"] for name, values in hostvars(inventory).items()}
        self._containers = {
            one.host: Lab(one.lab).container(one.host) for one in lab_hosts.containers() if one.is_ours() and one.address == self.addresses.get(one.host)
        }

    @functools.cached_property
    def _hosts(self) -> dict[str, Any]:
        return {name: testinfra.get_host("docker://" + container) for name, container in self._containers.items()}

    def on(self, host: str) -> Any:
        """testinfra's host of that name."""
        return self._hosts[host]

    def boot_id(self, host: str) -> str:
        return str(self.on(host).check_output("cat /proc/sys/kernel/random/boot_id"))

    @contextlib.contextmanager
    def cut_off(self, host: str) -> Iterator[None]:
        """All packets of the host are dropped: no answer, and no error either."""
        self.cut(host)
        try:
            yield
        finally:
            self.heal(host)

    def cut(self, host: str) -> None:
        network.cut(self._containers[host])

    def heal(self, host: str) -> None:
        network.heal(self._containers[host])

    @contextlib.contextmanager
    def without_power(self, host: str) -> Iterator[None]:
        self.pull_the_plug(host)
        try:
            yield
        finally:
            self.power_on(host)

    def pull_the_plug(self, host: str) -> None:
        engine.docker("kill", self._containers[host])

    def power_on(self, host: str) -> None:
        engine.docker("start", self._containers[host])
        self.wait_for_boot(host)

    def wait_for_boot(self, host: str) -> None:
        until(lambda: self._no_ssh(host), 60)

    def _no_ssh(self, host: str) -> str | None:
        try:
            with socket.create_connection((self.addresses[host], 22), timeout=1) as connection:
                return None if connection.recv(4) == b"SSH-" else "%s has no ssh" % host
        except OSError as error:
            return "%s: %s" % (host, error)

    def kill(self, host: str, unit: str) -> None:
        """SIGKILL, and systemd doesn't start it again: what is left of a process on a machine that has died."""
        folder = _DROP_IN % unit
        self.on(host).check_output("mkdir -p %s && printf '[Service]\\nRestart=no\\n' > %s/stay.conf && systemctl daemon-reload" % (folder, folder))
        self.crash(host, unit)
        until(lambda: "%s still runs on %s" % (unit, host) if self.runs(host, unit) else None, 10)

    def revive(self, host: str, unit: str) -> None:
        self.on(host).check_output("rm -r %s && systemctl daemon-reload && systemctl start %s" % (_DROP_IN % unit, unit))

    def mend(self, host: str, *units: str) -> None:
        """Whatever a test that failed has done to it: the host is on, has its network, and these units run as their files say."""
        engine.docker("start", self._containers[host])
        self.heal(host)
        self.wait_for_boot(host)
        # One that was stopped with SIGSTOP takes no other signal.
        commands = ["rm -rf %s; systemctl kill --signal=CONT %s || :" % (_DROP_IN % unit, unit) for unit in units]
        self.on(host).check_output("; ".join([*commands, "systemctl daemon-reload && systemctl start %s" % " ".join(units)]))

    def crash(self, host: str, unit: str) -> None:
        """SIGKILL, after which systemd does what the unit says."""
        self.on(host).check_output("systemctl kill --signal=KILL %s" % unit)

    @contextlib.contextmanager
    def killed(self, host: str, unit: str) -> Iterator[None]:
        self.kill(host, unit)
        try:
            yield
        finally:
            self.revive(host, unit)

    @contextlib.contextmanager
    def frozen(self, host: str, unit: str) -> Iterator[None]:
        """SIGSTOP: its connections stay, and nothing comes out of them."""
        self.on(host).check_output("systemctl kill --signal=STOP %s" % unit)
        try:
            yield
        finally:
            self.on(host).check_output("systemctl kill --signal=CONT %s" % unit)

    @contextlib.contextmanager
    def stopped(self, unit: str, *hosts: str) -> Iterator[None]:
        # Without keepers a leader that hangs by chance (HORAE_HANGS) does so for ever.
        calm = "mv %(file)s %(file)s.kept && printf 0 > %(file)s && " % {"file": CHANCE} if unit == KEEPER else ""
        chance = " && mv %(file)s.kept %(file)s" % {"file": CHANCE} if unit == KEEPER else ""
        for host in hosts:
            self.on(host).check_output("%ssystemctl stop %s" % (calm, unit))
        try:
            yield
        finally:
            for host in hosts:
                self.on(host).check_output("systemctl start %s%s" % (unit, chance))

    def runs(self, host: str, unit: str) -> bool:
        return bool(self.on(host).run("systemctl is-active --quiet %s" % unit).rc == 0)

    @contextlib.contextmanager
    def full_disk(self, host: str, folder: str, free_mib: int = 1) -> Iterator[None]:
        """`folder` lies on a small filesystem of its own meanwhile, with all that is in it."""
        place = shlex.quote(folder)
        aside = "/mnt/full-disk"
        used = int(self.on(host).check_output("du --summarize --block-size=1M %s | cut -f 1" % place))
        self.on(host).check_output(
            "mkdir -p %(aside)s && mount -t tmpfs -o size=%(size)dm,mode=0755 small %(aside)s && cp -a %(place)s/. %(aside)s/ "
            "&& mount --bind %(aside)s %(place)s && umount %(aside)s" % {"aside": aside, "place": place, "size": used + free_mib}
        )
        try:
            yield
        finally:
            self.on(host).check_output("umount %s" % place)

    @contextlib.contextmanager
    def another_time(self, host: str, seconds: int, *units: str) -> Iterator[None]:
        """What Python programs of these units (from their next start) and of ssh sessions on the host take for the time is so much later.

        All containers have their kernel's one clock, so it is Python that is told another time: that of the simulators, of the keeper and
        of modules. etcd and real daemons keep the right one, and so do all monotonic clocks, as on a host whose clock is wrong.
        """
        words = "PYTHONPATH=/opt/another-time"
        self._write(host, "/opt/another-time/sitecustomize.py", _ANOTHER_TIME % seconds)
        told = int(self.on(host).check_output("%s python3 -c 'import time; print(int(time.time()))'" % words))
        assert abs(told - int(self.on(host).check_output("date +%s")) - seconds) <= 2, "the time of %s can't be changed" % host
        session = "/etc/ssh/sshd_config.d/another-time.conf"
        files = [_DROP_IN % unit + "/another-time.conf" for unit in units]
        self._write(host, session, "SetEnv %s\n" % words)
        for path in files:
            self._write(host, path, "[Service]\nEnvironment=%s\n" % words)
        # Ansible's connections are kept open, and have the old environment.
        renew = "systemctl daemon-reload && systemctl restart ssh && { pkill --full '^sshd: root' || :; }"
        self.on(host).check_output(renew)
        try:
            yield
        finally:
            self.on(host).check_output("rm -f %s %s && %s" % (session, " ".join(files), renew))

    def _write(self, host: str, path: str, content: str) -> None:
        self.on(host).check_output("mkdir -p $(dirname %s) && printf %%s %s > %s" % (path, shlex.quote(content), path))

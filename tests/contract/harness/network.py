"""A network of the tests' own, made by the test run: addresses as hosts have them, of which nothing is reachable from outside.

HoraeDB forwards nothing to a node with a loopback address. HoraeMeta's http-port listens on every interface and has to be the same on all members of
a cluster, so each member is a host of its own. Data nodes listen on one address each and share the tests' side.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import subprocess
import threading
from typing import List

NODES, MEMBERS = "10.77", "10.78"
BRIDGE, BRIDGE_ADDRESS = "horae", "02:00:00:00:00:01"
# sched.h
CLONE_NEWNET = 0x40000000
ROOTLESS = "unshare --user --map-root-user python3 -m lab test contract"


class NoNetwork(Exception):
    """What the machine lacks, and what to type."""


def _system(name: str, *arguments: int) -> None:
    """A call that Python itself has only from 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (name, os.strerror(number)))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise NoNetwork("the contract tests make a network of their own, and `%s` failed: %s" % (" ".join(command), done.stderr.strip()))


def _here() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def enter() -> None:
    """The calling thread, and every thread and process that it starts from now on, is in the network. Nobody but root could go back."""
    missing = [tool for tool in ("ip", "nsenter") if shutil.which(tool) is None]
    if missing:
        raise NoNetwork(
            "the contract tests make a network of their own and need %s: install iproute2 and util-linux" % " and ".join(missing)
        )
    try:
        _system("unshare", CLONE_NEWNET)
    except PermissionError as error:
        raise NoNetwork(
            "the contract tests make a network of their own, which root may (%s). Without root, type: %s" % (error, ROOTLESS)
        ) from error
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "route", "add", "local", NODES + ".0.0/16", "dev", "lo")
    # A hardware address of its own. A bridge that is given none takes the lowest of its hosts', another one with each host that comes or goes,
    # and members went on sending to the former: their calls to data nodes that lived hung for up to 90 s.
    _run("ip", "link", "add", BRIDGE, "address", BRIDGE_ADDRESS, "type", "bridge")
    _run("ip", "address", "add", MEMBERS + ".0.1/16", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")


class Host:
    """A namespace with one address, joined to the tests' side."""

    _numbers = itertools.count(1)

    def __init__(self, address: str) -> None:
        maker = threading.Thread(target=self._make)
        maker.start()
        maker.join()
        self._path = "/proc/%d/fd/%d" % (os.getpid(), self._namespace)
        link = "member%d" % next(self._numbers)
        _run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", self._path)
        _run("ip", "link", "set", link, "master", BRIDGE, "up")
        _run(*self.command("ip", "link", "set", "lo", "up"))
        _run(*self.command("ip", "address", "add", address + "/16", "dev", "eth0"))
        _run(*self.command("ip", "link", "set", "eth0", "up"))
        _run(*self.command("ip", "route", "add", NODES + ".0.0/16", "dev", "eth0"))

    def _make(self) -> None:
        """Only the thread that runs this moves."""
        _system("unshare", CLONE_NEWNET)
        self._namespace = _here()

    def command(self, *argv: str) -> List[str]:
        """The same, to be run on this host; its process is the program's own."""
        return ["nsenter", "--net=" + self._path, *argv]

    def close(self) -> None:
        """It is gone with its last process."""
        os.close(self._namespace)

"""Leaders that hang at an election, which only simulators do when they are asked to: tests/simulator/README.md."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from tests.support import machines, programs
from tests.support.cluster import Cluster
from tests.support.keys import FOLDER, Keys
from tests.support.traffic import Refused, get, post

# How many of all elections hang, in scenarios of simulators that are to live with it.
VARIABLE = "HORAE_HANGS"
CHANCE = os.environ.get(VARIABLE, "")
_NEXT = "/var/lib/horaemeta/simulator"
CURES = FOLDER + "cures/"


def set_chance(on: Callable[[str], Any], cluster: Cluster, chance: str = CHANCE) -> None:
    """Of every election from now on; without one none hangs. Only simulators can be asked."""
    assert not chance or programs.is_simulator(programs.given()[programs.META]), "%s needs the simulators" % VARIABLE
    for host in cluster.members:
        on(host).check_output("mkdir -p %s && printf %%s %s > %s" % (os.path.dirname(machines.CHANCE), chance or "0", machines.CHANCE))


class Hangs:
    def __init__(self, cluster: Cluster, keys: Keys, on: Callable[[str], Any]) -> None:
        self._cluster = cluster
        self._keys = keys
        self._on = on

    def cures(self) -> dict[str, Any]:
        """What was noted in etcd, by whomever: key -> member, why, seconds."""
        return self._keys.below(CURES)

    def uncured(self) -> str | None:
        """None once somebody noted a cure. The only member's etcd is away while it is started again."""
        try:
            return None if self.cures() else "nobody was cured"
        except Refused as refused:
            return str(refused)

    @contextlib.contextmanager
    def met(self, *hosts: str, least: int = 0) -> Iterator[list[Any]]:
        """Each of these members hangs when it is elected next, which has to happen, and is cured. Yields the cures, once they are made.

        least: so many of them have to, where it isn't told who is elected. Cures of before don't count: nobody is cured again and again.
        """
        made: list[Any] = []
        self._keys.delete_below(CURES)
        for host in hosts:
            self._on(host).check_output("mkdir -p %s && printf next > %s/hang && chown -R horaemeta: %s" % (_NEXT, _NEXT, _NEXT))
        try:
            yield made
        finally:
            left = [host for host in hosts if self._on(host).run("rm %s/hang" % _NEXT).rc == 0]
        made += [cure for _key, cure in sorted(self.cures().items())]
        print("cures: %s" % json.dumps(made))
        assert len(hosts) - len(left) >= (least or len(hosts)), "there was no election of %s, so this proves nothing" % left
        cured = {cure["member"] for cure in made}
        assert cured == set(hosts) - set(left) or CHANCE, made

    def elect(self, host: str) -> None:
        """Has it take the leadership over, and doesn't wait for what comes of it."""
        leader = self._cluster.leader()
        assert leader != host, "%s leads already" % host
        post("http://%s:8080/api/v1/etcd/moveLeader" % self._cluster.members[leader], {"memberName": host}, timeout=10)

    def hung(self, host: str) -> bool:
        """Names itself, and doesn't say which clusters there are."""
        address = self._cluster.members[host]
        try:
            if get("http://%s:8080/debug/leader" % address)["data"] != "http://%s:2379" % address:  # type: ignore[index]
                return False
        except Refused:
            return False
        try:
            get("http://%s:8080/api/v1/clusters" % address, timeout=1)
        except Refused:
            return True
        return False

"""A cluster on paper, second by second: HoraeMeta's leader forgets whom it has heard, and a keeper beside each member prevents it."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Callable, Optional

PROGRAM = pathlib.Path(__file__).resolve().parents[3] / "roles" / "shard_keeper" / "files" / "shard_keeper.py"


def load() -> ModuleType:
    """The program is no module of the collection: its files run alone, from one folder."""
    if "shard_keeper" not in sys.modules:
        spec = importlib.util.spec_from_file_location("shard_keeper", PROGRAM)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["shard_keeper"] = module
        sys.path.insert(0, str(PROGRAM.parent))
        spec.loader.exec_module(module)
    return sys.modules["shard_keeper"]


sk: Any = load()
# Its other files.
kd: Any = sys.modules["keeper_decisions"]
kq: Any = sys.modules["keeper_questions"]
lc: Any = sys.modules["leader_cure"]
lw: Any = sys.modules["leader_watch"]

NAMES = ("m1", "m2", "m3")
NODES = ("db1", "db2", "db3")
SHARDS = 6
# HoraeMeta's and HoraeDB's own times, as measured.
HEARTBEAT, EXPIRY, TICK, MOVE_TIME, ELECTION = 2.0, 10.0, 5.0, 0.2, 5.0
DT = 0.1


def member(name: str) -> Any:
    number = int(name[1:])
    url = "http://192.0.2.1%d:2379" % number
    return kd.Member(name, "http://192.0.2.1%d:8080" % number, url, url)


def settings(name: str = "m1", members: int = 3, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "cluster": "defaultCluster",
        "topology_type": "static",
        "member": member(name),
        "others": tuple(member(other) for other in NAMES[:members] if other != name),
        "nodes": {node: "http://%s.example.com:5440" % node for node in NODES},
        "lock_key": "/ansible/horaedb.cluster/defaultCluster/lock",
        "leader_key": "/horaedb/members/leader",
        "cures_prefix": "/ansible/horaedb.cluster/defaultCluster/cures/",
        "silence": 2.5,
        "silence_locked": 6.0,
        "unmapped": 10.0,
        "pause": 5.0,
        "interval": 0.5,
        "timeout": 1.0,
        "port": 0,
        "metrics_file": "/nowhere/shard_keeper.prom",
        "restart_file": "" if members > 1 else "/nowhere/restart-horaemeta",
        "kill_file": "/nowhere/kill-horaemeta",
    }
    return sk.Settings(**{**values, **changes})


def spread() -> dict[int, tuple[str, ...]]:
    return {shard: (NODES[shard % len(NODES)],) for shard in range(SHARDS)}


def own(at: float, **changes: Any) -> Any:
    """What m1 says while it leads and all is well."""
    values: dict[str, Any] = {
        "asked": at,
        "id": 1,
        "etcd_leader": 1,
        "term": 2,
        "applied": 1000,
        "leader_url": "http://192.0.2.11:2379",
        "healthy": True,
        "topology_type": "static",
        "view": spread(),
        "locked": False,
    }
    return kd.Own(**{**values, **changes})


def other(at: float, **changes: Any) -> Any:
    return kd.Other(**{"at": at, "etcd_leader": 1, "applied": 1000, "voting": True, "healthy": True, **changes})


@dataclass
class Beside:
    """The keeper beside one member, and the questions it has open: node -> when the answer is given up."""

    keeper: Any
    member: str
    open: dict[str, float] = field(default_factory=dict)
    next_poll: dict[str, float] = field(default_factory=dict)
    next_step: float = 0.0


@dataclass
class World:
    """`nodes`: up, dead (refuses at once) or hole (answers nothing). Everything else happens by itself in run()."""

    members: int = 3
    keepers: bool = True
    now: float = 100.0
    leader: Optional[str] = "m1"
    term: int = 2
    locked: bool = False
    # A keeper's looks at its member come so long after its questions to the nodes.
    lag: float = 0.4
    nodes: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NODES, "up"))
    view: dict[int, tuple[str, ...]] = field(default_factory=spread)
    moves: list[tuple[float, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = NAMES[: self.members]
        self.alive = set(self.names)
        self.begin = self.now
        self._heard: dict[str, float] = {}
        self._beat = {node: self.now + 0.3 * index for index, node in enumerate(NODES)}
        self._tick = self.now + TICK
        self._elected: Optional[tuple[float, str]] = None
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._beside = [self._new(name, 0.17 * index) for index, name in enumerate(self.names)] if self.keepers else []

    def _new(self, name: str, phase: float = 0.0) -> Beside:
        made = Beside(sk.Keeper(settings(name, self.members), self.now), name, next_step=self.now + phase + self.lag)
        made.next_poll = dict.fromkeys(NODES, self.now + phase)
        return made

    def restart_keepers(self, *names: str) -> None:
        self._beside = [self._new(b.member) if b.member in names else b for b in self._beside]

    def at(self, seconds: float, do: Callable[[], None]) -> None:
        self._later.append((self.begin + seconds, do))

    def set(self, node: str, state: str) -> None:
        self.nodes[node] = state

    def lose_member(self, name: str) -> None:
        self.alive.discard(name)
        if self.leader == name:
            self.leader = None
            successor = next(other for other in self.names if other in self.alive)
            self._elected = (self.now + ELECTION, successor)

    def hand_over(self, target: str) -> None:
        self.leader = None
        self._elected = (self.now + MOVE_TIME, target)

    @property
    def lost(self) -> set[int]:
        return set(range(SHARDS)) - set(self.view)

    @property
    def move_times(self) -> list[float]:
        return [round(at - self.begin, 1) for at, _from, _to in self.moves]

    def run(self, until: float) -> World:
        """Until so many seconds after the beginning."""
        while self.now < self.begin + until - DT / 2:
            self.now += DT
            for item in [item for item in self._later if item[0] <= self.now]:
                self._later.remove(item)
                item[1]()
            self._horaemeta()
            for beside in self._beside:
                if beside.member in self.alive:
                    self._keep(beside)
        return self

    def _horaemeta(self) -> None:
        if self._elected and self._elected[0] <= self.now:
            self.leader, self._elected = self._elected[1], None
            self.term += 1
            self._heard, self._tick = {}, self.now + TICK
        for node, state in self.nodes.items():
            if self._beat[node] <= self.now:
                self._beat[node] += HEARTBEAT
                if state == "up" and self.leader:
                    self._heard[node] = self.now
        if self.leader and self._tick <= self.now:
            self._tick += TICK
            gone = {node for node, heard in self._heard.items() if self.now - heard >= EXPIRY}
            self.view = {shard: names for shard, names in self.view.items() if names[0] not in gone}

    def _keep(self, beside: Beside) -> None:
        keeper = beside.keeper
        for node, state in self.nodes.items():
            if node in beside.open:
                if beside.open[node] <= self.now:
                    del beside.open[node]
                    keeper.failed(node, self.now, "nothing within 1 s")
            elif beside.next_poll[node] <= self.now:
                beside.next_poll[node] = self.now + 0.5
                if state == "up":
                    keeper.answered(node, self.now)
                elif state == "dead":
                    keeper.failed(node, self.now, "connection refused")
                else:
                    beside.open[node] = self.now + 1.0
        if beside.next_step <= self.now:
            beside.next_step = self.now + 0.5
            self._look(beside)
            decision = keeper.step(self.now)
            if decision.do in (sk.MOVE, sk.RESTART):
                self.moves.append((self.now, beside.member, decision.target))
                if decision.do == sk.RESTART:
                    self.leader, self._elected = None, (self.now + ELECTION, beside.member)
                else:
                    self.hand_over(decision.target)
                keeper.done(self.now, "")

    def _look(self, beside: Beside) -> None:
        leads = self.leader == beside.member
        number = int(beside.member[1:])
        leader = int(self.leader[1:]) if self.leader else 0
        seen = own(
            self.now,
            id=number,
            etcd_leader=leader,
            term=self.term,
            leader_url="http://192.0.2.1%d:2379" % leader if leader else "",
            healthy=leads,
            view=self.view if leads else {},
            locked=self.locked,
        )
        beside.keeper.own(None if self.members == 1 and not leader else seen, "connection refused")
        for name in self.names:
            if name != beside.member:
                beside.keeper.other(name, other(self.now, etcd_leader=leader) if name in self.alive and leads else None)

"""A writer and a reader beside everything that is done to a cluster, and what each phase of it cost them.

Every acknowledged row is remembered. A row that was sent and not acknowledged may be there or not, and one that
was never sent must not be.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

from tests.support import hangs
from tests.support.cluster import Cluster, until
from tests.support.keys import leader
from tests.support.rows import read, spread
from tests.support.traffic import Attempt, NoAnswer, Outage, Reader, Refused, get, outages, sql

ROWS_PER_SECOND = 20.0
READS_PER_SECOND = 5.0
TABLES_EACH = 2
# The leader of a moment ago may still have been routing when the members were asked; the new one takes this long to load its clusters.
BEFORE_A_MOVE, AFTER_A_MOVE = 0.4, 1.0
# Reads of one table, at 5 a second, that a planned move may cost: 1 or 2 where the machine has time, 3 where it hasn't. A leader that was
# stopped without a move costs 20 and more.
FAILED_READS_AT_A_MOVE = 5
_FIRST_TIME = 1651737067000


class Written:
    """What was written to one table."""

    def __init__(self) -> None:
        self.sent: set[int] = set()
        self.acknowledged: set[int] = set()

    def problem(self, found: Sequence[int]) -> str | None:
        """What is wrong with the rows that were found, by their ids."""
        if lost := self.acknowledged - set(found):
            return "lacks %d acknowledged rows: %s" % (len(lost), sorted(lost)[:10])
        if foreign := set(found) - self.sent:
            return "has %d rows that nobody wrote: %s" % (len(foreign), sorted(foreign)[:10])
        if twice := [row for row, times in Counter(found).items() if times > 1]:
            return "has rows twice: %s" % sorted(twice)[:10]
        return None


class Writer:
    """20 rows a second over six tables, two on each data node, while it is entered."""

    def __init__(self, cluster: Cluster, per_second: float = ROWS_PER_SECOND) -> None:
        self._cluster = cluster
        # New ones, whose every row is this writer's.
        self.tables = spread(cluster, "w%x_" % int(time.time()), TABLES_EACH)
        self._written = {table: Written() for tables in self.tables.values() for table in tables}
        self._period = len(self._written) / per_second
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Writer:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._loop, args=item, daemon=True) for item in self._written.items()]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    @property
    def sent(self) -> int:
        return sum(len(written.sent) for written in self._written.values())

    @property
    def acknowledged(self) -> int:
        return sum(len(written.acknowledged) for written in self._written.values())

    def _loop(self, table: str, written: Written) -> None:
        # Each table has a thread of its own, because a write to a node that is stopped hangs until its time is over.
        nodes = itertools.cycle(self._cluster.nodes)
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._period, time.monotonic())
            self._write(table, written, next(self._numbers), next(nodes))

    def _write(self, table: str, written: Written, number: int, through: str) -> None:
        written.sent.add(number)
        statement = "INSERT INTO %s(t,name,value) VALUES (%d,'row',%d)" % (table, _FIRST_TIME + number, number)
        with contextlib.suppress(Refused):
            if sql(self._cluster.sql(through), statement) == {"affected_rows": 1}:
                written.acknowledged.add(number)

    def refused(self) -> str | None:
        """Which table takes no row now; None when each of them does."""
        for table, written in self._written.items():
            before = len(written.acknowledged)
            self._write(table, written, next(self._numbers), next(iter(self._cluster.nodes)))
            if len(written.acknowledged) == before:
                return "table %s takes no row" % table
        return None

    def assert_kept(self, timeout: float = 20) -> int:
        """Every acknowledged row is there, and no other than the sent ones. Returns how many were acknowledged so far."""
        for table, written in self._written.items():
            until(lambda table=table, written=written: self._problem(table, written), timeout)  # type: ignore[misc]
        return self.acknowledged

    def _problem(self, table: str, written: Written) -> str | None:
        """Read through whichever node answers: only the owner's rows are in question, whoever asks it."""
        silent: Refused = NoAnswer("no node")
        for host in self._cluster.nodes:
            try:
                rows = sql(self._cluster.sql(host), "SELECT value FROM %s" % table, timeout=10)["rows"]
            except NoAnswer as error:
                silent = error
                continue
            except Refused as refused:
                return str(refused)
            problem = written.problem([int(row["value"]) for row in rows])  # type: ignore[attr-defined]
            return "table %s %s" % (table, problem) if problem else None
        return str(silent)


@dataclass(frozen=True)
class Change:
    """The leadership was seen with `before` for the last time at `left`, and with `after` for the first time at `arrived`."""

    left: float
    arrived: float
    before: str
    after: str


def changes(samples: Sequence[tuple[float, str | None]]) -> list[Change]:
    """Moments without a leader belong to the change around them."""
    known = [(at, who) for at, who in samples if who is not None]
    return [
        Change(left, arrived, before, after) for (left, before), (arrived, after) in itertools.pairwise(known) if before != after
    ]


class Leaders:
    """Asks the members who leads, several times a second, while it is entered."""

    def __init__(self, cluster: Cluster, period: float = 0.2) -> None:
        self._cluster = cluster
        self._period = period
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self.samples: list[tuple[float, str | None]] = []

    def __enter__(self) -> Leaders:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _loop(self) -> None:
        while not self._stop.wait(self._period):
            self.samples.append((time.monotonic(), leader(self._cluster)))


@dataclass(frozen=True)
class Move:
    """`failed`: reads of one table that failed because of it, at most."""

    before: str
    after: str
    failed: int


@dataclass
class Phase:
    """What was done to the cluster, and what its users noticed. Times in seconds; filled in when the phase is over."""

    name: str
    seconds: float = 0.0
    reads: int = 0
    failed_reads: int = 0
    rows: int = 0
    unacknowledged: int = 0
    outages: dict[str, list[float]] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    leaders: list[tuple[float, str | None]] = field(default_factory=list)

    def longest(self) -> float:
        return max((seconds for found in self.outages.values() for seconds in found), default=0.0)

    def assert_moved(self, moves: int, failed: int) -> None:
        """The leadership moved so often at most, and each move cost so many reads of one table. One that hangs costs another, and more."""
        if hangs.CHANCE:
            return
        assert len(changes(self.leaders)) <= moves, (self.moves, self.outages)
        assert all(move.failed <= failed for move in self.moves), self.moves

    def record(self) -> dict[str, object]:
        """The figures, without what they were computed from."""
        found = asdict(self)
        del found["attempts"], found["leaders"]
        return found

    def assert_one_at_a_time(self, longest: float) -> None:
        """No two nodes' tables were away at the same moment, and none for too long. A leader that hangs takes all of them away."""
        if hangs.CHANCE:
            return
        own = {host: found.own for host, found in split(self.attempts).items()}
        away = sorted((one.began, one.ended, host) for host, found in own.items() for one in found)
        for began, ended, host in away:
            assert ended - began <= longest, "the tables of %s were away for %.1f s" % (host, ended - began)
        for (_, ended, host), (began, _, other) in itertools.pairwise(one for one in away if one[1] - one[0] > ROUTED):
            assert host == other or ended <= began, "the tables of %s went away while those of %s were" % (other, host)


# A member's stop or a leader's move takes the tables of all nodes away together, for as long as nobody can say where they are. What is longer
# is not that: in a planned operation it was 2 s at most, while the proxies learned that a member was gone.
ROUTED = 3.0
TOGETHER = 0.4


@dataclass(frozen=True)
class Away:
    """`shared`: while the tables of all other nodes were away as well. `own`: for a reason of this node's."""

    own: list[Outage]
    shared: list[Outage]


def split(attempts: Sequence[Attempt]) -> dict[str, Away]:
    found = {host: outages([one for one in attempts if one.what == host]) for host in sorted({one.what for one in attempts})}

    def shared(host: str, outage: Outage) -> bool:
        others = [ones for other, ones in found.items() if other != host]
        return outage.seconds <= ROUTED and bool(others) and all(any(_overlap(outage, one) for one in ones) for ones in others)

    return {
        host: Away([one for one in ones if not shared(host, one)], [one for one in ones if shared(host, one)]) for host, ones in found.items()
    }


def _overlap(one: Outage, other: Outage) -> bool:
    return one.began <= other.ended + TOGETHER and other.began <= one.ended + TOGETHER


def moves(attempts: Sequence[Attempt], leaders: Sequence[tuple[float, str | None]]) -> list[Move]:
    """For each change of the leader the failed reads that began with it. What had failed before it goes on for another reason."""
    away = split(attempts)
    found = []
    for change in changes(leaders):
        failed = [_failed(change, [one for one in attempts if one.what == host], away[host].shared) for host in away]
        found.append(Move(change.before, change.after, max(failed, default=0)))
    return found


def _failed(change: Change, attempts: Sequence[Attempt], shared: Sequence[Outage]) -> int:
    """Of one table."""
    begun = [one for one in shared if change.left - BEFORE_A_MOVE <= one.began <= change.arrived + AFTER_A_MOVE]
    return sum(1 for one in attempts if one.error and any(outage.began <= one.at <= outage.ended for outage in begun))


class Figures:
    """A line of JSON for each phase, from which tests/figures.py makes a table."""

    def __init__(self, folder: pathlib.Path, scenario: str, daemons: str = "simulators") -> None:
        """Begins anew: a table out of two runs would be one that nobody saw."""
        self._daemons = daemons
        path = folder / daemons / ("%s.jsonl" % scenario)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        self._path = path

    def add(self, record: dict[str, object]) -> None:
        line = {"scenario": self._path.stem, "cores": os.cpu_count(), "daemons": self._daemons, **record}
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def daemons_of(cluster: Cluster) -> str:
    """`real` or `simulators`, by the word of the process that answers queries and not by the file that was installed."""
    try:
        return "simulators" if get("http://%s/debug/simulator" % cluster.sql(next(iter(cluster.nodes)))) else "real"
    except Refused:
        return "real"


class Load:
    """The writer's rows are remembered from one phase to the next."""

    def __init__(self, cluster: Cluster, figures: Figures | None = None) -> None:
        self._cluster = cluster
        self._figures = figures
        self.writer = Writer(cluster)

    def readers(self) -> Reader:
        """One table of each node, read through another node."""
        targets = {owner: partial(read, self._cluster, owner, tables[0]) for owner, tables in self.writer.tables.items()}
        return Reader(targets, READS_PER_SECOND)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Noted when its body ends well."""
        phase = Phase(name)
        sent, acknowledged, began = self.writer.sent, self.writer.acknowledged, time.monotonic()
        with self.readers() as reader, Leaders(self._cluster) as leaders, self.writer:
            yield phase
            phase.seconds = round(time.monotonic() - began, 1)
        phase.attempts, phase.leaders = reader.attempts, leaders.samples
        phase.reads, phase.failed_reads = len(reader.attempts), len(reader.failures())
        phase.rows = self.writer.acknowledged - acknowledged
        phase.unacknowledged = self.writer.sent - sent - phase.rows
        phase.outages = {host: [round(one.seconds, 1) for one in reader.outages(host)] for host in self._cluster.nodes}
        phase.moves = moves(reader.attempts, leaders.samples)
        print(phase.record())
        if self._figures is not None:
            self._figures.add(phase.record())

    def begin_anew(self) -> None:
        """With other tables, so that what a test lost is that test's failure and not that of those after it."""
        self.writer = Writer(self._cluster)

    def assert_kept(self, timeout: float = 20) -> None:
        print("%d acknowledged rows are there" % self.writer.assert_kept(timeout))

"""Tables on every data node, and rows of which each was acknowledged: afterwards every one has to be there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.support.cluster import Cluster, until
from tests.support.traffic import NoAnswer, Refused, get, sql

_CREATE = (
    "CREATE TABLE IF NOT EXISTS %s (name string TAG, value double NOT NULL, t timestamp NOT NULL, TIMESTAMP KEY(t)) "
    "ENGINE=Analytic with (enable_ttl='false')"
)
# HoraeMeta spreads tables by chance. This many miss one of three nodes less than once in a million times.
_TABLES_AT_MOST = 40


def make(cluster: Cluster, table: str) -> str:
    # A new cluster serves all of its shards a few seconds before it takes tables.
    until(lambda: _missing(cluster.sql(next(iter(cluster.nodes))), table), 15)
    return table


def spread(cluster: Cluster, prefix: str, each: int = 1) -> dict[str, list[str]]:
    """Data node -> so many tables that lie on it. They are made if there are not enough."""
    found: dict[str, list[str]] = {host: [] for host in cluster.nodes}
    asked = next(iter(cluster.nodes))
    for number in range(_TABLES_AT_MOST * each):
        table = make(cluster, "%s%d" % (prefix, number))
        found[_owner(cluster, asked, table)].append(table)
        if all(len(tables) >= each for tables in found.values()):
            return {host: tables[:each] for host, tables in found.items()}
    raise AssertionError("too few tables got to some node: %s" % found)


def read(cluster: Cluster, owner: str, table: str) -> object:
    """As a client with several addresses does it: one that doesn't answer is skipped, any other refusal counts. Not through the owner itself."""
    silent = NoAnswer()
    for host in [host for host in cluster.nodes if host != owner] or [owner]:
        try:
            return sql(cluster.sql(host), "SELECT count(value) FROM %s" % table)
        except NoAnswer as error:
            silent = error
    raise silent


class Rows:
    """`owners`: data node -> a table that lies on it."""

    def __init__(self, cluster: Cluster, prefix: str = "t") -> None:
        self._cluster = cluster
        self._acknowledged: dict[str, set[int]] = {}
        self.owners: dict[str, str] = {host: tables[0] for host, tables in spread(cluster, prefix).items()}

    def write(self, rows: int = 5) -> None:
        """So many rows into each table, through each node in turn. Raises Refused when one isn't acknowledged."""
        for table in self.owners.values():
            written = self._acknowledged.setdefault(table, set())
            for _ in range(rows):
                number = len(written) + 1
                through = list(self._cluster.nodes)[number % len(self._cluster.nodes)]
                statement = "INSERT INTO %s(t,name,value) VALUES (%d,'row',%d)" % (table, 1651737067000 + number, number)
                assert sql(self._cluster.sql(through), statement) == {"affected_rows": 1}
                written.add(number)

    def assert_kept(self, timeout: float = 10) -> None:
        """Every acknowledged row is read, through every node."""
        for host in self._cluster.nodes:
            for table, written in self._acknowledged.items():
                until(lambda host=host, table=table, written=written: self._missing(host, table, written), timeout)  # type: ignore[misc]

    def _missing(self, host: str, table: str, written: set[int]) -> str | None:
        try:
            rows = sql(self._cluster.sql(host), "SELECT value FROM %s" % table)["rows"]
        except Refused as refused:
            return str(refused)
        lost = written - {int(row["value"]) for row in rows}  # type: ignore[attr-defined]
        return "read through %s, table %s lacks rows %s" % (host, table, sorted(lost)) if lost else None

    def readers(self) -> dict[str, Callable[[], object]]:
        """For traffic.Reader: a read of each node's table, through another node where there is one."""
        return {owner: partial(read, self._cluster, owner, table) for owner, table in self.owners.items()}


def _owner(cluster: Cluster, asked: str, table: str) -> str:
    [route] = get("http://%s/route/%s" % (cluster.sql(asked), table))["routes"]  # type: ignore[index]
    return next(host for host, address in cluster.nodes.items() if address == route["endpoint"]["addr"])


def _missing(node: str, table: str) -> str | None:
    """Why there is no such table yet. HoraeDB refuses to make one that is there, IF NOT EXISTS or not."""
    try:
        sql(node, _CREATE % table)
    except Refused as refused:
        return None if "table already exists" in str(refused) else str(refused)
    return None

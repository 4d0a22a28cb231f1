"""repair.yml, after shards were really forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import hangs
from tests.support.cluster import Cluster, until
from tests.support.keys import Keys
from tests.support.kills import daemons
from tests.support.load import Load
from tests.support.machines import KEEPER, Machines
from tests.support.operator import Operator, processes

# HoraeMeta forgets a node 10 s after its last heartbeat, at a tick that comes each 5 s; the lock has to live on.
FROZEN = 18


@pytest.fixture
def unprotected(cluster: Cluster, machines: Machines) -> Iterator[None]:
    """Nobody moves the leadership when a node is silent."""
    with machines.stopped(KEEPER, *cluster.members):
        yield


def forgotten(cluster: Cluster, lost: set[int]) -> str | None:
    still = lost & set(cluster.view())
    return "the view still has shards %s" % sorted(still) if still else None


def short_locks(keys: Keys, shards: set[int]) -> str | None:
    left = {shard: seconds for shard, seconds in keys.shard_locks().items() if shard in shards}
    return None if set(left) == shards and min(left.values()) >= FROZEN else "the locks live for %s" % left


def test_forgotten_shards_of_a_node_that_still_serves_them_are_put_back(
    operator: Operator, cluster: Cluster, load: Load, keys: Keys, machines: Machines, unprotected: None  # noqa: ARG001
) -> None:
    """Breaks when the view is believed to follow a node that reports no change, or when a dry run repairs, or a repair deploys."""
    view, places = cluster.assert_whole(), daemons(cluster)
    lost = {shard for shard, host in view.items() if host == "db3"}
    # A process renews its locks first when three quarters of their 30 s are over: frozen shortly before it loses them, panics, and serves nothing.
    until(lambda: short_locks(keys, lost), 30)
    with load.phase("`repair.yml`, the shards of a node that was silent for more than 10 s"):
        with machines.frozen("db3", "horaedb"):
            until(lambda: forgotten(cluster, lost), 25)
        until(lambda: None if cluster.ready("db3") == lost else "db3 doesn't serve", 20)
        before = processes(machines.on, places)
        planned = operator.done("repair", "--check")
        shards = ", ".join(map(str, sorted(lost)))
        assert any("%s " % shards in line and "forgotten, to be put back on data node db3" in line for line in planned.output.splitlines())
        # A change that nobody has applied yet, as a failed upgrade leaves it, keeps nobody from a repair, and isn't applied by it.
        change = {"horaedb_settings": {"query_engine": {"read_parallelism": 7}}}
        operator.done("repair", hosts=dict.fromkeys(cluster.nodes, change))
    assert cluster.assert_whole() == view
    assert keys.topology_type() == "static"
    after = processes(machines.on, places)
    assert {place for place in before if after[place].pid != before[place].pid and not (hangs.CHANCE and place[1] == "horaemeta")} == {("db3", "horaedb")}
    # It refuses where a host isn't as the inventory asks for.
    operator.done("restart", "--check")
    assert keys.journal()[-1]["operation"]["what"].startswith("repair")


def test_all_forgotten_shards_are_put_back(
    operator: Operator, cluster: Cluster, load: Load, machines: Machines, unprotected: None  # noqa: ARG001
) -> None:
    """Breaks when the repair needs a node that is whole, or gives a shard to a node that doesn't have its data."""
    view = cluster.assert_whole()
    with load.phase("`repair.yml`, all eight shards"):
        with machines.stopped("horaedb", *cluster.nodes):
            until(lambda: forgotten(cluster, set(view)), 25)
        operator.refused("restart", says=("forgotten",), extra={"horaedb_repair": False})
        operator.done("repair")
    assert cluster.assert_whole() == view

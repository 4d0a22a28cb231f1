"""Nodes that go away without being asked to: with the shard keepers no shard is forgotten, and without them it is.

HORAE_AWAY has the seconds for which they are away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import pytest

from tests.support.cluster import Cluster, pass_time, until
from tests.support.keys import Keys
from tests.support.load import Load
from tests.support.machines import KEEPER, Machines
from tests.support.operator import Operator
from tests.support.traffic import Refused

Fault = Callable[[contextlib.ExitStack, Machines, Cluster], None]


def killed(stack: contextlib.ExitStack, machines: Machines, _cluster: Cluster) -> None:
    stack.enter_context(machines.killed("db1", "horaedb"))


def stopped(stack: contextlib.ExitStack, machines: Machines, _cluster: Cluster) -> None:
    stack.enter_context(machines.frozen("db2", "horaedb"))


def cut_off(stack: contextlib.ExitStack, machines: Machines, _cluster: Cluster) -> None:
    stack.enter_context(machines.cut_off("db3"))


def without_power(stack: contextlib.ExitStack, machines: Machines, _cluster: Cluster) -> None:
    stack.enter_context(machines.without_power("db1"))


def two_within_three_seconds(stack: contextlib.ExitStack, machines: Machines, _cluster: Cluster) -> None:
    stack.enter_context(machines.killed("db2", "horaedb"))
    pass_time(3)
    stack.enter_context(machines.killed("db3", "horaedb"))


def leader_and_node(stack: contextlib.ExitStack, machines: Machines, cluster: Cluster) -> None:
    leader = cluster.leader()
    stack.enter_context(machines.killed("db1", "horaedb"))
    stack.enter_context(machines.without_power(leader))


def unanswered(cluster: Cluster, hosts: Iterable[str]) -> str | None:
    try:
        for host in hosts:
            cluster.ready(host)
    except Refused as refused:
        return str(refused)
    return None


# What it is, and whose shards it costs where nobody does anything about it. The leader after one that died with the node has never heard
# of that node, and so can't forget it.
FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "SIGKILL of a data node": (killed, {"db1"}),
    "the leader's host and a data node at once": (leader_and_node, set()),
    "SIGSTOP of a data node": (stopped, {"db2"}),
    "a data node's cable pulled": (cut_off, {"db3"}),
    "a data node's host without power": (without_power, {"db1"}),
    "two data nodes within 3 s": (two_within_three_seconds, {"db2", "db3"}),
}
CASES = [pytest.param(what, marks=[] if number == 0 else pytest.mark.long) for number, what in enumerate(FAULTS)]


@pytest.mark.parametrize("what", CASES)
def test_a_node_that_comes_back_finds_its_shards(
    cluster: Cluster, keys: Keys, load: Load, machines: Machines, away: float, what: str
) -> None:
    """Breaks when a keeper is blind for this fault, comes too late, sleeps after an election, or moves the leadership to nobody."""
    view, (fault, _hosts) = cluster.assert_whole(30), FAULTS[what]
    with load.phase("%s, for %g s" % (what, away)):
        with contextlib.ExitStack() as stack:
            fault(stack, machines, cluster)
            pass_time(away)
            # Where the leader went away as well, its key in etcd outlives it by up to 10 s, and then there is an election.
            until(lambda: keys.differs(view), 25)
        until(cluster.problem, 60)
    assert cluster.assert_whole() == view


@pytest.mark.parametrize("what", [case for case in CASES if FAULTS[str(case.values[0])][1]])
def test_without_the_keepers_the_same_costs_the_shards(
    operator: Operator, cluster: Cluster, keys: Keys, load: Load, machines: Machines, away: float, what: str
) -> None:
    """Breaks when the tests above are green for another reason than the keepers: what they prove would be worth nothing."""
    view, (fault, hosts) = cluster.assert_whole(30), FAULTS[what]
    lost = {shard for shard, host in view.items() if host in hosts}
    with load.phase("%s, for %g s without keepers, then `repair.yml`" % (what, away)):
        with machines.stopped(KEEPER, *cluster.members):
            with contextlib.ExitStack() as stack:
                fault(stack, machines, cluster)
                pass_time(away)
                until(lambda: "shards are still mapped" if lost & set(keys.view()) else None, 6)
            until(lambda: unanswered(cluster, hosts), 30)
            # A tick of the scheduler, and heartbeats: nobody puts them back.
            pass_time(6)
            assert set(cluster.view()) == set(view) - lost
        operator.done("repair")
    assert cluster.assert_whole() == view


def cut_off_for_a_while(cluster: Cluster, keys: Keys, machines: Machines, view: dict[int, str], away: float) -> None:
    """The leader, until it follows another one and another one leads: what the view in etcd has lost is seen by who loads it."""
    with machines.cut_off(cluster.leader()):
        pass_time(away)
        until(lambda: keys.differs(view), 25)
    # Its etcd takes up to 10 s to find the others again, and it 2 s more to follow whom they follow.
    until(lambda: disagreed(cluster), 60)
    leader = cluster.leader()
    cluster.move_leader(next(host for host in cluster.members if host != leader))


def disagreed(cluster: Cluster) -> str | None:
    try:
        cluster.leader()
    except Refused as refused:
        return str(refused)
    return None


def test_a_leader_that_was_cut_off_takes_no_shard_from_the_next_one(
    cluster: Cluster, keys: Keys, load: Load, machines: Machines, away: float
) -> None:
    """Breaks when it goes on in the dark: it forgets the nodes that it doesn't hear, and writes that down when its etcd is back."""
    view = cluster.assert_whole(30)
    with load.phase("the leader's cable pulled, for %g s" % away):
        cut_off_for_a_while(cluster, keys, machines, view, away)
        until(cluster.problem, 60)
    assert cluster.assert_whole() == view


@pytest.mark.long
def test_without_the_keepers_it_does(operator: Operator, cluster: Cluster, keys: Keys, load: Load, machines: Machines, away: float) -> None:
    """Breaks when the test above is green for another reason than the keepers."""
    view = cluster.assert_whole(30)
    with load.phase("the leader's cable pulled, for %g s without keepers, then `repair.yml`" % away):
        with machines.stopped(KEEPER, *cluster.members):
            cut_off_for_a_while(cluster, keys, machines, view, away)
            assert set(cluster.view()) < set(view)
        operator.done("repair")
    assert cluster.assert_whole() == view

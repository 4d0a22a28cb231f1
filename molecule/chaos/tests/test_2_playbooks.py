"""What breaks while a playbook works on the cluster: the run stops before it does harm and says where, or it isn't impressed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs
from tests.support.cluster import Cluster, pass_time, until
from tests.support.keys import Keys
from tests.support.load import Load
from tests.support.machines import KEEPER, Machines
from tests.support.operator import Operator, Processes, once

TEN_MINUTES = 600
GATE = "TASK [Wait until nothing else is missing"
RESTART = "TASK [horaedb.cluster.horaedb : Bring HoraeDB into its wanted state"
# Longer than a restart with its gate takes.
CUT = 20.0
# As long as a good start takes three times over, so that a bad one doesn't take the whole 60 s.
PATIENCE = {"horaedb_ready_timeout": 15}
# The killed member may have been the leader, whose successor needs up to 16 s.
WITHOUT_LEADER = {"horaedb_ready_timeout": 30}


def replaced(before: Processes, after: Processes, unit: str) -> set[str]:
    return {host for host, name in before if name == unit and before[host, name].pid != after[host, name].pid}


@pytest.mark.long
def test_a_roll_stops_when_something_else_is_gone(
    operator: Operator, cluster: Cluster, keys: Keys, load: Load, machines: Machines, running: Callable[[], Processes]
) -> None:
    """Breaks when a roll goes on beside a member or a node that is missing: the next stop would cost the quorum, or a second node's shards."""
    view, before = cluster.assert_whole(30), running()
    gone = (("meta2", "horaemeta"), ("db3", "horaedb"))

    def fail() -> None:
        for place in gone:
            machines.kill(*place)

    with load.phase("`restart.yml`, and meanwhile a member and another data node are killed"):
        try:
            # After the gate of the first node: that one goes down with everything there, and the second one must not.
            says = ("member meta2", "doesn't answer")
            run = operator.refused("restart", "--limit", "db1,db2", extra=WITHOUT_LEADER, watch=once(GATE, RESTART, do=fail), says=says)
            assert "data node db3" in run.output
            until(lambda: keys.differs(view), 15)
        finally:
            for place in gone:
                machines.revive(*place)
        until(cluster.problem, 60)
    assert replaced(before, running(), "horaedb") == {"db1", "db3"}
    assert cluster.assert_whole() == view
    assert keys.journal()[-1]["result"] == "failed"


@pytest.mark.long
def test_a_roll_waits_for_a_member_that_cannot_be_reached_for_a_while(
    operator: Operator, cluster: Cluster, load: Load, machines: Machines, running: Callable[[], Processes]
) -> None:
    """Breaks when a member behind a pulled cable is taken for one that is there, or hangs the run for good."""
    view, before = cluster.assert_whole(30), running()
    rolled: list[set[str]] = []

    def cut() -> None:
        with machines.cut_off("meta3"):
            pass_time(CUT)
            rolled.append(replaced(before, running(), "horaedb"))

    with load.phase("`restart.yml`, and meanwhile a member's cable is pulled for %g s" % CUT):
        operator.done("restart", "--limit", "db1,db2", watch=once(GATE, RESTART, do=cut))
    assert rolled[0] <= {"db1"}, "a second node went down while a member was missing"
    assert replaced(before, running(), "horaedb") == {"db1", "db2"}
    assert cluster.assert_whole() == view


@pytest.mark.long
def test_a_proxy_that_dies_and_clocks_that_differ_disturb_nobody(
    operator: Operator, cluster: Cluster, keys: Keys, load: Load, machines: Machines
) -> None:
    """Breaks when a roll takes times of two hosts for one clock's, or when a data node can't stand its proxy's restart."""
    view = cluster.assert_whole(30)
    with machines.another_time("meta2", TEN_MINUTES, "horaemeta", KEEPER), machines.another_time("db2", -TEN_MINUTES, "horaedb"):
        machines.on("meta2").check_output("systemctl restart %s" % KEEPER)
        with load.phase("`restart.yml`, a proxy killed, the clocks of two hosts 10 minutes off"):
            operator.done("restart", watch=once(GATE, do=lambda: machines.crash("db3", "horaedb-meta-proxy")))
        assert cluster.assert_whole() == view
        # The daemons with another time are in charge of everybody else's now.
        cluster.move_leader("meta2")
        # Two ticks of its scheduler, and the 10 s after which it expires a node.
        pass_time(12)
        assert cluster.assert_whole() == view
        entry = keys.journal()[-1]
        assert all(0 <= step["seconds"] < 120 for step in entry["steps"]), entry["steps"]
        operator.done("downtime", "--limit", "db2", extra={"horaedb_downtime": "begin"})
        run = operator.done("downtime", "--limit", "db2", extra={"horaedb_downtime": "end"})
        assert "away for" in run.output and "away for 6" not in run.output, run.output
    # With their own time again.
    machines.on("meta2").check_output("systemctl restart %s" % KEEPER)
    operator.done("restart", "--limit", "meta2,db2")


def test_a_full_disk_stops_an_upgrade_before_anything_is_restarted(
    operator: Operator, cluster: Cluster, machines: Machines, running: Callable[[], Processes], tmp_path: Path
) -> None:
    """Breaks when a host that has no room is found out about after others were restarted."""
    before = running()
    with machines.full_disk("db2", "/opt/horaedb"):
        operator.refused("upgrade", says=("db2", "/opt/horaedb", "MiB free"), **programs.variables(programs.later(tmp_path, 1)))
    assert running() == before
    cluster.assert_whole()


def test_a_node_that_comes_up_with_a_wrong_configuration_is_put_back(
    operator: Operator, cluster: Cluster, load: Load, running: Callable[[], Processes]
) -> None:
    """Breaks when the next node gets the same configuration, or when the first one isn't put back before its shards are forgotten."""
    view, before = cluster.assert_whole(30), running()
    # No etcd at that address: HoraeDB starts and answers, and never gets a shard's lock.
    wrong = {"horaedb_settings": {"cluster_deployment": {"etcd_client": {"server_addrs": ["127.0.0.1:9"]}}}}
    with load.phase("`upgrade.yml` with a configuration that never gets ready"):
        operator.refused("upgrade", hosts={host: {**PATIENCE, **wrong} for host in cluster.nodes}, says=("Failed to grant lease",))
    after = running()
    first = next(iter(cluster.nodes))
    assert replaced(before, after, "horaedb") == {first}
    assert after[first, "horaedb"].generation == before[first, "horaedb"].generation
    assert cluster.assert_whole() == view


def test_a_configuration_edited_by_hand_is_found_and_put_right(
    operator: Operator, cluster: Cluster, keys: Keys, load: Load, machines: Machines, on: Callable[[str], Any]
) -> None:
    """Breaks when the keepers give up a node that starts again and again, or when site.yml can't mend what somebody typed at 3 a.m."""
    view = cluster.assert_whole(30)
    with load.phase("a data node with a configuration that somebody broke, then `site.yml`"):
        on("db3").check_output("printf '[nonsense\\n' >> $(readlink -f /etc/horaedb/horaedb.toml)")
        machines.crash("db3", "horaedb")
        until(lambda: None if not machines.runs("db3", "horaedb") else "it runs", 10)
        until(lambda: keys.differs(view), 15)
        operator.done("site")
    assert cluster.assert_whole() == view

"""downtime.yml: a data node away for as long as its operator needs, and a reboot of everything."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable

from tests.support import hangs
from tests.support.cluster import SHARDS, Cluster, pass_time, until
from tests.support.keys import Keys
from tests.support.load import Load
from tests.support.machines import KEEPER, Machines
from tests.support.operator import Operator, Processes
from tests.support.traffic import Refused

BEGIN = {"horaedb_downtime": "begin"}
END = {"horaedb_downtime": "end"}
VERIFICATION = "PLAY [Verify the cluster"
GATE = "Wait until nothing else is missing before this node goes down"
# A host out of containers is back within seconds of its reboot; what Ansible needs to notice comes on top, and a real one needs minutes.
LONGEST_REBOOT = 40.0


def test_a_node_is_away_for_longer_than_horaemeta_waits(
    operator: Operator, cluster: Cluster, load: Load, keys: Keys, machines: Machines, running: Callable[[], Processes], away: float
) -> None:
    """Breaks when the leadership isn't moved after the stop, when a second node may go as well, or when the end doesn't wait for the shards."""
    view, before = cluster.assert_whole(), running()
    # Without the keepers, which would make good what the playbook leaves out.
    with load.phase("`downtime.yml`, db1 away for %g s" % away), machines.stopped(KEEPER, *cluster.members):
        operator.done("downtime", "--limit", "db1", extra=BEGIN)
        began = time.monotonic()
        assert not machines.runs("db1", "horaedb")
        assert not machines.on("db1").service("horaedb").is_enabled, "a boot would start it, on whatever disk is there by then"
        assert set(keys.downtimes()) == {"db1"}
        # What else is typed meanwhile is refused, and takes its time, which is the node's time away.
        operator.refused("downtime", "--limit", "db2", extra=BEGIN, says=("db1", "downtime"))
        operator.refused("restart", "--limit", "db3", says=("db1", "downtime"))
        operator.done("downtime", "--limit", "db1", extra=BEGIN)
        # Tells what would be done, and neither does it nor waits for what only the doing brings.
        assert operator.done("downtime", "--limit", "db1", "--check", extra=END).seconds < 30
        assert not machines.runs("db1", "horaedb") and set(keys.downtimes()) == {"db1"}
        pass_time(away, since=began)
        assert set(cluster.view()) == SHARDS
        # The new leader of a cluster without keepers must not hang.
        if not hangs.CHANCE:
            cluster.move_leader(next(host for host in cluster.members if host != cluster.leader()))
        assert cluster.view() == view
        run = operator.done("downtime", "--limit", "db1", extra=END)
    assert machines.on("db1").service("horaedb").is_enabled
    seconds = [float(found) for found in re.findall(r"away for (?:about )?(\d+(?:\.\d+)?) s", run.output)]
    assert seconds and away - 2 <= seconds[0] <= away + 120, run.output
    after = running()
    assert {place for place in before if after[place].pid != before[place].pid and place[1] not in (KEEPER, hangs.CHANCE and "horaemeta")} == {("db1", "horaedb")}
    assert cluster.assert_whole() == view


def test_a_node_waits_for_a_member_that_is_missing_and_a_dead_controller_is_no_obstacle(
    operator: Operator, cluster: Cluster, load: Load, machines: Machines, keys: Keys
) -> None:
    """Breaks when a node is stopped although the leadership may have nobody to go to, or when a command runs beside a node that is up."""
    view, seen = cluster.assert_whole(), "/root/seen-by-the-command"
    command = {"horaedb_downtime_command": "systemctl is-active horaedb > %s || :" % seen}
    with machines.stopped("horaemeta", "meta2"):
        dead = operator.run("downtime", "--limit", "db2", extra=command, watch=lambda line: GATE in line, kill_after=8)
        assert dead.rc == -signal.SIGKILL and GATE in dead.output.splitlines()[-1]
        assert machines.runs("db2", "horaedb")
    assert keys.lock() is not None and keys.downtimes() == {}
    until(cluster.problem, 30)
    with load.phase("`downtime.yml` with a command, db2"):
        operator.done("downtime", "--limit", "db2", extra=command)
    assert machines.on("db2").file(seen).content_string.strip() in ("inactive", "failed")
    assert [host for host in (*cluster.members, *cluster.nodes) if machines.on(host).file(seen).exists] == ["db2"]
    assert cluster.assert_whole() == view


def test_a_node_comes_back_whatever_else_is_wrong(operator: Operator, cluster: Cluster, load: Load, keys: Keys, machines: Machines) -> None:
    """Breaks when a second node's death makes a downtime one that can't be ended, while everything that could mend the rest waits for its end."""
    view = cluster.assert_whole()
    with load.phase("`downtime.yml` with another node dead at its end, then `site.yml`"):
        operator.done("downtime", "--limit", "db1", extra=BEGIN)
        with machines.killed("db2", "horaedb"):
            until(lambda: keys.differs(view), 15)
            # It would wait for db2 until its time is over.
            run = operator.run("downtime", "--limit", "db1", extra=END, watch=lambda line: VERIFICATION in line)
            assert run.rc == -signal.SIGKILL, run.output
            assert machines.runs("db1", "horaedb") and keys.downtimes() == {}
        operator.done("site")
    assert cluster.assert_whole() == view


def test_shards_that_were_forgotten_meanwhile_are_put_back_at_the_end(
    operator: Operator, cluster: Cluster, load: Load, keys: Keys, machines: Machines
) -> None:
    """Breaks when the end of a downtime waits for a repair that waits for its end."""
    view = cluster.assert_whole()
    with load.phase("`downtime.yml`, and the node's shards are forgotten meanwhile"), machines.stopped(KEEPER, *cluster.members):
        operator.done("downtime", "--limit", "db1", extra=BEGIN)
        # It comes up by a mistake, is heard, and goes down again with nobody to protect it.
        machines.on("db1").check_output("systemctl start horaedb")
        until(lambda: no_shards(cluster, "db1"), 30)
        machines.kill("db1", "horaedb")
        try:
            until(lambda: "not forgotten" if {s for s, host in view.items() if host == "db1"} & set(keys.view()) else None, 25)
        finally:
            machines.on("db1").check_output("rm -r /run/systemd/system/horaedb.service.d && systemctl daemon-reload")
        operator.done("downtime", "--limit", "db1", extra=END)
    assert cluster.assert_whole() == view


def no_shards(cluster: Cluster, host: str) -> str | None:
    try:
        return None if cluster.ready(host) else "%s has no shards" % host
    except Refused as refused:
        return str(refused)


def test_what_names_no_data_node_is_no_downtime(operator: Operator, keys: Keys, running: Callable[[], Processes]) -> None:
    """Breaks when an operator is told that a member may be worked on now, because a playbook that matched no host ended well."""
    before = running()
    operator.refused("downtime", "--limit", "meta1", extra=BEGIN, says=("a host that is a member alone",))
    operator.refused("downtime", "--limit", "db1", extra={"horaedb_downtime_reboot": True, "horaedb_downtime_timeout": "10m"}, says=("number of seconds",))
    assert keys.lock() is None and running() == before


def test_the_whole_cluster_is_rebooted_host_by_host(
    operator: Operator, cluster: Cluster, load: Load, keys: Keys, machines: Machines, running: Callable[[], Processes]
) -> None:
    """Breaks when two hosts are down at once, a data node's shards aren't protected during its boot, or a daemon doesn't start at boot."""
    view, hosts = cluster.assert_whole(), [*cluster.members, *cluster.nodes]
    before = {host: machines.boot_id(host) for host in hosts}
    with load.phase("`downtime.yml` with a reboot, all six hosts") as phase:
        operator.done("downtime", extra={"horaedb_downtime_reboot": True})
    assert [host for host in hosts if machines.boot_id(host) == before[host]] == []
    phase.assert_one_at_a_time(LONGEST_REBOOT)
    assert keys.downtimes() == {}
    running()  # fails where a daemon doesn't run
    assert cluster.assert_whole() == view

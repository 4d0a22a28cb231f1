"""What somebody changed or stopped by hand is mended by the next run, and by nothing more than is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conftest import Operator, Processes

from tests.support.cluster import Cluster
from tests.support.rows import Rows

CONFIG = "/opt/horaedb/current/horaedb.toml"
UNIT = "/etc/systemd/system/horaemeta.service"
ROTATION = "/etc/logrotate.d/horaedb"


def test_files_edited_by_hand_are_mended(
    operator: Operator, cluster: Cluster, on: Callable[[str], Any], processes: Callable[[], Processes]
) -> None:
    """Breaks when an edit is overlooked, or mended on disk while a process goes on that may have read it, or costs others a restart."""
    follower = next(host for host in cluster.members if host != cluster.leader())
    before = processes()
    files = [("db3", CONFIG), (follower, UNIT), ("db1", ROTATION), ("db2", CONFIG)]
    good = {place: _state(on(place[0]), place[1]) for place in files}
    on("db3").check_output("echo '[limiter]' >> %s", CONFIG)
    on(follower).check_output("sed -i s/RestartSec=1s/RestartSec=90s/ %s", UNIT)
    on("db1").check_output("rm %s", ROTATION)
    on("db2").check_output("chmod 0644 %s", CONFIG)
    operator.deploy()
    assert {place: _state(on(place[0]), place[1]) for place in files} == good
    after = processes()
    replaced = {place for place in before if before[place].pid != after[place].pid}
    assert replaced == {("db3", "horaedb"), (follower, "horaemeta")}
    assert operator.deploy().changed == 0
    assert processes() == after


def test_stopped_services_are_started(
    operator: Operator, cluster: Cluster, rows: Rows, on: Callable[[str], Any], processes: Callable[[], Processes]
) -> None:
    """Breaks when site.yml takes what is installed for running, or restarts the others while it starts the missing ones."""
    rows.write()
    view, before, leader = cluster.assert_whole(), processes(), cluster.leader()
    follower, successor = (host for host in cluster.members if host != leader)
    # Planned downtime, as in docs/operations.md: a new leader never forgets the shards of a node that it has not heard.
    on("db2").check_output("systemctl stop horaedb")
    cluster.move_leader(successor)
    on(follower).check_output("systemctl stop horaemeta")
    operator.deploy()
    after = processes()
    assert {place for place in before if before[place].pid != after[place].pid} == {("db2", "horaedb"), (follower, "horaemeta")}
    assert cluster.assert_whole() == view
    rows.assert_kept()


def _state(host: Any, path: str) -> tuple[str, str]:
    return host.check_output("sha256sum %s", path), host.check_output("stat -Lc '%%a %%U %%G' %s", path)

"""The cluster that site.yml made, read without the collection's own code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.cluster import SHARDS, Cluster
from tests.support.rows import Rows

UNITS = [
    *((host, "horaemeta", "horaemeta") for host in ("meta1", "meta2", "meta3")),
    *((host, "horaedb-shard-keeper", "horaedb-keeper") for host in ("meta1", "meta2", "meta3")),
    *((host, "horaedb", "horaedb") for host in ("db1", "db2", "db3")),
    *((host, "horaedb-meta-proxy", "horaedb-proxy") for host in ("db1", "db2", "db3")),
]
CONFIGS = {"horaemeta": "horaemeta.toml", "horaedb": "horaedb.toml", "horaedb-meta-proxy": "haproxy.cfg", "horaedb-shard-keeper": "keeper.json"}
# systemd's own figure. In a container the user namespace is off, which alone costs 1.1 there.
EXPOSURE = 2.0


def test_every_shard_is_served_where_the_view_and_the_record_say(cluster: Cluster) -> None:
    """Breaks when site.yml ends green although a shard is unmapped, not Ready, elsewhere, or wrongly recorded."""
    view = cluster.assert_whole(timeout=0)
    assert set(view) == SHARDS
    assert set(view.values()) == set(cluster.nodes), "a data node without any shard"


def test_rows_written_through_each_node_are_read_through_all(rows: Rows) -> None:
    """Breaks when a node takes no tables or rows, or can't route to the others: a wrong address, port or meta_addr."""
    rows.write()
    rows.assert_kept()


@pytest.mark.parametrize(("name", "unit", "user"), UNITS)
def test_each_daemon_runs_for_good_and_in_its_sandbox(name: str, unit: str, user: str, on: Callable[[str], Any]) -> None:
    """Breaks when a unit isn't enabled, loses its sandbox, runs as root, or its files can be read by everybody."""
    host = on(name)
    assert host.service(unit).is_enabled and host.service(unit).is_running
    pid = host.check_output("systemctl show --property=MainPID --value %s", unit)
    assert host.check_output("stat -c %%U /proc/%s", pid) == user
    said = host.check_output("systemd-analyze security --no-pager %s", unit).splitlines()[-1]
    assert float(said.split(":")[1].split()[0]) < EXPOSURE, said
    config = host.file("/opt/%s/current/%s" % (unit, CONFIGS[unit]))
    folder = host.file(host.check_output("readlink -f /opt/%s/current", unit))
    log = host.file("/var/log/%s/%s.log" % (unit, unit))
    assert (config.user, config.group, oct(config.mode)) == ("root", user, "0o640")
    assert (folder.user, folder.group, oct(folder.mode)) == ("root", user, "0o750")
    assert (log.user, log.group, oct(log.mode)) == ("root", user, "0o640")

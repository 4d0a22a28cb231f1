"""What happens without any playbook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Processes

from tests.support.cluster import Cluster, until
from tests.support.rows import Rows


@pytest.mark.parametrize(("host", "unit"), [("db3", "horaedb"), (None, "horaemeta"), ("db1", "horaedb-meta-proxy")])
def test_a_killed_process_comes_back_by_itself(
    cluster: Cluster, rows: Rows, on: Callable[[str], Any], processes: Callable[[], Processes], host: str | None, unit: str
) -> None:
    """Breaks when a unit doesn't restart at once: after 10 s a static cluster has forgotten the shards of a data node."""
    rows.write()
    name = host or cluster.leader()
    view, before = cluster.assert_whole(), processes()[name, unit]
    on(name).check_output("kill -9 %s", str(before.pid))
    until(lambda: _still(before.pid, on(name), unit), 5)
    assert cluster.assert_whole(timeout=30) == view
    rows.assert_kept()
    assert processes()[name, unit].generation == before.generation


def _still(old: int, host: Any, unit: str) -> str | None:
    pid = int(host.check_output("systemctl show --property=MainPID --value %s", unit))
    return "%s has not been started again" % unit if pid in (0, old) else None

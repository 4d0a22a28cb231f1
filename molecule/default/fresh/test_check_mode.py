"""Before anything is deployed; prepare.yml runs this."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import fingerprint, playbook
from tests.support.cluster import Cluster


def test_check_mode_on_fresh_hosts_foresees_everything_and_does_nothing(inventory: Path, cluster: Cluster, on: Callable[[str], Any]) -> None:
    """Breaks when a task can't run, or acts, in check mode while nothing of what it builds on is there yet."""
    hosts = {name: on(name) for name in (*cluster.members, *cluster.nodes)}
    before = fingerprint.take(hosts)
    run = playbook.run("site.yml", inventory, "--check", "--diff")
    assert run.rc == 0, run.output
    assert all(run.recap[host]["changed"] for host in hosts), "nothing is foreseen on some host:\n" + run.output
    assert "horaemeta.toml" in run.output and "horaedb.toml" in run.output, "no diff of the configurations:\n" + run.output
    assert fingerprint.differences(before, fingerprint.take(hosts)) == []

"""A secret in every place that takes one (molecule.yml): it is seen by root and the daemon, and by nobody else.

What a deployment says, however much is shown, is looked at where one happens (test_apart.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import canary, playbook
from tests.support.cluster import Cluster
from tests.support.playbook import ROOT


@pytest.mark.parametrize(("host", "daemon"), [("one", "horaedb"), ("one", "horaemeta"), ("data", "horaedb"), ("meta", "horaemeta")])
def test_only_root_and_the_service_can_read_it_on_the_host(on: Callable[[str], Any], host: str, daemon: str) -> None:
    """Breaks with a file that others can read, an argument of a process, a line in the journal, an environment that isn't the daemon's alone."""
    assert any(path.startswith("/opt/%s/" % daemon) for path in canary.holders(on(host))), "nothing was planted, so this proves nothing"
    assert canary.leaks_on(on(host)) == []


def test_a_foreseen_change_shows_neither_the_old_secret_nor_the_new_one(inventory: Path, on: Callable[[str], Any]) -> None:
    """Breaks when a diff shows what it compares, or what is sent to a host for it is noted there."""
    run = playbook.run("site.yml", inventory, "-vvv", "--diff", "--check", variables=canary.CHANGED)
    assert run.rc == 0, run.output
    assert "HORAE_TEST_PASSWORD" in run.output and "key_secret" in run.output, "no diff of the files with secrets"
    assert canary.leaks("the output", run.output) == []
    assert canary.leaks_on(on("one")) == []


def test_neither_the_cluster_nor_the_controller_keeps_one(cluster: Cluster) -> None:
    """Breaks when the record or the journal of an operation, or a figure of a test run, holds what was deployed."""
    assert canary.leaks_in_etcd(cluster.members["one"]) == []
    assert canary.leaks_below(ROOT / "build" / "figures") == []

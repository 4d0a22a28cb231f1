"""On fresh hosts: every rule of the guard broken once, every input that is refused, and no host touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import ASKED, FRESH, STALE_DATA, STATIC, UNREACHABLE, WARNED, Case
from conftest import Hosts
from refusal import assert_named, assert_refused, assert_said, run

from lab import network
from tests.support import fingerprint
from tests.support.site import Site


@pytest.fixture(scope="module", autouse=True)
def untouched(hosts: Hosts) -> Iterator[None]:
    """All tests of this file together leave every host as it was: files with their times and contents, users, processes, ports."""
    before = fingerprint.take(hosts)
    yield
    assert not (differences := fingerprint.differences(before, fingerprint.take(hosts))), "\n".join(differences)


@pytest.mark.parametrize("case", STATIC, ids=str)
def test_an_inventory_that_cannot_work_is_refused(case: Case, site: Site) -> None:
    """Breaks when a rule finds nothing, keeps a value or the variable to itself, or is judged after a module ran on a host."""
    ended = run(site, case)
    assert_refused(ended, case, site)
    assert not ended.executions


@pytest.mark.parametrize("case", ASKED, ids=str)
def test_a_host_that_cannot_be_deployed_to_is_refused(case: Case, site: Site) -> None:
    """Breaks when a host without Python, rights or a recent systemd is only found out halfway through a deployment."""
    ended = run(site, case)
    assert_refused(ended, case, site)
    assert not ended.executions


@pytest.mark.parametrize("case", FRESH, ids=str)
def test_what_the_hosts_say_together_is_refused(case: Case, site: Site) -> None:
    """Breaks when what the hosts say of themselves is not held against the inventory."""
    ended = run(site, case)
    assert_refused(ended, case, site)
    assert {module for _host, module in ended.executions} == {"horaedb.cluster.operation"}


def test_data_nodes_that_hold_data_under_empty_members_are_refused(site: Site, hosts: Hosts) -> None:
    """Breaks when a HoraeMeta that starts from nothing may be put over the files of an earlier cluster."""
    hosts["db1"].check_output("mkdir -p /var/lib/horaedb/store && echo rows > /var/lib/horaedb/store/1.sst")
    try:
        ended = site.run()
    finally:
        hosts["db1"].check_output("rm -r /var/lib/horaedb")
    assert_refused(ended, STALE_DATA, site)


def test_a_host_that_cannot_be_reached_stops_the_run_for_all(site: Site, container_of: dict[str, str]) -> None:
    """Breaks when the reachable hosts are deployed to while one is missing."""
    network.cut(container_of["db3"])
    try:
        # A connection of its own: one that is open already would be found dead only after 15 s.
        ended = site.run(hosts={"db3": {"ansible_control_path_dir": "/nowhere", "ansible_ssh_args": "-o ControlMaster=no"}})
    finally:
        network.heal(container_of["db3"])
    assert_refused(ended, UNREACHABLE, site)
    assert ended.recap["db3"]["unreachable"] == 1
    assert not ended.executions


def test_an_inventory_without_the_groups_is_not_taken_for_a_success(site: Site) -> None:
    """Breaks when nothing is deployed anywhere and the run ends well, or in an error about templates."""
    ended = site.run(groups={"horaemeta": [], "horaedb": []})
    assert ended.rc != 0
    assert_said(ended, ["no host of the groups horaemeta and horaedb", "inventory"])


def test_what_is_only_unwise_is_said_and_not_refused(site: Site) -> None:
    """Breaks when a warning is kept back, or becomes a refusal."""
    both = {"everywhere": {}, "hosts": {}, "groups": {}}
    for case in WARNED:
        for name, merged in both.items():
            merged.update(getattr(case, name))
    ended = site.run("--check", **both)  # type: ignore[arg-type]
    assert ended.rc == 0
    for case in WARNED:
        assert_named(ended, case, site)


def test_a_controller_without_tomli_w_is_told_what_to_install(site: Site, tmp_path: Path) -> None:
    """Breaks when a missing library shows up as a traceback, or after a host was changed."""
    (tmp_path / "tomli_w.py").write_text("raise ModuleNotFoundError('No module named tomli_w', name='tomli_w')\n")
    ended = site.run(prefix=["env", "PYTHONPATH=%s" % tmp_path])
    assert ended.rc != 0
    assert_said(ended, ["tomli-w", "pip install"])

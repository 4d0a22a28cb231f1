"""The published collection in somebody else's hands. The tests run in the order of this file: fresh hosts, then deployed ones."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import fingerprint
from tests.support.cluster import Cluster, until
from tests.support.rows import Rows
from tests.support.services import process

KEEPERS = ("keeper1", "keeper2", "keeper3")
STORES = ("store1", "store2")
DAEMONS = {**dict.fromkeys(KEEPERS, ("horaemeta", "horaedb-shard-keeper")), **dict.fromkeys(STORES, ("horaedb-meta-proxy", "horaedb"))}


@pytest.fixture(scope="module")
def theirs(repository: Any) -> Cluster:
    return Cluster.of(repository.folder / "hosts.json", "tsdb_meta", "tsdb_data")


def test_the_archive_holds_what_operators_use_and_nothing_else(repository: Any) -> None:
    """Breaks when build_ignore of galaxy.yml forgets a folder for developers, or hides one that operators need."""
    with tarfile.open(repository.archive) as archive:
        members = archive.getmembers()
    tops = {member.name.split("/")[0] for member in members}
    assert tops <= {
        "CHANGELOG.rst",
        "CODE_OF_CONDUCT.md",
        "CONTRIBUTING.md",
        "FILES.json",
        "LICENSE",
        "LICENSES",
        "MANIFEST.json",
        "README.md",
        "REUSE.toml",
        "SECURITY.md",
        "ansible.cfg",
        "bindep.txt",
        "changelogs",
        "docs",
        "inventories",
        "meta",
        "playbooks",
        "plugins",
        "requirements.txt",
        "roles",
        "site.yml",
    }
    assert {"playbooks", "plugins", "roles", "meta", "docs"} <= tops
    assert [member.name for member in members if member.issym() or member.islnk() or "__pycache__" in member.name] == []
    assert "inventories/lab" not in {member.name for member in members}


def test_the_guard_is_a_module_for_their_own_playbooks(repository: Any, theirs: Cluster) -> None:
    """Breaks when topology_check goes by our groups instead of the hosts that it is given, or needs a connection to them."""
    run = repository.run("check.yml", {"horaemeta_default_cluster_node_count": 1})
    assert run.rc == 0, run.output
    topology = json.loads((repository.folder / "topology.json").read_text())
    assert [member["address"] for member in topology["members"]] == list(theirs.members.values())
    assert [node["address"] for node in topology["nodes"]] == [theirs.nodes["store1"]]
    refused = repository.run("check.yml", {"horaemeta_default_cluster_node_count": 5})
    assert refused.rc != 0, refused.output
    assert "count.static" in refused.output


@pytest.fixture(scope="module")
def fresh(on: Callable[[str], Any]) -> fingerprint.Fingerprint:
    return fingerprint.take({host: on(host) for host in DAEMONS})


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("role", ["horaemeta", "meta_proxy", "horaedb"])
def test_a_role_alone_refuses_a_wrong_node_count(repository: Any, role: str) -> None:
    """Breaks when a role trusts the playbook around it, and a cluster with an empty node, or with no shard at all, comes of it."""
    run = repository.run("role.yml", {"role": role, "horaemeta_default_cluster_node_count": 3})
    assert run.rc != 0, run.output
    assert "count.static" in run.output and "horaemeta_default_cluster_node_count to 2" in run.output, run.output


def test_what_was_refused_has_touched_nothing(on: Callable[[str], Any], fresh: fingerprint.Fingerprint) -> None:
    """Breaks when a role does anything before it has been judged."""
    assert fingerprint.differences(fresh, fingerprint.take({host: on(host) for host in DAEMONS})) == []


def test_their_playbook_deploys_within_the_budget(repository: Any, theirs: Cluster) -> None:
    """Breaks when a role needs site.yml, our ansible.cfg, our group names, or more than three executions per host and daemon."""
    run = repository.run("deploy.yml")
    assert run.rc == 0, run.output
    daemons = Counter({host: count for (host, module), count in run.executions.items() if module == "horaedb.cluster.daemon"})
    for host, names in DAEMONS.items():
        assert len(names) <= daemons[host] <= 3 * len(names), run.executions
    others = {module for _host, module in run.executions} - {"horaedb.cluster.daemon"}
    assert others <= {"ansible.legacy.setup", "horaedb.cluster.cluster_info"}, run.executions
    # The roles alone have no gate at their end.
    until(theirs.problem, 30)
    rows = Rows(theirs)
    rows.write()
    rows.assert_kept()


def test_their_playbook_again_changes_nothing(repository: Any) -> None:
    """Breaks when a role alone is not idempotent."""
    run = repository.run("deploy.yml")
    assert (run.rc, run.changed) == (0, 0), run.output


def test_site_from_the_installed_collection_finds_nothing_to_do(repository: Any, theirs: Cluster, on: Callable[[str], Any]) -> None:
    """Breaks when the roles alone make another cluster than site.yml, or when site.yml can't be run by its name."""
    before = {(host, name): process(on(host), name) for host, names in DAEMONS.items() for name in names}
    with pytest.raises(KeyError):
        theirs.record()
    site = ("horaedb.cluster.site", None, "--inventory", "our_groups.json", "--extra-vars", "@tsdb.yml")
    run = repository.run(*site)
    assert run.rc == 0, run.output
    assert run.changed == 1, "only the record is new:\n" + run.output
    assert {key: process(on(key[0]), key[1]) for key in before} == before
    theirs.assert_whole()
    again = repository.run(*site)
    assert (again.rc, again.changed) == (0, 0), again.output

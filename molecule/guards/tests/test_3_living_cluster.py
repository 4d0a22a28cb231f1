"""A living cluster: what can't be changed is refused, what can't be used is refused, and nothing is restarted."""

from __future__ import annotations

import base64
import functools
import http.server
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cases import DOWNTIME, LIVING, NO_FILE, Case
from conftest import Hosts
from refusal import assert_refused, assert_said, run

from tests.support import fingerprint
from tests.support.cluster import Cluster
from tests.support.site import Site
from tests.support.traffic import post


@pytest.fixture(scope="module", autouse=True)
def untouched(site: Site, hosts: Hosts, cluster: Cluster) -> Iterator[None]:
    """All tests of this file together leave every file, process and shard as it was."""
    site.deploy()
    view = cluster.assert_whole()
    before = fingerprint.take(hosts, fingerprint.LIVING)
    yield
    assert not (differences := fingerprint.differences(before, fingerprint.take(hosts, fingerprint.LIVING))), "\n".join(differences)
    assert site.deploy().changed == 0
    assert cluster.assert_whole() == view


@pytest.mark.parametrize("case", LIVING, ids=str)
def test_what_a_living_cluster_can_not_become_is_refused(case: Case, site: Site) -> None:
    """Breaks when site.yml reports success for a change that HoraeMeta ignores, or that would leave a node or a member out."""
    ended = run(site, case)
    assert_refused(ended, case, site)
    # One look that takes the lock, and one that lets go of it again.
    assert Counter(ended.executions.values()) == Counter([2]) and {module for _host, module in ended.executions} == {"horaedb.cluster.operation"}


def test_another_data_directory_of_members_that_live_is_refused_after_a_second_look(site: Site) -> None:
    """Breaks when the second look, which is for what a dead run has started meanwhile, is taken for an answer whatever it sees."""
    ended = site.run(everywhere={"horaemeta_data_dir": "/var/lib/elsewhere"})
    assert ended.rc != 0
    assert_said(ended, ["[live.member-empty]", "meta1", "/var/lib/elsewhere/etcd is empty"])


def test_groups_of_other_names_are_the_same_cluster(site: Site) -> None:
    """Breaks when plays of site.yml have no host, or take hosts for new ones, because the inventory calls its groups otherwise."""
    groups = {"horaemeta": [], "horaedb": [], "tsdb_meta": site.group("horaemeta"), "tsdb_data": site.group("horaedb")}
    ended = site.run(everywhere={"horaemeta_group": "tsdb_meta", "horaedb_group": "tsdb_data"}, groups=groups)
    assert (ended.rc, ended.changed) == (0, 0)
    assert {*groups["tsdb_meta"], *groups["tsdb_data"]} <= set(ended.recap)


def test_a_planned_downtime_is_not_ended_by_the_way(site: Site, cluster: Cluster) -> None:
    """Breaks when site.yml starts a data node that somebody has taken out, under their hands."""
    etcd = "http://%s:2379/v3/kv/" % next(iter(cluster.members.values()))
    key = {"key": base64.b64encode(b"/ansible/horaedb.cluster/defaultCluster/downtimes").decode()}
    note = b'{"db2": {"since": "2026-11-24T10:00:00Z", "who": "ann"}}'
    post(etcd + "put", {**key, "value": base64.b64encode(note).decode()})
    try:
        ended = run(site, DOWNTIME)
    finally:
        post(etcd + "deleterange", key)
    assert_refused(ended, DOWNTIME, site)


@pytest.fixture(scope="module")
def downloads(binaries: Path) -> Iterator[str]:
    """The address of a web server that has the broken builds, and nothing else."""
    handler = functools.partial(_Quiet, directory=str(binaries))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "http://127.0.0.1:%d" % server.server_port
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        pytest.param({"horaedb_binary": "{url}/missing", "horaedb_checksum": NO_FILE}, ["horaedb_binary", "/missing", "404"], id="URL 404"),
        pytest.param(
            {"horaedb_binary": "{url}/badglibc/horaedb-server", "horaedb_checksum": NO_FILE},
            ["/badglibc/horaedb-server", "horaedb_checksum", NO_FILE],
            id="another file behind the URL",
        ),
        pytest.param(
            {"horaedb_binary": "http://127.0.0.1:1/server", "horaedb_checksum": NO_FILE},
            ["horaedb_binary", "http://127.0.0.1:1/", "refused"],
            id="nobody answers",
        ),
    ],
)
def test_a_new_binary_that_can_not_be_had_reaches_no_host(
    variables: dict[str, str], says: Sequence[str], site: Site, downloads: str
) -> None:
    """Breaks when it is fetched only where a host lacks it, and hosts are changed before that."""
    ended = site.run(everywhere={name: value.format(url=downloads) for name, value in variables.items()})
    assert ended.rc != 0 and "no host has been touched" in ended.output
    assert_said(ended, ["[artifact.binary]", *says])


def test_a_new_binary_that_can_not_be_used_leaves_the_old_one(site: Site, binaries: Path) -> None:
    """Breaks when the old binary goes before the new one is known to run, or when one host's trouble restarts others."""
    ended = site.run(everywhere={"horaedb_binary": str(binaries / "badglibc" / "horaedb-server")})
    assert ended.rc != 0
    assert_said(ended, ["doesn't run on this host", "GLIBC_2.35", "built for a newer system"])
    assert all(ended.recap[node]["failed"] == 1 for node in site.group("horaedb"))

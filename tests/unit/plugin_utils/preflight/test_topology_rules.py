"""One change to a good inventory: exactly these rules, hosts and words."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Finding, errors
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import registry

from tests.unit.helpers.model_inventory import Case, check
from tests.unit.plugin_utils.preflight.placement_cases import STANDALONE
from tests.unit.plugin_utils.preflight.static_cases import ACCEPTED, CASES, UNREADABLE

WARNINGS = {rule.id for rule in registry.RULES if rule.severity == WARNING}


def judged(case: Case) -> list[Finding]:
    built = case.built()
    return built.explained(built.unreadable or registry.findings(registry.TOPOLOGY, built.topology))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_refused(case: Case) -> None:
    check(judged(case), case.found, case.words)


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_accepted(case: Case) -> None:
    assert [finding.sentence() for finding in judged(case)] == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_only_warnings_let_the_run_go_on(case: Case) -> None:
    assert {finding.rule for finding in judged(case)} - {finding.rule for finding in errors(judged(case))} == set(case.found) & WARNINGS


@pytest.mark.parametrize("case", UNREADABLE, ids=str)
def test_an_unreadable_value_breaks_no_other_rule(case: Case) -> None:
    """The rules are not asked then, but a caller that does ask them gets findings and no exception."""
    registry.findings(registry.TOPOLOGY, case.built().topology)


def test_every_finding_at_once() -> None:
    found = judged(
        Case(
            "three mistakes",
            {},
            members={"*": {"horaemeta_default_cluster_node_count": 2}, "meta3": {"horaemeta_data_dir": "/tmp/x"}},
            nodes={"db2": {"horaedb_server_addr": "0.0.0.0"}},
        )
    )
    assert {finding.rule for finding in found} == {"count.static", "paths.temporary", "identity.address"}


def test_loopback_is_for_one_host_only() -> None:
    two_hosts = Case("two hosts", {}, start=({"meta": {"ansible_host": "127.0.0.1"}}, {"db": {"ansible_host": "192.0.2.21"}}))
    check(judged(two_hosts), {"members.advertise": {"meta"}}, ["'http://127.0.0.1:2379'", "horaemeta_address"])
    assert judged(Case("one host", {}, start=STANDALONE, nodes={"one": {"horaedb_server_addr": "localhost"}})) == []

"""The inventory against a living cluster and the hosts' disks: exactly these rules, hosts and words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import errors
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import registry
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.live_rules import overtaken

from tests.unit.helpers.model_inventory import Case, check
from tests.unit.plugin_utils.preflight.live_cases import ACCEPTED, CASES, LiveCase, living, state


@pytest.mark.parametrize("case", CASES, ids=str)
def test_refused(case: LiveCase) -> None:
    found = case.judged()
    check(found, case.found, case.words)
    assert errors(found) == found


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_accepted(case: LiveCase) -> None:
    assert [finding.sentence() for finding in case.judged()] == []


def test_the_same_is_found_in_an_observation_that_came_through_json() -> None:
    for case in CASES:
        built = Case(case.name, {}, members=case.members, nodes=case.nodes).built()
        travelled = Observation.from_dict(case.see(living()).to_dict())
        assert registry.findings(registry.LIVING, built.topology, travelled, case.states) == case.judged()


def test_both_daemons_on_one_host_are_not_two_machines() -> None:
    """One inventory name in both groups has one state; nothing about it is said twice."""
    one = {"one": {"ansible_host": "192.0.2.10"}}
    built = Case("standalone", {}, start=(one, one)).built()
    down = Observation((), ())
    assert registry.findings(registry.LIVING, built.topology, down, {"one": state("one", member_holds=False)}) == []
    lost = registry.findings(registry.LIVING, built.topology, down, {"one": state("one", member_holds=False, node_holds=True)})
    check(lost, {"data.members-empty": {"one"}}, ["one"])


def test_an_empty_directory_under_a_member_that_answers_is_looked_at_again() -> None:
    """Breaks when a member that a dead run's module started between the two looks is taken for one that lost its disk; or one that is gone for it."""
    [case] = [case for case in CASES if case.name == "a living cluster's member lost its disk"]
    found = case.judged()
    seen = case.see(living())
    assert [finding.hosts for finding in overtaken(found, seen)] == [("meta2",)]
    gone = replace(seen, members=tuple(replace(member, etcd_healthy=member.host != "meta2") for member in seen.members))
    assert overtaken(found, gone) == []
    assert overtaken([replace(finding, rule="live.member-added") for finding in found], seen) == []

"""The inventory against a living cluster and the hosts' disks: exactly these rules, hosts and words."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.findings import errors
from ansible_collections.horaedb.cluster.plugins.module_utils.live_rules import problems
from ansible_collections.horaedb.cluster.plugins.module_utils.observation import Observation
from live_cases import ACCEPTED, CASES, LiveCase, living, state
from model_inventory import Case, check


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
        assert problems(built.topology, travelled, case.states) == case.judged()


def test_both_daemons_on_one_host_are_not_two_machines() -> None:
    """One inventory name in both groups has one state; nothing about it is said twice."""
    one = {"one": {"ansible_host": "192.0.2.10"}}
    built = Case("standalone", {}, start=(one, one)).built()
    down = Observation((), ())
    assert problems(built.topology, down, {"one": state("one", member_holds=False)}) == []
    lost = problems(built.topology, down, {"one": state("one", member_holds=False, node_holds=True)})
    check(lost, {"data.members-empty": {"one"}}, ["one"])

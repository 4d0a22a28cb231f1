"""Whose the storage is: every rule broken on its own account, and what must be let through."""

from __future__ import annotations

import ast
import pathlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Finding, Rule
from ansible_collections.horaedb.cluster.plugins.module_utils.storage import directory_checks, object_store_checks, wal_checks
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import registry, storage_rules
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.storage_rules import Looked, claim, remote_hosts, reported

ROOT = pathlib.Path(__file__).resolve().parents[4]
sys.path.append(str(ROOT / "tests" / "unit" / "model"))

from tests.unit.helpers.model_inventory import MEMBERS, NODES, good  # noqa: E402
from tests.unit.plugin_utils.preflight.live_cases import living, silent, states  # noqa: E402

TOPOLOGY = good()
PLACE = "horaedb/production"
STORE = "S3 https://s3.example.com " + PLACE
EMPTY = {"store": STORE, "wal": "Kafka k:9092", "holds": False, "owner": None, "topics": [], "offset": 0.0, "findings": []}
NEW = {**states(*MEMBERS, member_holds=False), **states(*NODES, node_holds=False)}


def looked(seen: Any = None, hosts: Any = None, taken: str = "", **found: Any) -> Looked:
    """A cluster of which nothing is there yet, unless `seen` and `hosts` say otherwise; all nodes found the same."""
    there = silent(living()) if seen is None else seen
    return Looked(TOPOLOGY, there, NEW if hosts is None else hosts, {host: {**EMPTY, **found} for host in NODES}, taken)


def mark(look: Looked) -> dict[str, Any]:
    written = claim(look)
    assert written is not None
    return written


OURS = mark(looked())
OTHERS = {"cluster": "defaultCluster", "members": {"http://198.51.100.1:2380": "0123456789abcdef"}}
# The same private addresses on other machines, as behind another NAT.
TWINS = dict(OURS, members=dict.fromkeys(OURS["members"], "0123456789abcdef"))
TOPICS = ["manifest_data_0", "manifest_meta_0", "wal_data_0", "wal_data_1", "wal_meta_0"]


def nobody_yet() -> Any:
    """Members that lead, and no data node has come yet: a role that is used alone."""
    seen = living()
    return replace(seen, cluster=replace(seen.cluster, view={}, record=None))


@dataclass(frozen=True)
class Case:
    name: str
    look: Looked
    rules: Sequence[str] = ()
    words: Sequence[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.name


FOUND = Finding("store.bucket", (), "no bucket.", "Make it.").to_dict()
DB1 = {host: {**EMPTY, "findings": [FOUND] if host == "db1" else []} for host in NODES}

REFUSED = [
    Case("all nodes found the same", looked(findings=[FOUND]), ["store.bucket"], ["db1, db2, db3: no bucket. Make it."]),
    Case("one node found it", replace(looked(), tried=DB1), ["store.bucket"], ["db1: no bucket."]),
    Case(
        "another prefix on one node",
        replace(looked(), tried={**looked().tried, "db2": {**EMPTY, "store": STORE + "2"}}),
        ["store.differs"],
        ["%s on db1, db3" % STORE, "%s2 on db2" % STORE, "horaedb_object_store"],
    ),
    Case("other brokers on one node", replace(looked(), tried={**looked().tried, "db2": {**EMPTY, "wal": "Kafka j:9092"}}), ["wal.differs"], ["horaedb_wal"]),
    Case("another cluster's mark", looked(owner=OTHERS), ["store.foreign"], [PLACE, "http://198.51.100.1:2380", "-e horaedb_cluster_take_storage=%s." % PLACE]),
    Case("its mark, and it lives", looked(living(), owner=OTHERS, holds=True), ["store.foreign"]),
    Case("its mark, and other brokers are taken over", looked(owner=OTHERS, taken="other/place"), ["store.foreign"]),
    Case("the same addresses on other machines", looked(owner=TWINS), ["store.foreign"], ["http://192.0.2.11:2380"]),
    Case("another name", looked(owner=dict(OURS, cluster="mine")), ["store.foreign"], ["cluster mine"]),
    Case("a mark that can't be read", looked(owner={"cluster": "?", "members": {}}), ["store.foreign"], ["members that it doesn't tell"]),
    Case("objects without a mark", looked(holds=True), ["store.used"], ["the cluster is new", PLACE, "-e horaedb_cluster_take_storage=%s." % PLACE]),
    Case("objects without a mark, under members alone", looked(nobody_yet(), holds=True), ["store.used"]),
    Case("its own objects under empty members", looked(owner=OURS, holds=True), ["store.members-empty"], ["meta1, meta2, meta3", "objects", "snapshot"]),
    Case("its own topics under empty members", looked(owner=OURS, topics=TOPICS), ["store.members-empty"], ["has topics", PLACE + "/.horaedb-cluster-owner"]),
    Case("topics of a HoraeDB", looked(topics=TOPICS), ["wal.topics"], ["manifest_data_0", "and 1 more", "boost_brokers", "kafka-topics.sh"]),
    Case("topics under members alone", looked(nobody_yet(), topics=TOPICS[:1]), ["wal.topics"], ["(manifest_data_0)"]),
    Case("topics beside another's mark", looked(topics=TOPICS, owner=OTHERS), ["store.foreign", "wal.topics"]),
    Case(
        "a clock that is late",
        replace(looked(), tried={**looked().tried, "db2": {**EMPTY, "offset": -12.4}}),
        ["clock.apart"],
        ["+12 s on db1, db3; +0 s on db2", "time service"],
    ),
]

LET_THROUGH = [
    Case("nothing there yet", looked()),
    Case("its own mark, made by a run that was interrupted", looked(owner=OURS)),
    Case("its own mark and data, and it lives", looked(living(), owner=OURS, holds=True, topics=TOPICS)),
    Case("a living cluster from before there were marks", looked(living(), holds=True, topics=TOPICS)),
    Case("a cluster that is down", looked(hosts={**NEW, **states(*MEMBERS)}, owner=OURS, holds=True, topics=TOPICS)),
    Case("a cluster that is down, seen by one node", looked(hosts=states("db1"), holds=True, topics=TOPICS)),
    Case("members alone, after site.yml was interrupted", looked(nobody_yet(), owner=OURS, holds=True, topics=TOPICS)),
    Case("taken over from another", looked(owner=OTHERS, taken=PLACE)),
    Case("objects that may go", looked(holds=True, taken=PLACE)),
    Case("one member was replaced", looked(living(), owner=dict(OURS, members=dict(list(OURS["members"].items())[:1])), holds=True)),
    Case("the mark knows no machines, as with --limit", looked(living(), owner=dict(OURS, members=dict.fromkeys(OURS["members"], "")))),
    Case("no object store to mark", looked(store="", holds=None)),
    Case("no topics to see", looked(topics=None)),
    Case("clocks that are a little apart", replace(looked(), tried={**looked().tried, "db2": {**EMPTY, "offset": 9.0}})),
]


def problems(look: Looked) -> list[Finding]:
    return reported(look) + registry.findings(registry.STORAGE, look)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refused(case: Case) -> None:
    found = problems(case.look)
    assert [finding.rule for finding in found] == list(case.rules)
    assert not [word for word in case.words if word not in found[0].sentence()], found[0].sentence()
    assert found[0].hosts
    assert (found[0].severity == WARNING) == (found[0].rule == "clock.apart")


@pytest.mark.parametrize("case", LET_THROUGH, ids=str)
def test_let_through(case: Case) -> None:
    assert problems(case.look) == []


@pytest.mark.parametrize("rule", registry.STORAGE, ids=lambda rule: rule.id)
def test_the_table_misses_each_rule(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard without one of its rules must fail its rows."""
    own = {case.name for case in REFUSED if rule(case.look)}
    monkeypatch.setattr(registry, "STORAGE", tuple(other for other in registry.STORAGE if other is not rule))
    assert own
    assert {case.name for case in REFUSED if [finding.rule for finding in problems(case.look)] != list(case.rules)} == own


def test_what_is_marked() -> None:
    """Breaks when a mark isn't written where one is missing, is written again, or where there is nothing to mark."""
    assert OURS["cluster"] == "defaultCluster" and sorted(OURS["members"]) == sorted(member.peer_url for member in TOPOLOGY.members)
    # The machine ids themselves aren't for everybody to read.
    assert not any(state.machine in str(OURS) for state in NEW.values())
    assert claim(looked(owner=OURS)) is None
    assert claim(looked(store="", holds=None)) is None
    assert claim(looked(owner=OTHERS, taken=PLACE)) == OURS
    # A host that this run doesn't see keeps what the mark says of it.
    assert claim(looked(living(), hosts=states("db1"), owner=OURS)) is None
    fewer = dict(OURS, members=dict(list(OURS["members"].items())[:2]))
    assert mark(looked(living(), owner=fewer)) == OURS


def test_who_has_remote_storage() -> None:
    assert remote_hosts(TOPOLOGY) == []
    stores: Mapping[str, tuple[str, str]] = {"db1": ("S3", "Local"), "db2": ("Local", "RocksDB"), "db3": ("Local", "Kafka")}
    nodes = tuple(replace(node, store=stores[node.host][0], wal=stores[node.host][1]) for node in TOPOLOGY.nodes)
    assert remote_hosts(replace(TOPOLOGY, nodes=nodes)) == ["db1", "db3"]


RULE_ID = re.compile(r"(store|wal|disk|clock)\.[a-z]+(-[a-z]+)*")


def known_ids() -> set[str]:
    found = set()
    for module in (storage_rules, object_store_checks, wal_checks, directory_checks):
        for node in ast.walk(ast.parse(pathlib.Path(str(module.__file__)).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and RULE_ID.fullmatch(node.value):
                found.add(node.value)
    return found


def test_every_finding_is_explained_to_operators_once() -> None:
    """Breaks when a finding is added, or renamed, and docs/storage.md doesn't tell."""
    text = (ROOT / "docs" / "storage.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z.-]+)` \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(known_ids())
    assert len(rows) > 25


def test_every_finding_is_seen_by_a_test_of_its_own() -> None:
    folder = ROOT / "tests" / "unit"
    paths = [pathlib.Path(__file__), *(folder / "module_utils" / "storage").glob("test_*.py"), folder / "modules" / "test_storage_check.py"]
    tests = "".join(path.read_text(encoding="utf-8") for path in paths)
    assert {rule for rule in known_ids() if '"%s"' % rule not in tests} == set()

"""Inventories for tests: the roles' real defaults, and one change to them at a time."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Finding
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.cluster_model import Built, build
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import MEMBER_ROLES, NODE_ROLES, defaults

# Inventory host -> variables. None instead of variables takes the host out; "*" means every host.
Changes = Mapping[str, Optional[Mapping[str, Any]]]

MEMBERS = {"meta%d" % n: {"ansible_host": "192.0.2.1%d" % n} for n in (1, 2, 3)}
NODES = {"db%d" % n: {"ansible_host": "192.0.2.2%d" % n} for n in (1, 2, 3)}
ONE = {"one": {"ansible_host": "192.0.2.10"}}
META = frozenset(MEMBERS)
DB = frozenset(NODES)
CLUSTER: frozenset[str] = frozenset()

REMOTE = {
    "horaedb_object_store": {"type": "S3", "bucket": "b", "prefix": "p", "endpoint": "s3.example.com", "region": "r"},
    "horaedb_wal": {"type": "Kafka", "kafka": {"client": {"boost_brokers": ["kafka1.example.com:9092"]}}},
}


@dataclass(frozen=True)
class Case:
    """`changes` to a good inventory, and what has to be said of it: the hosts by rule, and words in ONE sentence of the first rule."""

    name: str
    found: Mapping[str, Iterable[str]]
    words: Sequence[str] = ()
    members: Changes = field(default_factory=dict)
    nodes: Changes = field(default_factory=dict)
    start: tuple[Changes, Changes] = (MEMBERS, NODES)

    def __str__(self) -> str:
        return self.name

    def built(self) -> Built:
        members, nodes = self.start
        return build(with_defaults(members, self.members, MEMBER_ROLES), with_defaults(nodes, self.nodes, NODE_ROLES))


def good() -> Topology:
    """Three members and three data nodes, everything else by default."""
    built = Case("good", {}).built()
    assert built.unreadable == []
    return built.topology


def with_defaults(start: Changes, changes: Changes, roles: Sequence[str]) -> dict[str, dict[str, Any]]:
    hosts = [
        host for host in {**start, **changes} if host != "*" and changes.get(host, {}) is not None and changes.get("*", {}) is not None
    ]
    base = {name: value for role in roles for name, value in defaults(role).items()}
    return {
        host: copy.deepcopy({**base, **(start.get(host) or {}), **(changes.get("*") or {}), **(changes.get(host) or {})}) for host in hosts
    }


def check(found: Sequence[Finding], hosts_by_rule: Mapping[str, Iterable[str]], words: Sequence[str]) -> None:
    """Exactly these rules, of exactly these hosts; the words stand together in one sentence of the first rule."""
    said: dict[str, set[str]] = {}
    for finding in found:
        said.setdefault(finding.rule, set()).update(finding.hosts)
    sentences = "\n".join(finding.sentence() for finding in found)
    assert said == {rule: set(hosts) for rule, hosts in hosts_by_rule.items()}, sentences
    if words:
        first = next(iter(hosts_by_rule))
        candidates = [finding.sentence() for finding in found if finding.rule == first]
        assert any(all(_has(sentence, word) for word in words) for sentence in candidates), (words, candidates)


def _has(sentence: str, word: str) -> bool:
    """As a word of its own: 3 is not in 30."""
    return re.search(r"(?<![\w.])%s(?!\w)" % re.escape(word), sentence) is not None

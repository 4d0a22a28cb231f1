# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What the data nodes found at their remote storage, judged together and against what lives: whose is it? Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Faults, Finding, by_value, rule
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.storage import owner_mark
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.object_store import OWNER
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import live_rules
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.host_state import HostState

# Seconds. Rows that a client sends without a time get the clock of the node that takes them.
CLOCKS_APART = 10

TAKE = "horaedb_cluster_take_storage"


def remote_hosts(topology: Topology) -> List[str]:
    """Inventory hosts of the data nodes that have anything outside of their own disk."""
    return [node.host for node in topology.nodes if node.store not in ("", "Local") or node.wal not in ("", "Local", "RocksDB")]


@dataclass(frozen=True)
class Looked:
    """`tried`: host -> what M(storage_check) returned as `storage`. `taken`: the place that the operator takes over, or empty."""

    topology: Topology
    seen: Observation
    states: Mapping[str, HostState]
    tried: Mapping[str, Mapping[str, Any]]
    taken: str = ""

    @property
    def machines(self) -> Dict[str, str]:
        """A machine id is not meant to leave its machine: a digest tells two apart as well."""
        seen = {host: state.machine for host, state in self.states.items() if state.machine}
        return {host: hashlib.sha256(machine.encode()).hexdigest()[:16] for host, machine in seen.items()}

    @property
    def fresh(self) -> bool:
        """Nothing lives, and every member's disk was seen to be empty: HoraeMeta would begin at zero."""
        members = self.topology.members
        seen = all(member.host in self.states and not self.states[member.host].member_holds for member in members)
        return bool(members) and seen and not live_rules.lives(self.seen)

    @property
    def new(self) -> bool:
        """No data node has ever been a part of it."""
        return self.fresh or (live_rules.lives(self.seen) and not live_rules.known_nodes(self.seen))

    def of(self, key: str) -> Any:
        """The first answer under this key that isn't None."""
        return next((one[key] for one in self.tried.values() if one.get(key) is not None), None)

    @property
    def owner(self) -> Optional[Mapping[str, Any]]:
        owner = self.of("owner")
        return owner if isinstance(owner, Mapping) else None

    @property
    def place(self) -> str:
        """Bucket and prefix."""
        return str(self.of("store") or "").rpartition(" ")[2]

    @property
    def ours(self) -> bool:
        return self.owner is not None and owner_mark.is_ours(self.topology, self.machines, self.owner)

    @property
    def take_over(self) -> str:
        return "or take it over, if nobody uses it any more, with -e %s=%s." % (TAKE, self.place)


def reported(looked: Looked) -> List[Finding]:
    """What the nodes found themselves, by the rules of module_utils/storage; what several of them say alike is said once."""
    hosts: Dict[Finding, List[str]] = {}
    for host, one in looked.tried.items():
        for said in one.get("findings", ()):
            hosts.setdefault(Finding(**dict(said, hosts=())), []).append(host)
    return [replace(finding, hosts=tuple(names)) for finding, names in hosts.items()]


@rule("store.differs")
def stores_differ(looked: Looked) -> Faults:
    yield from _differ(looked, "store", "horaedb_object_store", "object store")


@rule("wal.differs")
def wals_differ(looked: Looked) -> Faults:
    yield from _differ(looked, "wal", "horaedb_wal", "WAL")


def _differ(looked: Looked, key: str, variable: str, what: str) -> Faults:
    pairs = [(host, one[key]) for host, one in looked.tried.items() if one.get(key)]
    if len({place for _host, place in pairs}) > 1:
        yield (
            tuple(host for host, _place in pairs),
            "the data nodes have different places for the %s (%s); a shard that moves would not find its data." % (what, by_value(pairs)),
            "Give %s one value for all data nodes." % variable,
        )


@rule("store.foreign")
def foreign_store(looked: Looked) -> Faults:
    if looked.owner is None or looked.ours or looked.taken == looked.place:
        return
    yield (
        tuple(looked.tried),
        "%s belongs to another cluster: %s. Both would write the same object names." % (looked.place, owner_mark.described(looked.owner)),
        "Set horaedb_object_store.prefix (or bucket) to one of its own, %s" % looked.take_over,
    )


@rule("store.used")
def used_store(looked: Looked) -> Faults:
    if not looked.of("holds") or looked.owner is not None or not looked.new or looked.taken == looked.place:
        return
    yield (
        tuple(looked.tried),
        "the cluster is new, and there are objects in %s that carry no mark of a cluster; HoraeDB would write over them." % looked.place,
        "Set horaedb_object_store.prefix to an empty one, remove the objects, %s" % looked.take_over,
    )


@rule("store.members-empty")
def members_lost(looked: Looked) -> Faults:
    """Of remote storage what live_rules.members_lost says of local disks."""
    holds = [name for name, there in (("objects", looked.of("holds")), ("topics", looked.of("topics"))) if there]
    if not (looked.ours and looked.fresh and holds) or looked.taken == looked.place:
        return
    yield (
        tuple(member.host for member in looked.topology.members),
        "HoraeMeta's data directories are empty, while this cluster's storage (%s) has %s. A HoraeMeta that starts from nothing would overwrite them."
        % (looked.place, " and ".join(holds)),
        "Restore HoraeMeta from a snapshot (docs/operations.md). If the data may go, remove the objects below the prefix, with the object %s, "
        "and the WAL's topics." % (looked.place + "/" + OWNER),
    )


@rule("wal.topics")
def used_topics(looked: Looked) -> Faults:
    topics = looked.of("topics")
    if not topics or not looked.new or looked.ours:
        return
    shown = ", ".join(topics[:4]) + (" and %d more" % (len(topics) - 4) if len(topics) > 4 else "")
    yield (
        tuple(looked.tried),
        "the cluster is new, and the brokers have topics of a HoraeDB already (%s). Their names carry no cluster: two would write into the same ones."
        % shown,
        "Take other brokers with horaedb_wal.kafka.client.boost_brokers: each HoraeDB cluster needs its own. If no cluster uses them any more, "
        "delete them: kafka-topics.sh --bootstrap-server BROKER --delete --topic '(wal|manifest)_(data|meta)_[0-9]+'.",
    )


@rule("clock.apart", WARNING)
def clocks_apart(looked: Looked) -> Faults:
    offsets = {host: float(one["offset"]) for host, one in looked.tried.items() if one.get("offset") is not None}
    if not offsets or max(offsets.values()) - min(offsets.values()) <= CLOCKS_APART:
        return
    least = min(offsets.values())
    pairs: List[Tuple[str, object]] = [(host, "%+d s" % round(offset - least)) for host, offset in offsets.items()]
    yield (
        tuple(offsets),
        "the clocks of the data nodes differ (%s); rows get the time of the node that takes them." % by_value(pairs),
        "Run a time service on all of them (systemctl enable --now systemd-timesyncd, or chrony).",
    )


def claim(looked: Looked) -> Optional[Dict[str, Any]]:
    """The mark that has to be written once nothing is refused, or None: no remote object store, or the mark is there."""
    if looked.of("holds") is None:
        return None
    mark = owner_mark.mark_of(looked.topology, looked.machines, looked.owner if looked.ours else None)
    return None if mark == looked.owner else mark

"""What is refused because of what lives, or of what lies on the disks: one row per difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import EtcdMember
from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import ClusterEntry
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import (
    ClusterSeen,
    MemberSeen,
    NodeSeen,
    Observation,
)
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Finding
from ansible_collections.horaedb.cluster.plugins.module_utils.records.assignment import Assignment
from ansible_collections.horaedb.cluster.plugins.module_utils.records.downtime import Downtime
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import registry
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.host_state import HostState

from tests.unit.helpers.model_inventory import CLUSTER, DB, MEMBERS, META, NODES, REMOTE, Case, Changes, good

COUNT = "horaemeta_default_cluster_node_count"
# The inventory's addresses, in the order in which the shards were spread: 3 + 3 + 2.
DB1, DB2, DB3 = ("%s:8831" % NODES[host]["ansible_host"] for host in ("db1", "db2", "db3"))
VIEW = {shard: ((DB1, DB2, DB3)[shard % 3],) for shard in range(8)}
RECORD = Assignment("defaultCluster", "static", {shard: names[0] for shard, names in VIEW.items()}, (DB1, DB2, DB3))

See = Callable[[Observation], Observation]
States = Mapping[str, HostState]


def state(host: str, **values: Any) -> HostState:
    usual: dict[str, Any] = {
        "uid": 0,
        "machine": "machine-of-" + host,
        "boot": "boot-of-" + host,
        "systemd": 252,
        "python": (3, 11),
        "member_holds": host.startswith("meta"),
        "node_holds": host.startswith("db"),
    }
    return HostState(host=host, **{**usual, **values})


def states(*hosts: str, **values: Any) -> dict[str, HostState]:
    """Hosts that hold the data of their daemon, unless `values` say otherwise."""
    return {host: state(host, **values) for host in (hosts or (*MEMBERS, *NODES))}


def living() -> Observation:
    """Three members led by meta1, three nodes, a record: what the good inventory asks for."""
    topology = good()
    return Observation(
        members=tuple(MemberSeen(m.host, True, True, "meta1", "meta1", False) for m in topology.members),
        nodes=tuple(NodeSeen(n.host, True, True, True) for n in topology.nodes),
        leader="meta1",
        etcd_members=tuple(EtcdMember(i, m.name, False, (m.peer_url,), (m.client_url,)) for i, m in enumerate(topology.members)),
        cluster=ClusterSeen(
            names=("defaultCluster",),
            entry=ClusterEntry("defaultCluster", 3, 8, "static", 4294967295),
            view=VIEW,
            record=RECORD,
            record_revision=7,
        ),
    )


def silent(_seen: Observation) -> Observation:
    """Nothing answers: fresh hosts, or a cluster that is down."""
    return Observation(tuple(MemberSeen(host) for host in MEMBERS), tuple(NodeSeen(host) for host in NODES))


def same(seen: Observation) -> Observation:
    return seen


def entry(**values: Any) -> See:
    def see(seen: Observation) -> Observation:
        assert seen.cluster and seen.cluster.entry
        return replace(seen, cluster=replace(seen.cluster, entry=replace(seen.cluster.entry, **values)))

    return see


def cluster(**values: Any) -> See:
    def see(seen: Observation) -> Observation:
        assert seen.cluster
        return replace(seen, cluster=replace(seen.cluster, **values))

    return see


def both(first: See, second: See) -> See:
    return lambda seen: second(first(seen))


def listed(*changed: EtcdMember) -> See:
    """Entries of etcd's member list replaced or, with a new id, added."""

    def see(seen: Observation) -> Observation:
        by_id = {member.id: member for member in (*(seen.etcd_members or ()), *changed)}
        return replace(seen, etcd_members=tuple(by_id.values()))

    return see


def without(name: str) -> dict[int, tuple[str, ...]]:
    return {shard: names for shard, names in VIEW.items() if name not in names}


@dataclass(frozen=True)
class LiveCase:
    """A good living cluster, changed by `see`, under an inventory with changes, on hosts in these states."""

    name: str
    found: Mapping[str, Iterable[str]]
    words: Sequence[str] = ()
    see: See = same
    states: States = field(default_factory=states)
    members: Changes = field(default_factory=dict)
    nodes: Changes = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def judged(self) -> list[Finding]:
        built = Case(self.name, {}, members=self.members, nodes=self.nodes).built()
        assert built.unreadable == []
        return registry.findings(registry.LIVING, built.topology, self.see(living()), self.states)


DYNAMIC: Changes = {"*": {"horaemeta_topology_type": "dynamic"}}
DB4: Changes = {"db4": {"ansible_host": "192.0.2.24"}}

CASES = [
    LiveCase(
        "a planned downtime",
        {"live.downtime": ["db2"]},
        ["since 2026-11-24T10:00:00Z", "by ann", "downtime.yml -e horaedb_downtime=end --limit db2"],
        see=cluster(downtimes={"db2": Downtime("2026-11-24T10:00:00Z", "ann")}),
    ),
    LiveCase("another node count", {"live.node-count": CLUSTER}, ["2", "3", COUNT], see=entry(min_node_count=2)),
    LiveCase(
        "another shard total",
        {"live.shard-total": CLUSTER},
        ["8", "16", "horaemeta_default_cluster_shard_total"],
        members={"*": {"horaemeta_default_cluster_shard_total": 16}},
    ),
    LiveCase(
        "another topology type",
        {"live.topology-type": CLUSTER},
        ["static", "dynamic", "horaemeta_topology_type"],
        members=DYNAMIC,
        nodes={"*": REMOTE},
    ),
    LiveCase(
        "a repair that was cut off",
        {"live.topology-type": CLUSTER},
        ["a repair of forgotten shards was cut off", "playbooks/repair.yml", "Restart no member"],
        see=entry(topology_type="dynamic"),
    ),
    LiveCase(
        "dynamic, and no record says that it ever was static",
        {"live.topology-type": CLUSTER},
        ["dynamic", "static", "horaemeta_topology_type"],
        see=both(entry(topology_type="dynamic"), cluster(record=None)),
    ),
    LiveCase(
        "a node more, static",
        {"live.nodes-added": {"db4"}},
        ["192.0.2.24:8831", DB1, DB2, DB3, "horaedb"],
        members={"*": {COUNT: 3}},
        nodes=DB4,
    ),
    LiveCase(
        "a node more, static, no record but the view is whole",
        {"live.nodes-added": {"db4"}},
        ["192.0.2.24:8831", "forgotten"],
        see=cluster(record=None),
        members={"*": {COUNT: 3}},
        nodes=DB4,
    ),
    LiveCase(
        "a node more, static, and its count with it",
        {"live.nodes-added": {"db4"}, "live.node-count": CLUSTER},
        nodes=DB4,
    ),
    LiveCase(
        "a node more, static, while the record knows a forgotten one",
        {"live.nodes-added": {"db4"}},
        see=cluster(view=without(DB2)),
        members={"*": {COUNT: 3}},
        nodes=DB4,
    ),
    LiveCase(
        "a node less, static",
        {"live.nodes-removed": CLUSTER},
        [DB3, "horaedb_server_addr", "horaedb_grpc_port"],
        members={"*": {COUNT: 3}},
        nodes={"db3": None},
    ),
    LiveCase(
        "a node less, static, without a record",
        {"live.nodes-removed": CLUSTER},
        [DB3],
        see=cluster(record=None),
        members={"*": {COUNT: 3}},
        nodes={"db3": None},
    ),
    LiveCase(
        "a node less, static, whose shards are forgotten too",
        {"live.nodes-removed": CLUSTER},
        [DB3],
        see=cluster(view=without(DB3)),
        members={"*": {COUNT: 3}},
        nodes={"db3": None},
    ),
    LiveCase(
        "a node with another address, which is another node",
        {"live.nodes-added": {"db2"}, "live.nodes-removed": CLUSTER},
        ["192.0.2.99:8831", "db2"],
        nodes={"db2": {"ansible_host": "192.0.2.99"}},
    ),
    LiveCase(
        "a node with another port, which is another node",
        {"live.nodes-removed": CLUSTER, "live.nodes-added": {"db1"}},
        [DB1],
        nodes={"db1": {"horaedb_grpc_port": 8832}},
    ),
    LiveCase(
        "a member more",
        {"live.member-added": {"meta4"}},
        ["http://192.0.2.14:2380", "http://192.0.2.11:2380", "horaemeta"],
        members={"meta4": {"ansible_host": "192.0.2.14"}},
    ),
    LiveCase("a member less", {"live.member-removed": CLUSTER}, ["meta3", "http://192.0.2.13:2380"], members={"meta3": None}),
    LiveCase(
        "a member that was added by hand and never started",
        {"live.member-removed": CLUSTER},
        ["without a name", "http://192.0.2.14:2380"],
        see=listed(EtcdMember(9, "", True, ("http://192.0.2.14:2380",))),
    ),
    LiveCase(
        "a living cluster's member lost its disk",
        {"live.member-empty": {"meta2"}},
        ["/var/lib/horaemeta/etcd", "learner"],
        states={**states(), "meta2": state("meta2", member_holds=False)},
    ),
    LiveCase(
        "all members empty under nodes with data",
        {"data.members-empty": META},
        ["directory is empty", "db1, db2, db3", "etcdctl snapshot restore"],
        see=silent,
        states={**states(*MEMBERS, member_holds=False), **states(*NODES)},
    ),
    LiveCase(
        "one member empty under one node with data, nothing lives",
        {"data.members-empty": {"meta3"}},
        ["directory is empty", "db2"],
        see=silent,
        states={**states(), **states("meta3", member_holds=False), **states("db1", "db3", node_holds=False)},
    ),
    LiveCase(
        "fresh hosts, and --limit leaves one out",
        {"bootstrap.partial": {"db3"}},
        ["--limit"],
        see=silent,
        states=states("meta1", "meta2", "meta3", "db1", "db2", member_holds=False, node_holds=False),
    ),
    LiveCase(
        "fresh hosts, and --limit to the members",
        {"bootstrap.partial": DB},
        see=silent,
        states=states(*MEMBERS, member_holds=False),
    ),
    LiveCase("nothing lives, and --limit to a node", {"bootstrap.partial": META | {"db2", "db3"}}, see=silent, states=states("db1")),
    LiveCase(
        "nothing lives, one of two members is empty, and the nodes can't be seen",
        {"bootstrap.partial": {"meta3"} | DB},
        see=silent,
        states={**states("meta1"), **states("meta2", member_holds=False)},
    ),
    LiveCase(
        "two names for one member's machine",
        {"machine.twice": {"meta1", "meta2"}},
        ["ansible_host"],
        states={**states(), **states("meta1", "meta2", machine="m", boot="b")},
    ),
    LiveCase(
        "two names for one node's machine",
        {"machine.twice": {"db1", "db3"}},
        states={**states(), **states("db1", "db3", machine="m", boot="b")},
    ),
]

ACCEPTED = [
    LiveCase("the living cluster is what is asked for", {}),
    LiveCase("the same without a record", {}, see=cluster(record=None)),
    LiveCase("a node's shards are forgotten, and the record knows it", {}, see=cluster(view=without(DB2))),
    LiveCase("a node's shards are forgotten, and no record tells", {}, see=cluster(view=without(DB2), record=None)),
    LiveCase("every shard is forgotten, and no record tells", {}, see=cluster(view={}, record=None)),
    LiveCase(
        "static, but not yet initialised: nodes may come", {}, see=cluster(view={}, record=None), members={"*": {COUNT: 3}}, nodes=DB4
    ),
    LiveCase("dynamic grows", {}, see=entry(topology_type="dynamic"), members=DYNAMIC, nodes={"*": REMOTE, **DB4}),
    LiveCase(
        "dynamic grows, with the count that made it",
        {},
        see=entry(topology_type="dynamic"),
        members={"*": {"horaemeta_topology_type": "dynamic", COUNT: 3}},
        nodes={"*": REMOTE, **DB4},
    ),
    LiveCase("dynamic shrinks", {}, see=entry(topology_type="dynamic"), members=DYNAMIC, nodes={"*": REMOTE, "db3": None}),
    *(
        LiveCase(
            "a member in the list that never started, and is empty: " + how,
            {},
            see=listed(EtcdMember(2, name, False, ("http://192.0.2.13:2380",))),
            states={**states(), "meta3": state("meta3", member_holds=False)},
        )
        for how, name in (("added later", ""), ("not yet there when the others made the cluster", "meta3"))
    ),
    LiveCase("the cluster's entry can't be read", {}, see=cluster(entry=None, view=None, record=None)),
    LiveCase(
        "an election: the members can't be asked for the list",
        {},
        see=lambda seen: replace(seen, leader=None, cluster=None, etcd_members=None),
    ),
    LiveCase("fresh hosts, all of them", {}, see=silent, states=states(member_holds=False, node_holds=False)),
    LiveCase(
        "an interrupted bootstrap: one member holds something, no node does",
        {},
        see=silent,
        states={**states(member_holds=False, node_holds=False), "meta1": state("meta1")},
    ),
    LiveCase("a cluster that is down as a whole, data everywhere", {}, see=silent),
    LiveCase("a member of a cluster that is down, alone", {}, see=silent, states=states("meta2")),
    LiveCase("a living cluster, and --limit to one host", {}, states=states("db2")),
    LiveCase("nothing lives, and nobody looked at the hosts", {}, see=silent, states={}),
    LiveCase("machines cloned from one disk: one machine id, booted apart", {}, states=states(machine="m")),
    LiveCase("hosts that don't tell who they are", {}, states=states(machine="", boot="")),
]

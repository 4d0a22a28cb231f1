"""The model travels through Jinja and JSON without loss, and what derives from it is derived once."""

from __future__ import annotations

import json

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Node, Topology
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.helpers.model_inventory import MEMBERS, NODES, REMOTE, Case, good

texts = st.text(alphabet='ab:/.-é\n"\\\x00', max_size=12)
ports = st.integers(-1, 65535)
members = st.builds(Member, **{name: ports if kind == "int" else texts for name, kind in Member.__annotations__.items()})
nodes = st.builds(
    Node,
    **{
        name: ports if kind == "int" else st.lists(texts, max_size=3).map(tuple) if name == "etcd_addrs" else texts
        for name, kind in Node.__annotations__.items()
    },
)
topologies = st.builds(
    Topology,
    cluster=texts,
    topology_type=texts,
    shard_total=ports,
    node_count=ports,
    root_path=texts,
    meta_endpoint=texts,
    proxy_port=ports,
    members=st.lists(members, max_size=3).map(tuple),
    nodes=st.lists(nodes, max_size=3).map(tuple),
)


@given(topologies)
def test_round_trip_through_json(topology: Topology) -> None:
    assert Topology.from_dict(json.loads(json.dumps(topology.to_dict()))) == topology


@pytest.mark.parametrize("where", ["topology", "members", "nodes"])
def test_a_dict_of_another_release_is_refused(where: str) -> None:
    """A module and an action of different releases must not silently read half of each other's model."""
    data = good().to_dict()
    target = data if where == "topology" else data[where][0]
    with pytest.raises(TypeError):
        target["new"] = 1
        Topology.from_dict(data)
    del target["new"]
    with pytest.raises((TypeError, KeyError)):
        target.popitem()
        Topology.from_dict(data)


def test_everything_is_derived_from_the_inventory() -> None:
    topology = good()
    assert topology.initial_cluster == "meta1=http://192.0.2.11:2380,meta2=http://192.0.2.12:2380,meta3=http://192.0.2.13:2380"
    assert topology.hosts == (*MEMBERS, *NODES)
    assert topology.quorum == 2
    assert topology.node_count == 3
    assert [node.name for node in topology.nodes] == ["192.0.2.21:8831", "192.0.2.22:8831", "192.0.2.23:8831"]
    assert {node.etcd_addrs for node in topology.nodes} == {("192.0.2.11:2379", "192.0.2.12:2379", "192.0.2.13:2379")}
    assert {node.meta_addr for node in topology.nodes} == {"http://127.0.0.1:12379"}
    member, node = topology.member("meta2"), topology.node("db2")
    assert member and (member.api, member.etcd) == ("http://192.0.2.12:8080", "http://192.0.2.12:2379")
    assert node and node.http == "http://192.0.2.22:5440"
    assert topology.node_named("192.0.2.22:8831") == node
    assert topology.member("db2") is topology.node("meta2") is topology.node_named("192.0.2.22:5440") is None


@pytest.mark.parametrize(("members", "quorum"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_quorum(members: int, quorum: int) -> None:
    hosts = {"m%d" % n: {"ansible_host": "192.0.2.%d" % n} for n in range(members)}
    assert Case("", {}, start=(hosts, NODES)).built().topology.quorum == quorum


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({}, 3),
        ({"horaemeta_default_cluster_node_count": 5}, 5),
        ({"horaemeta_default_cluster_node_count": 5, "horaemeta_settings": {"default-cluster-node-count": 6}}, 6),
        (
            {
                "horaemeta_settings": {"default-cluster-node-count": 6},
                "horaemeta_environment": {"DEFAULT_CLUSTER_NODE_COUNT": "7"},
            },
            7,
        ),
    ],
)
def test_environment_over_settings_over_variable_over_derived(variables: dict[str, object], count: int) -> None:
    topology = Case("", {}, members={"meta2": variables}).built().topology
    assert [member.node_count for member in topology.members] == [3, count, 3]


def test_a_nodes_environment_wins() -> None:
    environment = {
        "HORAEDB_SERVER_ADDR": "db1.example.com",
        "HORAEMETA_SERVER_ADDR": "http://meta.example.com:2379",
        "ETCD_ADDRS": "a.example.com:2379, b.example.com:2379",
        "CLUSTER_NAME": "other",
    }
    settings = {
        "node": {"addr": "settings.example.com"},
        "cluster_deployment": {
            "meta_client": {"meta_addr": "http://settings.example.com:1", "cluster_name": "settings"},
            "etcd_client": {"server_addrs": ["settings.example.com:1"]},
        },
    }
    both = {"horaedb_environment": environment, "horaedb_settings": settings}
    first, second, third = Case("", {}, nodes={"db1": both, "db2": {"horaedb_settings": settings}}).built().topology.nodes
    assert (first.name, first.meta_addr, first.cluster_name) == ("db1.example.com:8831", "http://meta.example.com:2379", "other")
    assert first.etcd_addrs == ("a.example.com:2379", "b.example.com:2379")
    assert (second.name, second.meta_addr, second.cluster_name) == (
        "settings.example.com:8831",
        "http://settings.example.com:1",
        "settings",
    )
    assert second.etcd_addrs == ("settings.example.com:1",)
    assert third.name == "192.0.2.23:8831"


def test_ports_as_texts_are_numbers() -> None:
    topology = Case("", {}, members={"*": {"horaemeta_http_port": " 8081 "}}).built().topology
    assert {member.http_port for member in topology.members} == {8081}


def test_an_advertised_port_is_the_port() -> None:
    """What the others dial is in the URL, and HoraeMeta's own port follows it."""
    settings = {"advertise-client-urls": "http://meta1.example.com:3379", "advertise-peer-urls": "http://meta1.example.com:3380"}
    topology = Case("", {}, members={"meta1": {"horaemeta_settings": settings}}).built().topology
    first = topology.members[0]
    assert (first.client_port, first.peer_port) == (3379, 3380)
    assert topology.initial_cluster.startswith("meta1=http://meta1.example.com:3380,")


@pytest.mark.parametrize(
    ("endpoint", "single", "several"),
    [
        ("proxy", "http://192.0.2.10:2379", "http://127.0.0.1:12379"),
        ("direct", "http://192.0.2.10:2379", "http://192.0.2.11:2379"),
        ("http://vip.example.com:2379", "http://vip.example.com:2379", "http://vip.example.com:2379"),
    ],
)
def test_meta_endpoint(endpoint: str, single: str, several: str) -> None:
    """With one member a proxy would protect nothing."""
    one = {"one": {"ansible_host": "192.0.2.10"}}
    change = {"*": {"horaedb_meta_endpoint": endpoint}}
    assert Case("", {}, start=(one, one), nodes=change).built().topology.nodes[0].meta_addr == single
    assert Case("", {}, nodes=change).built().topology.nodes[0].meta_addr == several


def test_storage_directories() -> None:
    """Local storage follows the data directory unless it names its own; remote storage has none."""
    first, second, third = (
        Case(
            "",
            {},
            nodes={
                "db1": {"horaedb_data_dir": "/srv/db"},
                "db2": {"horaedb_wal": {"type": "Local", "data_dir": "/fast/wal"}},
                "db3": REMOTE,
            },
        )
        .built()
        .topology.nodes
    )
    assert (first.store_dir, first.wal_dir) == ("/srv/db", "/srv/db")
    assert (second.store_dir, second.wal_dir) == ("/var/lib/horaedb", "/fast/wal")
    assert (third.store, third.store_dir, third.wal, third.wal_dir) == ("S3", "", "Kafka", "")

"""What is refused without asking any host: one row per change."""

from __future__ import annotations

from tests.unit.helpers.model_inventory import CLUSTER, DB, META, REMOTE, Case
from tests.unit.plugin_utils.preflight.placement_cases import PLACEMENT, STANDALONE

COUNT = "horaemeta_default_cluster_node_count"


def meta_client(**values: object) -> dict[str, object]:
    return {"horaedb_settings": {"cluster_deployment": {"meta_client": values}}}


def etcd_client(**values: object) -> dict[str, object]:
    return {"horaedb_settings": {"cluster_deployment": {"etcd_client": values}}}


UNREADABLE = [
    Case(
        "a port that is a word",
        {"value.type": {"meta2"}},
        ["meta2", "horaemeta_http_port", "'abc'", "whole number"],
        members={"meta2": {"horaemeta_http_port": "abc"}},
    ),
    Case("a port that is true", {"value.type": {"db1"}}, ["horaedb_http_port", "True"], nodes={"db1": {"horaedb_http_port": True}}),
    Case(
        "a port out of range",
        {"value.type": {"db1"}},
        ["horaedb_grpc_port", "70000", "65535"],
        nodes={"db1": {"horaedb_grpc_port": 70000}},
    ),
    Case("port 0", {"value.type": {"db1"}}, ["horaedb_mysql_port", "0"], nodes={"db1": {"horaedb_mysql_port": 0}}),
    Case("a negative count", {"value.type": META}, [COUNT, "-1"], members={"*": {COUNT: -1}}),
    Case("an empty text", {"value.type": {"db3"}}, ["horaedb_data_dir", "''"], nodes={"db3": {"horaedb_data_dir": ""}}),
    Case(
        "a list for a dictionary",
        {"value.type": {"db2"}},
        ["horaedb_settings", "['x']", "dictionary"],
        nodes={"db2": {"horaedb_settings": ["x"]}},
    ),
    Case(
        "a number for a list",
        {"value.type": {"db2"}},
        ["horaedb_settings.cluster_deployment.etcd_client.server_addrs", "5", "list"],
        nodes={"db2": etcd_client(server_addrs=5)},
    ),
    Case(
        "an unreadable value in the environment",
        {"value.type": {"meta1"}},
        ["horaemeta_environment['HTTP_PORT']", "'x'"],
        members={"meta1": {"horaemeta_environment": {"HTTP_PORT": "x"}}},
    ),
    Case(
        "an unreadable value in the settings",
        {"value.type": {"db1"}},
        ["horaedb_settings.server.grpc_port", "'x'"],
        nodes={"db1": {"horaedb_settings": {"server": {"grpc_port": "x"}}}},
    ),
    Case(
        "a member's unreadable name is not blamed on the nodes too",
        {"value.type": META},
        ["horaemeta_default_cluster_name", "None"],
        members={"*": {"horaemeta_default_cluster_name": None}},
    ),
    Case(
        "a key taken out that upstream gives a bad default",
        {"value.type": {"meta1"}},
        ["horaemeta_settings.data-dir", "None"],
        members={"meta1": {"horaemeta_settings": {"data-dir": None}}},
    ),
    Case(
        "a whole table taken out",
        {"value.type": {"db1"}},
        ["horaedb_settings.cluster_deployment.meta_client.meta_addr", "None"],
        nodes={"db1": {"horaedb_settings": {"cluster_deployment": {"meta_client": None}}}},
    ),
    Case(
        "no WAL, without which HoraeDB panics",
        {"value.type": {"db1"}},
        ["horaedb_settings.analytic.wal.type", "None"],
        nodes={"db1": {"horaedb_settings": {"analytic": {"wal": None}}}},
    ),
    Case(
        "storage without a type",
        {"value.type": {"db1"}},
        ["horaedb_object_store.type", "None"],
        nodes={"db1": {"horaedb_object_store": {"type": None}}},
    ),
    Case(
        "nodes with different endpoints",
        {"nodes.disagree": DB},
        ["horaedb_meta_endpoint", "proxy on db1, db3", "direct on db2"],
        nodes={"db2": {"horaedb_meta_endpoint": "direct"}},
    ),
    Case(
        "nodes with different proxy ports",
        {"nodes.disagree": DB},
        ["meta_proxy_port", "12379 on db1, db2", "13000 on db3"],
        nodes={"db3": {"meta_proxy_port": 13000}},
    ),
]

CLUSTER_WIDE = [
    Case("no member", {"inventory.members": CLUSTER}, ["horaemeta", "horaemeta_group"], members={"*": None}),
    Case("no data node", {"inventory.nodes": CLUSTER}, ["horaedb", "horaedb_group"], nodes={"*": None}),
    Case(
        "no data node for a count that is given",
        {"inventory.nodes": CLUSTER},
        members={"*": {COUNT: 3}},
        nodes={"*": None},
    ),
    Case("static, count too low", {"count.static": META}, ["2", "3", COUNT], members={"*": {COUNT: 2}}),
    Case("static, count too high", {"count.static": META}, ["4", "3", COUNT], members={"*": {COUNT: 4}}),
    Case(
        "static, the settings win over the variable",
        {"count.static": META},
        ["5", "3", "horaemeta_settings.default-cluster-node-count on meta1, meta2, meta3"],
        members={"*": {COUNT: 3, "horaemeta_settings": {"default-cluster-node-count": 5}}},
    ),
    Case(
        "static, the environment wins over the settings",
        {"count.static": META},
        ["6", "3", "horaemeta_environment['DEFAULT_CLUSTER_NODE_COUNT'] on meta1, meta2, meta3"],
        members={
            "*": {
                COUNT: 3,
                "horaemeta_settings": {"default-cluster-node-count": 3},
                "horaemeta_environment": {"DEFAULT_CLUSTER_NODE_COUNT": "6"},
            }
        },
    ),
    Case(
        "static, one member's environment",
        {"count.static": {"meta3"}, "members.disagree": META},
        ["meta3", "4", "3", "horaemeta_environment['DEFAULT_CLUSTER_NODE_COUNT'] on meta3"],
        members={"meta3": {"horaemeta_environment": {"DEFAULT_CLUSTER_NODE_COUNT": "4"}}},
    ),
    Case(
        "static, a node more than the count",
        {"count.static": META},
        ["3", "4"],
        members={"*": {COUNT: 3}},
        nodes={"db4": {"ansible_host": "192.0.2.24"}},
    ),
    Case(
        "dynamic, count larger than the nodes",
        {"count.dynamic": META},
        ["4", "3", "at most", COUNT],
        members={"*": {COUNT: 4, "horaemeta_topology_type": "dynamic"}},
        nodes={"*": REMOTE},
    ),
    Case(
        "an unknown topology type",
        {"topology.type": META},
        ["'statik'", "static", "dynamic", "horaemeta_topology_type"],
        members={"*": {"horaemeta_topology_type": "statik"}},
    ),
    Case(
        "topology type from the environment",
        {"topology.type": META},
        ["'Dynamic'"],
        members={"*": {"horaemeta_environment": {"TOPOLOGY_TYPE": "Dynamic"}}},
    ),
    *(
        Case(
            "members that disagree: " + variable,
            {"members.disagree": META, **others},
            [variable, "%s on meta1, meta3" % usual, "%s on meta2" % other],
            members={"meta2": {variable: other}},
        )
        for variable, usual, other, others in (
            (COUNT, 3, 4, {"count.static": {"meta2"}}),
            ("horaemeta_default_cluster_shard_total", 8, 16, {}),
            ("horaemeta_topology_type", "static", "dynamic", {}),
            ("horaemeta_default_cluster_name", "defaultCluster", "other", {}),
            ("horaemeta_storage_root_path", "/horaedb", "/other", {}),
        )
    ),
    Case(
        "members with different http ports",
        {"members.http-port": META},
        ["horaemeta_http_port", "8080 on meta1, meta3", "8081 on meta2"],
        members={"meta2": {"horaemeta_http_port": 8081}},
    ),
    Case(
        "dynamic with local disks",
        {"dynamic.store": DB, "dynamic.wal": DB},
        ["Local on db1, db2, db3", "horaedb_object_store", "horaemeta_topology_type"],
        members={"*": {"horaemeta_topology_type": "dynamic"}},
    ),
    Case(
        "dynamic, a RocksDB WAL on one node",
        {"dynamic.wal": {"db2"}},
        ["WAL", "RocksDB on db2", "horaedb_wal"],
        members={"*": {"horaemeta_topology_type": "dynamic"}},
        nodes={"*": REMOTE, "db2": {"horaedb_wal": {"type": "RocksDB"}}},
    ),
    Case(
        "dynamic, settings that make the object store local",
        {"dynamic.store": {"db3"}},
        ["Local on db3", "horaedb_settings.analytic.storage.object_store on db3"],
        members={"*": {"horaemeta_topology_type": "dynamic"}},
        nodes={
            "*": REMOTE,
            "db3": {"horaedb_settings": {"analytic": {"storage": {"object_store": {"type": "Local", "data_dir": "/var/lib/horaedb"}}}}},
        },
    ),
    Case(
        "fewer shards than nodes",
        {"shards.few": META},
        ["2", "3", "horaemeta_default_cluster_shard_total"],
        members={"*": {"horaemeta_default_cluster_shard_total": 2}},
    ),
    Case(
        "no shards at all",
        {"shards.few": META},
        ["0", "3"],
        members={"*": {"horaemeta_default_cluster_shard_total": 0}},
    ),
    Case(
        "cluster names of the two sides",
        {"names.cluster": {"db2"}},
        ["'defaultCluster'", "'other' on db2", "horaedb_cluster_name"],
        nodes={"db2": {"horaedb_cluster_name": "other"}},
    ),
    Case(
        "cluster name of a node's environment",
        {"names.cluster": DB},
        ["'defaultCluster'", "'other' on db1, db2, db3", "horaedb_environment['CLUSTER_NAME']"],
        nodes={"*": {"horaedb_environment": {"CLUSTER_NAME": "other"}}},
    ),
    Case(
        "root paths of the two sides",
        {"names.root": {"db1"}},
        ["'/horaedb'", "'/ceresdb' on db1", "horaedb_etcd_root_path"],
        nodes={"db1": {"horaedb_etcd_root_path": "/ceresdb"}},
    ),
    Case(
        "a root path without its slash",
        {"names.root": META},
        ["'horaedb'", "start with /", "horaemeta_storage_root_path"],
        members={"*": {"horaemeta_storage_root_path": "horaedb"}},
    ),
    Case(
        "a cluster name that HoraeDB handles badly",
        {"names.default": META},
        ["'mine'", "defaultCluster", "horaemeta_default_cluster_name"],
        members={"*": {"horaemeta_default_cluster_name": "mine"}},
    ),
    Case(
        "direct with several members",
        {"endpoint.direct": DB},
        ["http://192.0.2.11:2379", "3", "horaedb_meta_endpoint"],
        nodes={"*": {"horaedb_meta_endpoint": "direct"}},
    ),
    Case(
        "one member's URL, which is direct too",
        {"endpoint.direct": DB},
        ["http://192.0.2.12:2379"],
        nodes={"*": {"horaedb_meta_endpoint": "http://192.0.2.12:2379/"}},
    ),
    Case(
        "one member in a node's environment",
        {"endpoint.direct": {"db2"}},
        ["db2", "http://192.0.2.13:2379", "horaedb_environment['HORAEMETA_SERVER_ADDR'] on db2"],
        nodes={"db2": {"horaedb_environment": {"HORAEMETA_SERVER_ADDR": "http://192.0.2.13:2379"}}},
    ),
    *(
        Case(
            "a meta_addr that HoraeDB can't use: " + url,
            {"endpoint.url": DB},
            ["'%s'" % url, "http://host:port", "horaedb_meta_endpoint"],
            nodes={"*": {"horaedb_meta_endpoint": url}},
        )
        for url in (
            "192.0.2.30:2379",
            "https://192.0.2.30:2379",
            "http://192.0.2.30",
            "http://192.0.2.30:2379/meta",
            "http://192.0.2.30:port",
            "Proxy",
        )
    ),
    Case(
        "one member in a node's settings",
        {"endpoint.direct": {"db2"}},
        ["http://meta1.example.com:2379", "horaedb_settings.cluster_deployment.meta_client.meta_addr on db2"],
        members={"meta1": {"ansible_host": "meta1.example.com"}},
        nodes={"db2": meta_client(meta_addr="http://meta1.example.com:2379")},
    ),
    Case(
        "a shard lock below HoraeDB's least",
        {"lock.ttl": {"db1"}},
        ["14", "15", "horaedb_settings.cluster_deployment.etcd_client.shard_lock_lease_ttl_sec"],
        nodes={"db1": etcd_client(shard_lock_lease_ttl_sec=14)},
    ),
    *(
        Case(
            "a lease that is no duration: %s" % lease,
            {"lease.duration": {"db3"}},
            ["'%s'" % lease, "horaedb_settings.cluster_deployment.meta_client.lease"],
            nodes={"db3": meta_client(lease=lease)},
        )
        for lease in (3, "3S", "1s2m", "3 s", "s")
    ),
    Case(
        "a lease as long as HoraeMeta's patience",
        {"lease.long": {"db2"}},
        ["10s", "6.7 s", "3.3 s", "horaedb_settings.cluster_deployment.meta_client.lease"],
        nodes={"db2": meta_client(lease="10s")},
    ),
    Case("a lease of minutes", {"lease.long": {"db2"}}, ["1m30s", "60.0 s", "0.0 s"], nodes={"db2": meta_client(lease="1m30s")}),
]

CASES = UNREADABLE + CLUSTER_WIDE + PLACEMENT

# Looks odd, and is right.
ACCEPTED = [
    Case("three and three", {}),
    Case("count and ports as texts, as -e gives them", {}, members={"*": {COUNT: "3", "horaemeta_http_port": "8080"}}),
    Case("one of each on one host", {}, start=STANDALONE),
    Case(
        "one of each on one host, by loopback", {}, start=({"one": {"ansible_host": "127.0.0.1"}}, {"one": {"ansible_host": "127.0.0.1"}})
    ),
    Case("one host that binds to loopback", {}, start=STANDALONE, nodes={"one": {"horaedb_bind_addr": "127.0.0.1"}}),
    Case("direct with one member", {}, start=STANDALONE, nodes={"one": {"horaedb_meta_endpoint": "direct"}}),
    Case(
        "both daemons on each of three hosts",
        {},
        start=(
            {"h%d" % n: {"ansible_host": "192.0.2.1%d" % n} for n in (1, 2, 3)},
            {"h%d" % n: {"ansible_host": "192.0.2.1%d" % n} for n in (1, 2, 3)},
        ),
    ),
    Case("names instead of addresses", {}, nodes={"db1": {"ansible_host": "db1.example.com"}}),
    Case("no ansible_host: the inventory name", {}, nodes={"db1": {"ansible_host": None}}),
    Case("a load balancer", {}, nodes={"*": {"horaedb_meta_endpoint": "http://meta.example.com:2379"}}),
    Case("dynamic with remote storage", {}, members={"*": {"horaemeta_topology_type": "dynamic"}}, nodes={"*": REMOTE}),
    Case("dynamic with a smaller count", {}, members={"*": {COUNT: 2, "horaemeta_topology_type": "dynamic"}}, nodes={"*": REMOTE}),
    Case("as many shards as nodes", {}, members={"*": {"horaemeta_default_cluster_shard_total": 3}}),
    Case(
        "the least lock and the longest quiet lease",
        {},
        nodes={"*": etcd_client(shard_lock_lease_ttl_sec=15), "db1": meta_client(lease="9s999ms")},
    ),
    Case("the cluster's name changed on both sides' own", {}, nodes={"*": {"horaedb_cluster_name": "defaultCluster"}}),
    Case(
        "WAL and store in directories of their own", {}, nodes={"*": {"horaedb_wal": {"type": "Local", "data_dir": "/var/lib/horaedb/wal"}}}
    ),
    Case("a directory whose name only begins like /tmp", {}, nodes={"*": {"horaedb_data_dir": "/tmpfast/horaedb"}}),
    Case(
        "neighbours, not nested",
        {},
        start=STANDALONE,
        members={"one": {"horaemeta_data_dir": "/srv/horae"}},
        nodes={"one": {"horaedb_data_dir": "/srv/horaedb"}},
    ),
    Case("the proxy's port where no proxy is", {}, start=STANDALONE, nodes={"one": {"horaedb_http_port": 12379}}),
    Case("a removed key that the model doesn't need", {}, nodes={"*": {"horaedb_settings": {"tracing": None}}}),
]

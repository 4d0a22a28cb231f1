"""What is refused without asking any host: one row per change."""

from __future__ import annotations

from model_inventory import CLUSTER, DB, META, NODES, ONE, REMOTE, Case

COUNT = "horaemeta_default_cluster_node_count"
STANDALONE = (ONE, {"one": {}})


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

PLACEMENT = [
    *(
        Case(
            "a node's address: " + address,
            {"identity.address": {"db1"}},
            ["'%s'" % address, why, "horaedb_server_addr"],
            nodes={"db1": {"horaedb_server_addr": address}},
        )
        for address, why in (
            ("192.0.2.21:8831", "192.0.2.21:8831:8831"),
            ("http://192.0.2.21", "scheme"),
            ("127.0.0.1", "loopback"),
            ("127.0.1.1", "loopback"),
            ("localhost", "loopback"),
            ("0.0.0.0", "wildcard"),
            ("2001:db8::1", "IPv6"),
            ("::1", "IPv6"),
        )
    ),
    Case(
        "the guide's HORAEDB_SERVER_ADDR with its port",
        {"identity.address": DB},
        ["'192.0.2.21:8831'", "db1", "horaedb_environment['HORAEDB_SERVER_ADDR']"],
        nodes={
            host: {"horaedb_environment": {"HORAEDB_SERVER_ADDR": "%s:8831" % values["ansible_host"]}} for host, values in NODES.items()
        },
    ),
    Case(
        "an inventory address that no other host can reach",
        {"identity.address": {"db2"}},
        ["'127.0.0.1'"],
        nodes={"db2": {"ansible_host": "127.0.0.1"}},
    ),
    Case(
        "two nodes with one name",
        {"identity.duplicate": {"db1", "db2"}},
        ["192.0.2.21:8831", "horaedb_server_addr"],
        nodes={"db2": {"horaedb_server_addr": "192.0.2.21"}},
    ),
    *(
        Case(
            "bind address " + bind,
            {"identity.bind": {"db2"}},
            ["'%s'" % bind, why, "horaedb_bind_addr"],
            nodes={"db2": {"horaedb_bind_addr": bind}},
        )
        for bind, why in (("localhost", "IPv4"), ("::", "IPv4"), ("db2.example.com", "IPv4"), ("127.0.0.1", "loopback"))
    ),
    Case(
        "a member's name that initial-cluster can't carry",
        {"members.name": {"meta1"}},
        ["'a=b'", "horaemeta_node_name"],
        members={"meta1": {"horaemeta_node_name": "a=b"}},
    ),
    *(
        Case(
            "advertised %s address %s" % (what, url),
            {"members.advertise": {"meta2"}},
            [what, "'%s'" % url, "horaemeta_address"],
            members={"meta2": {"horaemeta_settings": {"advertise-%s-urls" % what: url}}},
        )
        for what, url in (
            ("client", "http://0.0.0.0:2379"),
            ("client", "http://127.0.0.1:2379"),
            ("client", "http://[2001:db8::2]:2379"),
            ("client", "192.0.2.12:2379"),
            ("peer", "http://0.0.0.0:2380"),
            ("peer", "http://[::1:2380"),
        )
    ),
    Case(
        "an IPv6 address for a member",
        {"members.advertise": {"meta2"}},
        ["'http://[2001:db8::2]:2379'"],
        members={"meta2": {"ansible_host": "2001:db8::2"}},
    ),
    Case(
        "upstream's own advertise default, by the environment",
        {"members.advertise": META},
        ["'http://0.0.0.0:2379'"],
        members={"*": {"horaemeta_environment": {"ADVERTISE_CLIENT_URLS": "http://0.0.0.0:2379"}}},
    ),
    Case(
        "two members with one name",
        {"members.duplicate": {"meta1", "meta3"}},
        ["'meta1'", "horaemeta_node_name"],
        members={"meta3": {"horaemeta_node_name": "meta1"}},
    ),
    Case(
        "an even number of members",
        {"members.even": {"meta1", "meta2"}},
        ["2", "0", "1", "horaemeta"],
        members={"meta3": None},
    ),
    Case(
        "two inventory names for one member's machine",
        {"machine.twice": {"meta1", "meta2"}},
        ["192.0.2.11", "horaemeta_address", "ansible_host"],
        members={"meta2": {"ansible_host": "192.0.2.11", "horaemeta_data_dir": "/srv/other"}},
    ),
    Case(
        "two inventory names for one node's machine",
        {"machine.twice": {"db1", "db2"}, "identity.duplicate": {"db1", "db2"}, "paths.collide": {"db1", "db2"}},
        ["192.0.2.21", "horaedb_address"],
        nodes={"db2": {"ansible_host": "192.0.2.21"}},
    ),
    Case(
        "the two daemons of a host want one port",
        {"ports.collide": {"one"}},
        ["8080", "horaedb_http_port", "horaemeta_http_port"],
        start=STANDALONE,
        nodes={"one": {"horaedb_http_port": 8080}},
    ),
    Case(
        "the two daemons of a host want one port, by two addresses",
        {"ports.collide": {"one"}},
        ["2379", "horaedb_grpc_port", "horaemeta_client_port"],
        start=STANDALONE,
        nodes={"one": {"horaedb_grpc_port": 2379, "horaedb_address": "198.51.100.10"}},
    ),
    Case(
        "two inventory names of one machine want one port",
        {"ports.collide": {"meta1", "db1"}},
        ["192.0.2.11", "2380", "horaedb_mysql_port", "horaemeta_peer_port"],
        nodes={"db1": {"ansible_host": "192.0.2.11", "horaedb_mysql_port": 2380}},
    ),
    Case(
        "two ports of one daemon, the environment's among them",
        {"ports.collide": META},
        ["2379", "horaemeta_client_port", "horaemeta_http_port"],
        members={"*": {"horaemeta_environment": {"HTTP_PORT": 2379}}},
    ),
    Case(
        "the proxy's port",
        {"ports.collide": DB},
        ["5440", "horaedb_http_port", "meta_proxy_port"],
        nodes={"*": {"meta_proxy_port": 5440}},
    ),
    Case(
        "a relative data directory",
        {"paths.relative": {"meta1"}},
        ["'data'", "horaemeta_data_dir"],
        members={"meta1": {"horaemeta_data_dir": "data"}},
    ),
    *(
        Case(
            "data under " + path,
            {"paths.temporary": {"db1"}},
            [path, "horaedb_data_dir", "/var/lib/horaedb"],
            nodes={"db1": {"horaedb_data_dir": path}},
        )
        for path in ("/tmp/horaedb", "/tmp", "/var/tmp/h", "/run/h", "/dev/shm/h")
    ),
    Case(
        "upstream's data-dir, by the environment",
        {"paths.temporary": {"meta3"}},
        ["/tmp/horaemeta", "horaemeta_data_dir", "horaemeta_environment['DATA_DIR'] on meta3"],
        members={"meta3": {"horaemeta_environment": {"DATA_DIR": "/tmp/horaemeta"}}},
    ),
    Case(
        "a WAL under /tmp, and the variable that put it there",
        {"paths.temporary": {"db2"}},
        ["/tmp/wal", "horaedb_wal.data_dir"],
        nodes={"db2": {"horaedb_wal": {"type": "Local", "data_dir": "/tmp/wal"}}},
    ),
    Case(
        "data in a home directory",
        {"paths.home": {"db1"}},
        ["/home/horae/data", "horaedb_object_store.data_dir"],
        nodes={"db1": {"horaedb_object_store": {"type": "Local", "data_dir": "/home/horae/data"}}},
    ),
    Case(
        "the two daemons of a host in one directory",
        {"paths.collide": {"one"}},
        ["/srv/horae", "horaemeta_data_dir", "horaedb_data_dir"],
        start=STANDALONE,
        members={"one": {"horaemeta_data_dir": "/srv/horae"}},
        nodes={"one": {"horaedb_data_dir": "/srv/horae"}},
    ),
    Case(
        "one daemon's directory inside of the other's",
        {"paths.collide": {"one"}},
        ["/srv/horae/db", "/srv/horae"],
        start=STANDALONE,
        members={"one": {"horaemeta_data_dir": "/srv/horae"}},
        nodes={"one": {"horaedb_data_dir": "/srv/horae/db"}},
    ),
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

"""What is refused about addresses, names, ports and directories: one row per change."""

from __future__ import annotations

from tests.unit.helpers.model_inventory import DB, META, NODES, ONE, Case

STANDALONE = (ONE, {"one": {}})

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
        "the shard keeper's port",
        {"ports.collide": {"meta1"}},
        ["8080", "horaemeta_http_port", "shard_keeper_port"],
        members={"meta1": {"shard_keeper_port": 8080}},
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

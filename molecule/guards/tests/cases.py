"""One row per rule of the guard: a change to a good inventory, and the words of the refusal. `{db1}` stands for the address of db1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.site import Variables

# Of no file.
NO_FILE = "sha256:" + "0" * 64
COUNT = "horaemeta_default_cluster_node_count"
SHARDS = "horaemeta_default_cluster_shard_total"
DYNAMIC = {"horaemeta_topology_type": "dynamic"}
REMOTE_STORE = {
    "horaedb_object_store": {
        "type": "S3",
        "region": "eu-central-1",
        "key_id": "id",
        "key_secret": "secret",
        "endpoint": "https://s3.example.com",
        "bucket": "b",
        "prefix": "p",
    }
}
REMOTE_WAL = {"horaedb_wal": {"type": "Kafka", "kafka": {"client": {"boost_brokers": ["kafka.example.com:9092"]}}}}


@dataclass(frozen=True)
class Case:
    """`says`: words of ONE sentence, the one that begins with the rule. `also`: other rules that the same change breaks."""

    rule: str
    says: Sequence[str]
    everywhere: Variables = field(default_factory=dict)
    hosts: Mapping[str, Variables] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    prefix: Sequence[str] = ()
    also: Sequence[str] = ()
    title: str = ""

    def __str__(self) -> str:
        return self.title or self.rule


def meta_client(**values: object) -> Variables:
    return {"horaedb_settings": {"cluster_deployment": {"meta_client": values}}}


def etcd_client(**values: object) -> Variables:
    return {"horaedb_settings": {"cluster_deployment": {"etcd_client": values}}}


# Refused on the controller, from the inventory alone.
STATIC = [
    Case("inventory.members", ["no HoraeMeta member", "horaemeta_group"], groups={"horaemeta": []}),
    Case("inventory.nodes", ["no HoraeDB data node", "horaedb_group"], groups={"horaedb": []}),
    Case("inventory.variable", ["meta1, meta2, meta3, db1, db2, db3", "horeadb_http_port", "Did you mean horaedb_http_port"], {"horeadb_http_port": 5441}),
    Case("inventory.variable", ["db2", "horaedb_porst", "Did you mean"], hosts={"db2": {"horaedb_porst": 1}}, title="our prefix"),
    Case("inventory.variable", ["horaedb_dowtime", "Did you mean horaedb_downtime"], arguments=["-e", "horaedb_dowtime=end"], title="on the command line"),
    Case("inventory.group", ["spare", "horeadb", "Did you mean horaedb"], groups={"horeadb": ["spare"]}),
    Case("run.strategy", ["free", "ANSIBLE_STRATEGY=linear"], prefix=["env", "ANSIBLE_STRATEGY=free"]),
    Case("value.type", ["meta2", "horaemeta_http_port", "'abc'", "whole number"], hosts={"meta2": {"horaemeta_http_port": "abc"}}),
    Case("value.missing", ["meta1, meta2, meta3", "horaemeta_binary is not set", "README"], {"horaemeta_binary": None}),
    Case(
        "artifact.binary",
        ["db2", NO_FILE, "horaedb_checksum", "another file than was meant"],
        hosts={"db2": {"horaedb_checksum": NO_FILE}},
        title="wrong checksum",
    ),
    Case(
        "artifact.binary",
        ["db1, db2, db3", "/nowhere/server", "isn't on the controller", "horaedb_binary"],
        {"horaedb_binary": "/nowhere/server"},
        title="a binary that isn't there",
    ),
    Case(
        "artifact.binary",
        ["db1, db2, db3", "URL", "sha256", "horaedb_checksum"],
        {"horaedb_binary": "https://artifacts.example.com/horaedb-server"},
        title="a URL without a checksum",
    ),
    Case(
        "nodes.disagree",
        ["horaedb_meta_endpoint", "proxy on db1, db3", "direct on db2"],
        hosts={"db2": {"horaedb_meta_endpoint": "direct"}},
    ),
    Case("count.static", ["meta1, meta2, meta3", "is 2", "3 data nodes", COUNT], {COUNT: 2}, title="count too low"),
    Case("count.static", ["is 4", "3 data nodes", COUNT], {COUNT: 4}, title="count too high"),
    Case(
        "count.static",
        ["is 3", "4 data nodes", COUNT],
        {COUNT: 3},
        groups={"horaedb": ["db1", "db2", "db3", "spare"]},
        title="a node more than the count",
    ),
    Case(
        "count.static",
        ["meta3", "is 4", "3 data nodes", "horaemeta_environment"],
        {COUNT: 3},
        {"meta3": {"horaemeta_environment": {"DEFAULT_CLUSTER_NODE_COUNT": "4"}}},
        also=["members.disagree"],
        title="one member's environment wins over the variable",
    ),
    Case("count.dynamic", ["is 4", "3 data nodes", "at most", COUNT], {COUNT: 4, **DYNAMIC, **REMOTE_STORE, **REMOTE_WAL}),
    Case(
        "members.disagree",
        [SHARDS, "8 on meta1, meta3", "16 on meta2"],
        hosts={"meta2": {SHARDS: 16}},
    ),
    Case(
        "members.http-port",
        ["horaemeta_http_port", "8080 on meta1, meta3", "8081 on meta2"],
        hosts={"meta2": {"horaemeta_http_port": 8081}},
    ),
    Case("members.name", ["meta1", "'a=b'", "horaemeta_node_name"], hosts={"meta1": {"horaemeta_node_name": "a=b"}}),
    Case("members.duplicate", ["meta1, meta2, meta3", "'same'", "horaemeta_node_name"], {"horaemeta_node_name": "same"}),
    Case(
        "members.advertise",
        ["meta2", "http://0.0.0.0:2379", "horaemeta_address"],
        hosts={"meta2": {"horaemeta_settings": {"advertise-client-urls": "http://0.0.0.0:2379"}}},
    ),
    Case("topology.type", ["'statik'", "static", "dynamic", "horaemeta_topology_type"], {"horaemeta_topology_type": "statik"}),
    Case("dynamic.store", ["Local on db1, db2, db3", "dynamic", "horaedb_object_store"], {**DYNAMIC, **REMOTE_WAL}),
    Case(
        "dynamic.wal",
        ["RocksDB on db2", "dynamic", "horaedb_wal"],
        {**DYNAMIC, **REMOTE_STORE, **REMOTE_WAL},
        {"db2": {"horaedb_wal": {"type": "RocksDB"}}},
        also=["settings.value"],
    ),
    Case("shards.few", ["is 2", "3 data nodes", SHARDS], {SHARDS: 2}),
    Case("endpoint.url", ["'https://192.0.2.30'", "http://host:port", "horaedb_meta_endpoint"], {"horaedb_meta_endpoint": "https://192.0.2.30"}),
    Case(
        "endpoint.direct",
        ["http://{meta1}:2379", "one of 3 members", "horaedb_meta_endpoint"],
        {"horaedb_meta_endpoint": "direct"},
    ),
    Case(
        "names.cluster",
        ["'defaultCluster'", "'other' on db2", "horaedb_cluster_name"],
        hosts={"db2": {"horaedb_cluster_name": "other"}},
    ),
    Case("names.root", ["'/horaedb'", "'/other' on db1", "horaedb_etcd_root_path"], hosts={"db1": {"horaedb_etcd_root_path": "/other"}}),
    Case("lock.ttl", ["db1", "is 10", "15", "shard_lock_lease_ttl_sec"], hosts={"db1": etcd_client(shard_lock_lease_ttl_sec=10)}),
    Case("lease.duration", ["db3", "'soon'", "meta_client.lease"], hosts={"db3": meta_client(lease="soon")}),
    Case(
        "identity.address",
        ["db1", "'{db1}:8831'", "carries a port", "horaedb_server_addr"],
        hosts={"db1": {"horaedb_server_addr": "{db1}:8831"}},
        title="server address with a port",
    ),
    Case(
        "identity.address",
        ["db2", "'127.0.0.1'", "loopback", "horaedb_environment"],
        hosts={"db2": {"horaedb_environment": {"HORAEDB_SERVER_ADDR": "127.0.0.1"}}},
        title="server address on the loopback, by the environment",
    ),
    Case(
        "identity.address",
        ["db3", "'0.0.0.0'", "wildcard", "horaedb_server_addr"],
        hosts={"db3": {"horaedb_server_addr": "0.0.0.0"}},
        title="wildcard server address",
    ),
    Case("identity.bind", ["db1", "'localhost'", "IPv4", "horaedb_bind_addr"], hosts={"db1": {"horaedb_bind_addr": "localhost"}}),
    Case(
        "identity.duplicate",
        ["db1, db2", "{db1}:8831", "horaedb_server_addr"],
        hosts={"db2": {"horaedb_server_addr": "{db1}"}},
    ),
    Case(
        "machine.twice",
        ["db1, spare", "{db1}", "ansible_host"],
        hosts={"spare": {"ansible_host": "{db1}", "horaedb_server_addr": "{spare}"}},
        groups={"horaedb": ["db1", "db2", "db3", "spare"]},
        title="one address under two names",
    ),
    Case(
        "ports.collide",
        ["db1", "port 5440", "horaedb_http_port and horaedb_mysql_port"],
        hosts={"db1": {"horaedb_mysql_port": 5440}},
    ),
    Case(
        "ports.collide",
        ["meta1", "port 8080", "horaedb_http_port and horaemeta_http_port"],
        hosts={"meta1": {"horaedb_http_port": 8080}},
        groups={"horaedb": ["meta1", "db2", "db3"]},
        title="the ports of both daemons on one host",
    ),
    Case("paths.relative", ["db1", "'data'", "horaedb_data_dir"], hosts={"db1": {"horaedb_data_dir": "data"}}),
    Case("paths.temporary", ["db2", "/tmp/horaedb", "horaedb_data_dir"], hosts={"db2": {"horaedb_data_dir": "/tmp/horaedb"}}),
    Case("paths.home", ["meta3", "/home/horaemeta", "horaemeta_data_dir"], hosts={"meta3": {"horaemeta_data_dir": "/home/horaemeta"}}),
    Case(
        "paths.collide",
        ["meta1", "/srv/horae", "/srv/horae/db", "horaemeta_data_dir", "horaedb_data_dir"],
        hosts={"meta1": {"horaemeta_data_dir": "/srv/horae", "horaedb_data_dir": "/srv/horae/db"}},
        groups={"horaedb": ["meta1", "db2", "db3"]},
    ),
]

# The keys of the files and the environment, each in another variable.
STATIC += [
    Case(
        "settings.unknown",
        ["db2", "analytic.storage.mem_cache_capacty", "mem_cache_capacity", "horaedb_settings.analytic.storage.mem_cache_capacty"],
        hosts={"db2": {"horaedb_settings": {"analytic": {"storage": {"mem_cache_capacty": "1GiB"}}}}},
    ),
    Case(
        "settings.unknown",
        ["meta1, meta2, meta3", "default-http-port", "http-port", "horaemeta_settings['default-http-port']"],
        {"horaemeta_settings": {"default-http-port": 8080}},
        title="a key of upstream's samples",
    ),
    Case(
        "settings.value",
        ["db1, db2, db3", "server.timeout is 30", "a duration", "horaedb_settings.server.timeout"],
        {"horaedb_settings": {"server": {"timeout": 30}}},
    ),
    Case(
        "settings.missing",
        ["db3", "boost_brokers", "horaedb_wal.kafka.client.boost_brokers"],
        hosts={"db3": {"horaedb_wal": {"type": "Kafka"}}},
    ),
    Case(
        "settings.together",
        ["db1", "shard_lock_lease_check_interval is 40s", "shard_lock_lease_ttl_sec, 30 s"],
        hosts={"db1": etcd_client(shard_lock_lease_check_interval="40s")},
    ),
    Case("settings.version", ["db1, db2, db3", "'newest'", "horaedb_version"], {"horaedb_version": "newest"}),
    Case(
        "environment.unknown",
        ["db2", "HORAEDB_SERVER_ADDRESS", "HORAEDB_SERVER_ADDR.", "horaedb_environment"],
        hosts={"db2": {"horaedb_environment": {"HORAEDB_SERVER_ADDRESS": "192.0.2.1"}}},
    ),
    Case(
        "environment.value",
        ["meta2", "LEASE_SEC", "lease-sec", "'10s'", "horaemeta_environment['LEASE_SEC']"],
        hosts={"meta2": {"horaemeta_environment": {"LEASE_SEC": "10s"}}},
    ),
]

# Said, and not refused.
WARNED = [
    Case(
        "settings.unused",
        ["db2", "server.grpc_server_cq_count", "horaedb_settings"],
        hosts={"db2": {"horaedb_settings": {"server": {"grpc_server_cq_count": 40}}}},
    ),
    Case(
        "settings.unwise",
        ["db3", "disk_cache_capacity is 100MiB", "Make it 134217728"],
        hosts={"db3": {"horaedb_settings": {"analytic": {"storage": {"disk_cache_capacity": "100MiB"}}}}},
    ),
    Case(
        "artifact.source",
        ["meta2", "A mirror failed", "/nowhere/server"],
        hosts={"meta2": {"horaemeta_binary": ["/nowhere/server", "/bin/sh"]}},
    ),
    Case("settings.schema", ["meta1, meta2", "horaemeta_version is 2.9.0", "2.1.0"], {"horaemeta_version": "2.9.0"}),
    Case("members.even", ["2 members", "survive the loss of 0", "horaemeta"], groups={"horaemeta": ["meta1", "meta2"]}),
    Case("names.default", ["'mine'", "defaultCluster", "horaemeta_default_cluster_name"], {"horaemeta_default_cluster_name": "mine"}),
    Case("lease.long", ["db1", "12s", "8.0 s", "10 s", "meta_client.lease"], hosts={"db1": meta_client(lease="12s")}),
]

# The host itself has to be asked: one shell line, no module.
ASKED = [
    Case("host.python", ["nopy", "/usr/bin/python3", "missing", "3.8", "apt-get install python3"], groups={"horaedb": ["db1", "db2", "nopy"]}),
    Case("host.systemd", ["nopy", "systemd is 241", "247"], groups={"horaedb": ["db1", "db2", "nopy"]}, also=["host.python"]),
    Case("host.root", ["db2", "user id 1000", "ansible_become"], hosts={"db2": {"ansible_user": "ops"}}),
    Case(
        "host.become",
        ["db1", "Incorrect sudo password", "ansible_become_password"],
        hosts={"db1": {"ansible_user": "ops-asked", "ansible_become": True, "ansible_become_password": "wrong"}},
        title="wrong sudo password",
    ),
    Case(
        "host.become",
        ["db1", "Missing sudo password", "ansible_become_password"],
        hosts={"db1": {"ansible_user": "ops-asked", "ansible_become": True}},
        title="no sudo password",
    ),
    Case(
        "host.shell",
        ["meta1", "not in the sudoers file", "sudo"],
        hosts={"meta1": {"ansible_user": "plain", "ansible_become": True, "ansible_become_password": "a-password"}},
        title="a user without sudo rights",
    ),
    Case(
        "host.shell",
        ["meta2", "This account is currently not available"],
        hosts={"meta2": {"ansible_user": "games"}},
        title="a user without a shell",
    ),
]

# The host can be deployed to, and what the hosts and the cluster say together is refused: nothing lives yet.
FRESH = [
    Case(
        "machine.twice",
        ["db2, spare", "one machine", "machine id", "ansible_host"],
        hosts={"spare": {"ansible_host": "{db2}", "horaedb_address": "{spare}"}},
        groups={"horaedb": ["db1", "db2", "db3", "spare"]},
        title="one machine under two names with two addresses",
    ),
    Case("run.forks", ["forks is 1", "2 members", "--forks 3"], arguments=["--forks", "1"]),
    Case("bootstrap.partial", ["meta1, meta2, db1, db2, db3", "no cluster lives", "--limit"], arguments=["--limit", "meta3"]),
]

# Asked of a cluster that lives.
LIVING = [
    Case("live.shard-total", ["has 8", "asks for 16", SHARDS], {SHARDS: 16}),
    Case(
        "live.topology-type",
        ["has static", "asks for dynamic", "horaemeta_topology_type"],
        {**DYNAMIC, **REMOTE_STORE, **REMOTE_WAL},
    ),
    Case(
        "live.node-count",
        ["has 3", "asks for 4", COUNT],
        {COUNT: 4},
        groups={"horaedb": ["db1", "db2", "db3", "spare"]},
        also=["live.nodes-added"],
    ),
    Case(
        "live.nodes-added",
        ["spare", "{spare}:8831", "{db1}:8831, {db2}:8831, {db3}:8831", "horaedb"],
        {COUNT: 4},
        groups={"horaedb": ["db1", "db2", "db3", "spare"]},
        also=["live.node-count"],
    ),
    Case(
        "live.nodes-removed",
        ["{db3}:8831", "not in the inventory", "horaedb"],
        {COUNT: 2},
        groups={"horaedb": ["db1", "db2"]},
        also=["live.node-count"],
    ),
    Case(
        "live.nodes-removed",
        ["{db2}:8831", "horaedb_grpc_port"],
        hosts={"db2": {"horaedb_grpc_port": 8832}},
        also=["live.nodes-added"],
        title="a node that is called otherwise",
    ),
    Case(
        "live.member-added",
        ["spare", "http://{spare}:2380", "http://{meta1}:2380", "horaemeta"],
        groups={"horaemeta": ["meta1", "meta2", "meta3", "spare"]},
    ),
    Case("live.member-removed", ["meta3", "http://{meta3}:2380", "horaemeta"], groups={"horaemeta": ["meta1", "meta2"]}),
]

# Each of these needs a test of its own, which does something to the hosts first.
UNREACHABLE = Case("host.unreachable", ["db3", "timed out", "ansible_host", "--limit"])
STALE_DATA = Case("data.members-empty", ["meta1, meta2, meta3", "db1 hold data", "snapshot", "docs/operations.md"])
WIPED_MEMBERS = Case("data.members-empty", ["meta1, meta2, meta3", "db1, db2, db3 hold data", "snapshot", "docs/operations.md"])
EMPTIED_MEMBER = Case("live.member-empty", ["meta3", "/var/lib/horaemeta/etcd is empty", "learner"])
DOWNTIME = Case("live.downtime", ["db2", "planned downtime", "2026-11-24T10:00:00Z", "ann", "horaedb_downtime=end --limit db2"])
EVERY = [*STATIC, *WARNED, *ASKED, *FRESH, *LIVING, UNREACHABLE, STALE_DATA, WIPED_MEMBERS, EMPTIED_MEMBER, DOWNTIME]

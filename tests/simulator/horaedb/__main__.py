"""The double of horaedb-server."""

from __future__ import annotations

import ipaddress
import signal
import socket
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

from common import flavour, log
from common.buildinfo import VERSION
from common.etcd import Etcd
from common.http import Handle, listen
from common.log import failure_text

from horaedb.config import Config, ConfigError, defaults, load
from horaedb.engine import Blocked, Engine
from horaedb.http_api import HttpApi
from horaedb.locks import ShardLocks
from horaedb.meta import BadResponse, MetaClient, MetaError
from horaedb.peer import Peer
from horaedb.process import panic, panic_early, stop
from horaedb.shards import ShardError, ShardSet
from horaedb.store import FIRST_CONTACT, BucketStore, Store, StoreError, open_store
from horaedb.table import table_name
from horaedb.units import seconds
from horaedb.wal import LocalWal, SharedWal, Wal

USAGE = "Usage: horaedb-server [OPTIONS]\n\nOptions:\n  -c, --config <config>  Set configuration file\n  -V, --version  Print version\n  -h, --help  Print help"
RPC_TIMEOUTS_PER_TTL = 6
BROKER_TIMEOUT = 1.5


def arguments(words: List[str]) -> Optional[str]:
    """The configuration file."""
    path = None
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help"):
            print(USAGE)
            sys.exit(0)
        if word.startswith("--config="):
            path = word.split("=", 1)[1]
        elif word in ("-c", "--config") and rest:
            path = rest.pop(0)
        else:
            sys.stderr.write("error: unexpected argument '%s' found\n\n%s\n" % (word, USAGE))
            sys.exit(2)
    return path


def main() -> None:
    log.use(log.slog)
    flavour.die_like_an_old_glibc(sys.argv[0])
    if flavour.version_requested(sys.argv[1:], ["-V", "--version"]):
        print("HoraeDB Server " + version_text())
        return
    path = arguments(sys.argv[1:])
    try:
        config = load(path) if path else defaults()
    except ConfigError as error:
        panic_early("Failed to parse config.: %s" % error, "src/horaedb/bin/horaedb-server.rs:84:65")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda *_: stop())
    threading.excepthook = lambda failure: panic(failure_text(failure.exc_type, failure.exc_value, failure.exc_traceback))
    # Both copies, secrets included, are what the real one prints.
    print("HoraeDB server tries starting with config:%s" % config.printed())
    log.info("version:%s" % version_text(), "src/horaedb/bin/horaedb-server.rs:113")
    log.info("Server starts up, config:%s" % config.printed(many_lines=True), "src/horaedb/src/setup.rs:118")
    flavour.misbehave_at_start()
    run(config)


def version_text() -> str:
    said = (
        ("Version", VERSION),
        ("Git commit", "0" * 7),
        ("Git branch", flavour.BRANCH),
        ("Opt level", "3"),
        ("Rustc version", "1.75.0"),
        ("Target", "x86_64-unknown-linux-gnu"),
        ("Build date", "1980-01-01"),
    )
    return "".join("\n%s: %s" % entry for entry in said)


def run(config: Config) -> None:
    if config["analytic.wal.type"] == "RocksDB":
        panic("RocksDB WAL not bundled!", "src/horaedb/src/setup.rs:154")
    meta = join_meta(config) if config.with_meta else None
    etcd = etcd_client(config) if config.with_meta else None
    try:
        wal, store = open_wal(config, etcd), open_object_store(config)
    except OSError as error:
        panic("Failed to setup analytic engine: %s" % error, "src/horaedb/src/setup.rs:331")
    shards = ShardSet(wal, store, table_options(config))
    engine = Engine(config.node_name, shards, meta, Blocked(config["limiter.write_block_list"], config["limiter.read_block_list"], []))
    peer, http = Peer(shards, engine), HttpApi(config, shards, engine)
    if meta:
        create_default_schema(meta)
    serve(config, "http_port", http.routes)
    serve(config, "grpc_port", peer)
    for port in ("mysql_port", "postgresql_port"):
        hang_up_on_all(config, port)
    if meta and etcd:
        join_cluster(config, shards, meta, etcd)
    else:
        open_alone(shards, wal)
    log.info("Server start finished", "src/server/src/server.rs:208")
    while True:
        signal.pause()


def table_options(config: Config) -> Dict[str, str]:
    options = config["analytic.table_opts"]
    return {"enable_ttl": "true" if options["enable_ttl"] else "false", "ttl": options["ttl"]}


def join_meta(config: Config) -> MetaClient:
    """HoraeMeta is connected to once: no retry, no back-off."""
    cluster = config["cluster_deployment.meta_client.cluster_name"]
    address = config["cluster_deployment.meta_client.meta_addr"]
    try:
        client = MetaClient(address, cluster, seconds(config["cluster_deployment.meta_client.timeout"]))
        client.connect()
    except MetaError as error:
        cause = 'FailConnect { addr: "%s", source: tonic::transport::Error(Transport, %s), backtrace: Backtrace( ) }' % (address, error)
        panic("fail to build meta client: %s" % cause, "src/horaedb/src/setup.rs:304")
    for missing, refused in (
        ("root_path is required to start with /", not str(config["cluster_deployment.etcd_client.root_path"]).startswith("/")),
        ("cluster_name is required non-empty", not cluster),
    ):
        if refused:
            cause = 'InvalidArguments { msg: "%s", backtrace: Backtrace( ) }' % missing
            panic("called `Result::unwrap()` on an `Err` value: %s" % cause, "src/horaedb/src/setup.rs:316")
    return client


def create_default_schema(meta: MetaClient) -> None:
    """Words that don't say which cluster is unknown, or that it is the cluster at all."""
    try:
        meta.ask("schema", {"name": "public"})
    except BadResponse as error:
        source = 'BadResponse { code: %d, msg: "%s", backtrace: Backtrace( ) }' % (error.code, error.message)
    except MetaError as error:
        source = "FailAllocSchemaId { source: %s }" % error
    else:
        return
    log.error("Send heartbeat to meta failed, err:Bad response, resp code:404, msg:grpc heartbeat.", "src/cluster/src/cluster_impl.rs:136")
    cause = 'CreateSchemaWithCause { catalog: "horaedb", schema: "public", source: %s }' % source
    panic("Fail to create default schema: %s" % cause, "src/server/src/server.rs:229")


def etcd_client(config: Config) -> Etcd:
    settings = config["cluster_deployment.etcd_client"]
    return Etcd(settings["server_addrs"], settings["shard_lock_lease_ttl_sec"] / RPC_TIMEOUTS_PER_TTL)


def open_wal(config: Config, etcd: Optional[Etcd]) -> Wal:
    wal = config["analytic.wal"]
    if wal["type"] == "Local":
        return LocalWal(wal["data_dir"])
    if wal["type"] == "Kafka":
        reach_a_broker(wal["kafka"]["client"]["boost_brokers"])
    if etcd is None:
        panic("the simulator keeps a %s WAL in the cluster's etcd, and there is none without HoraeMeta" % wal["type"])
    return SharedWal(etcd)


def reach_a_broker(brokers: List[str]) -> None:
    if not brokers:
        panic("The boost broker must be set")
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=BROKER_TIMEOUT).close()
            return
        except (OSError, ValueError) as error:
            log.warn("broker %s: %s" % (broker, error))
    panic("Failed to open wal: OpenKafka { source: RetryFailed }")


def open_object_store(config: Config) -> Store:
    settings = config["analytic.storage.object_store"]
    store = open_store(settings, seconds(settings["timeout"]["timeout"]))
    if isinstance(store, BucketStore) and not config.with_meta:
        try:
            store.reach()
        except StoreError as error:
            time.sleep(FIRST_CONTACT)
            panic("Failed to open object store: %s" % error)
    return store


def serve(config: Config, port: str, handle: Handle) -> None:
    try:
        ipaddress.IPv4Address(config["server.bind_addr"])
    except ValueError as error:
        panic("Failed to build server: invalid bind_addr: %s" % error)
    try:
        server = listen(config["server.bind_addr"], config["server." + port], handle)
    except OSError as error:
        panic("Failed to bind %s: %s" % (_address(config, port), error))
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _address(config: Config, port: str) -> Tuple[str, int]:
    return config["server.bind_addr"], config["server." + port]


def hang_up_on_all(config: Config, port: str) -> None:
    """MySQL and PostgreSQL listen, and speak nothing."""
    try:
        listener = socket.create_server(_address(config, port))
    except OSError as error:
        panic("Failed to bind %s: %s" % (_address(config, port), error))

    def accept() -> None:
        while True:
            listener.accept()[0].close()

    threading.Thread(target=accept, daemon=True).start()


def join_cluster(config: Config, shards: ShardSet, meta: MetaClient, etcd: Etcd) -> None:
    settings: Any = config["cluster_deployment.etcd_client"]
    log.info("Cluster is starting with config:%s" % config.cluster_printed(), "src/cluster/src/cluster_impl.rs:349")
    prefix = "%s/%s/shards" % (settings["root_path"], config["cluster_deployment.meta_client.cluster_name"])
    locks = ShardLocks(
        etcd,
        prefix,
        config.node_name,
        settings["shard_lock_lease_ttl_sec"],
        seconds(settings["shard_lock_lease_check_interval"]),
        settings["enable_shard_lock_fast_reacquire"],
        shards.lock_expired,
        lambda message: panic(message, "src/server/src/grpc/meta_event_service/mod.rs:313", "horaedb-meta"),
    )
    shards.use_locks(locks)
    locks.start()
    lease = seconds(config["cluster_deployment.meta_client.lease"])
    threading.Thread(target=heartbeats, args=(config.node_name, shards, meta, lease), daemon=True).start()


def heartbeats(node: str, shards: ShardSet, meta: MetaClient, lease: float) -> None:
    while True:
        pause = lease * 2 / 3
        told = shards.statuses()
        shown = ", ".join("ShardInfo { id: %s, role: Leader, version: 0, status: %s }" % entry for entry in told.items())
        log.info("Node heartbeat to meta, shard infos:[%s]" % shown, "src/cluster/src/cluster_impl.rs:130")
        log.info(
            'Meta client try to send heartbeat req:NodeHeartbeatRequest { endpoint: "%s" }' % node, "src/meta_client/src/meta_impl.rs:249"
        )
        try:
            meta.ask("heartbeat", {"node": node, "shards": told})
            log.info(
                "Meta client finish sending heartbeat, resp:NodeHeartbeatResponse { header: Some(ResponseHeader { code: 0 }) }",
                "src/meta_client/src/meta_impl.rs:261",
            )
        except MetaError as error:
            log.error("Send heartbeat to meta failed, err:%s" % error, "src/cluster/src/cluster_impl.rs:136")
            pause = lease / 2
        time.sleep(pause)


def open_alone(shards: ShardSet, wal: Wal) -> None:
    """NoMeta: one shard with whatever tables the disk has."""
    try:
        shards.open(0, 0, [(table, table_name(wal, shard, table)) for shard, table in wal.tables() if shard == 0])
    except ShardError as error:
        panic("Failed to open the tables: %s" % error)


if __name__ == "__main__":
    main()

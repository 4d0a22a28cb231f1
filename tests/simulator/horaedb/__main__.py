"""The double of horaedb-server."""

from __future__ import annotations

import ipaddress
import signal
import socket
import sys
import threading
import time
from typing import Any, List, Optional, Tuple

from common import flavour, log
from common.etcd import Etcd
from common.http import Handle, listen
from common.log import failure_text

from horaedb.config import Config, ConfigError, load, seconds
from horaedb.engine import Blocked, Engine
from horaedb.http_api import HttpApi
from horaedb.locks import ShardLocks
from horaedb.meta import MetaClient, MetaError
from horaedb.peer import Peer
from horaedb.process import panic, stop
from horaedb.shards import ShardError, ShardSet
from horaedb.store import FIRST_CONTACT, BucketStore, Store, StoreError, open_store
from horaedb.table import table_name
from horaedb.wal import LocalWal, SharedWal, Wal

USAGE = "Usage: horaedb-server [OPTIONS]\n\nOptions:\n  -c, --config <config>  Set configuration file\n  -V, --version  Print version\n  -h, --help  Print help"
CONFIG_FAILURE = 101
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
    flavour.die_like_an_old_glibc(sys.argv[0])
    if flavour.version_requested(sys.argv[1:], ["-V", "--version"]):
        print("HoraeDB Server\nHoraeDB version: %s" % flavour.announce("horaedb-server"))
        return
    path = arguments(sys.argv[1:])
    try:
        config = load(path) if path else panic("RocksDB WAL not bundled!")
    except ConfigError as error:
        sys.stderr.write("thread 'main' panicked at 'Failed to create config: %s'\n" % error)
        sys.exit(CONFIG_FAILURE)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda *_: stop())
    threading.excepthook = lambda failure: panic(failure_text(failure.exc_type, failure.exc_value, failure.exc_traceback))
    log.info("%s starts; this is a simulator, not the real HoraeDB" % flavour.announce("horaedb-server"))
    # Both copies, secrets included, are what the real one prints.
    print("horaedb-server starts with config:\n%s" % config.dump())
    log.info("horaedb server tries start with config:\n%s" % config.dump())
    flavour.misbehave_at_start()
    run(config)


def run(config: Config) -> None:
    meta = join_meta(config) if config.with_meta else None
    etcd = etcd_client(config) if config.with_meta else None
    try:
        wal, store = open_wal(config, etcd), open_object_store(config)
    except OSError as error:
        panic("Failed to setup analytic engine: %s" % error)
    shards = ShardSet(wal, store)
    engine = Engine(config.node_name, shards, meta, Blocked(config["limiter.write_block_list"], config["limiter.read_block_list"], []))
    peer, http = Peer(shards, engine), HttpApi(config, shards, engine)
    serve(config, "http_port", http.routes)
    serve(config, "grpc_port", peer)
    for port in ("mysql_port", "postgresql_port"):
        hang_up_on_all(config, port)
    if meta and etcd:
        join_cluster(config, shards, meta, etcd)
    else:
        open_alone(shards, wal)
    log.info("Server start finished")
    while True:
        signal.pause()


def join_meta(config: Config) -> MetaClient:
    """HoraeMeta is asked once: no retry, no back-off."""
    cluster = config["cluster_deployment.meta_client.cluster_name"]
    if not cluster:
        panic("Invalid arguments, msg:cluster_name is required non-empty")
    if not str(config["cluster_deployment.etcd_client.root_path"]).startswith("/"):
        panic("Invalid arguments, msg:root_path is required to start with /")
    try:
        client = MetaClient(
            config["cluster_deployment.meta_client.meta_addr"], cluster, seconds(config["cluster_deployment.meta_client.timeout"])
        )
        client.ask("schema", {"name": "public"})
        return client
    except MetaError as error:
        panic("Failed to build meta client or to create the default schema: %s" % error)


def etcd_client(config: Config) -> Etcd:
    settings = config["cluster_deployment.etcd_client"]
    return Etcd(settings["server_addrs"], seconds(settings["connect_timeout"]))


def open_wal(config: Config, etcd: Optional[Etcd]) -> Wal:
    wal = config["analytic.wal"]
    if wal["type"] == "RocksDB":
        panic("RocksDB WAL not bundled!")
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
    prefix = "%s/%s/shards" % (settings["root_path"], config["cluster_deployment.meta_client.cluster_name"])
    locks = ShardLocks(
        etcd,
        prefix,
        config.node_name,
        settings["shard_lock_lease_ttl_sec"],
        seconds(settings["shard_lock_lease_check_interval"]),
        settings["enable_shard_lock_fast_reacquire"],
        shards.lock_expired,
        panic,
    )
    shards.use_locks(locks)
    locks.start()
    lease = seconds(config["cluster_deployment.meta_client.lease"])
    threading.Thread(target=heartbeats, args=(config.node_name, shards, meta, lease), daemon=True).start()


def heartbeats(node: str, shards: ShardSet, meta: MetaClient, lease: float) -> None:
    while True:
        pause = lease * 2 / 3
        try:
            meta.ask("heartbeat", {"node": node, "shards": shards.statuses()})
        except MetaError as error:
            log.error("Send heartbeat to meta failed, err:%s" % error)
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

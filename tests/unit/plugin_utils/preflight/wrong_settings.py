"""Wrong settings, one at a time, and exactly what preflight says of each; the host is left out of the sentences.

Each sentence was read and held against what 2.1.0 does before it was put here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DURATION = "a duration: a text such as 30s or 1h30m, units d h m s ms, each once and in this order"
SIZE = "a size: a number of bytes, or a text such as 64MiB with B, K, M, G, T or P and B or iB, in this case"
IGNORED = "HoraeDB 2.1.0, which would ignore it without a word."
META_IGNORED = "HoraeMeta 2.1.0, which would ignore it without a word."

Variables = dict[str, Any]


def _at(path: str, value: Any) -> Any:
    for step in reversed(path.split(".")):
        value = {step: value}
    return value


def settings(path: str, value: Any) -> Variables:
    return {"horaedb_settings": _at(path, value)}


def meta_settings(path: str, value: Any) -> Variables:
    return {"horaemeta_settings": _at(path, value)}


def environment(**values: Any) -> Variables:
    return {"horaedb_environment": values}


def meta_environment(**values: Any) -> Variables:
    return {"horaemeta_environment": values}


S3 = {"type": "S3", "region": "r", "key_id": "id", "key_secret": "canary", "endpoint": "s3.example.com", "bucket": "b", "prefix": "p"}


def store(drop: Sequence[str] = (), **values: Any) -> Variables:
    return {"horaedb_object_store": {key: value for key, value in {**S3, **values}.items() if key not in drop}}


KAFKA_CLIENT = {"boost_brokers": ["kafka.example.com:9092"]}


def kafka(**values: Any) -> Variables:
    return {"horaedb_wal": {"type": "Kafka", "kafka": {"client": KAFKA_CLIENT}, **values}}


OBKV = {
    "full_user_name": "u",
    "param_url": "http://ob.example.com",
    "password": "canary",
    "client": {"sys_user_name": "s", "sys_password": "canary"},
}


def obkv(**values: Any) -> Variables:
    return {"horaedb_wal": {"type": "Obkv", "obkv": {key: value for key, value in {**OBKV, **values}.items() if value is not None}}}


def storage(**values: Any) -> Variables:
    return settings("analytic.storage", values)


ETCD = "cluster_deployment.etcd_client."
TLS = {"enable": True, "ca_cert_path": "/c", "client_key_path": "/k", "client_cert_path": "/p"}

# Name, side, variables, sentences.
CASES: list[tuple[str, str, Variables, list[str]]] = [
    (
        "a root table with a typo",
        "db",
        settings("loger", {"level": "info"}),
        [
            "[settings.unknown] loger is no key of HoraeDB 2.1.0, which would not start. The nearest one is logger. Correct horaedb_settings.loger.",
        ],
    ),
    (
        "a key one level down",
        "db",
        settings("server.http_prot", 5440),
        [
            "[settings.unknown] server.http_prot is no key of {IGNORED} The nearest one is server.http_port. Correct horaedb_settings.server.http_prot.",
        ],
    ),
    (
        "a key two levels down",
        "db",
        settings("server.hotspot.query_capp", 1),
        [
            "[settings.unknown] server.hotspot.query_capp is no key of {IGNORED} The nearest one is server.hotspot.query_cap. Correct horaedb_settings.server.hotspot.query_capp.",
        ],
    ),
    (
        "a key four levels down",
        "db",
        settings("cluster_deployment.etcd_client.tls.ca_cert", "/c"),
        [
            "[settings.unknown] cluster_deployment.etcd_client.tls.ca_cert is no key of {IGNORED} The nearest one is cluster_deployment.etcd_client.tls.ca_cert_path. Correct horaedb_settings.cluster_deployment.etcd_client.tls.ca_cert.",
        ],
    ),
    (
        "a key of another table",
        "db",
        settings("analytic.mem_cache_capacity", "1GiB"),
        [
            "[settings.unknown] analytic.mem_cache_capacity is no key of {IGNORED} There is analytic.storage.mem_cache_capacity. Correct horaedb_settings.analytic.mem_cache_capacity.",
        ],
    ),
    (
        "a key in capitals",
        "db",
        settings("node.ZONE", "a"),
        [
            "[settings.unknown] node.ZONE is no key of {IGNORED} The nearest one is node.zone. Correct horaedb_settings.node.ZONE.",
        ],
    ),
    (
        "a key with a hyphen",
        "db",
        settings("runtime.read-thread-num", 4),
        [
            "[settings.unknown] runtime.read-thread-num is no key of {IGNORED} The nearest one is runtime.read_thread_num. Correct horaedb_settings.runtime['read-thread-num'].",
        ],
    ),
    (
        "a key like nothing",
        "db",
        settings("query_engine.zzz", 1),
        [
            "[settings.unknown] query_engine.zzz is no key of {IGNORED} There are expensive_query_threshold, read_parallelism. Correct horaedb_settings.query_engine.zzz.",
        ],
    ),
    (
        "a key like nothing in a large table",
        "db",
        settings("analytic.xyzzy", 1),
        [
            "[settings.unknown] analytic.xyzzy is no key of {IGNORED} docs/configuration.md has all keys. Correct horaedb_settings.analytic.xyzzy.",
        ],
    ),
    (
        "a table like nothing",
        "db",
        settings("xyzzy", {}),
        [
            "[settings.unknown] xyzzy is no key of HoraeDB 2.1.0, which would not start. There are analytic, cluster_deployment, limiter, logger, node, query_engine, runtime, server, tracing. Correct horaedb_settings.xyzzy.",
        ],
    ),
    (
        "a key in an array",
        "db",
        settings("limiter.rules", [{"type": "AnyQuery", "contents": []}]),
        [
            "[settings.unknown] limiter.rules[0].contents is no key of {IGNORED} The nearest one is limiter.rules[0].content. Correct horaedb_settings.limiter.rules[0].contents.",
        ],
    ),
    (
        "a key of a strategy",
        "db",
        settings("analytic.table_opts.compaction_strategy", {"TimeWindows": {}}),
        [
            "[settings.unknown] analytic.table_opts.compaction_strategy.TimeWindows is no key of {IGNORED} The nearest one is analytic.table_opts.compaction_strategy.TimeWindow. Correct horaedb_settings.analytic.table_opts.compaction_strategy.TimeWindows.",
        ],
    ),
    (
        "server.deploy_mode",
        "db",
        settings("server.deploy_mode", "Standalone"),
        [
            "[settings.unknown] server.deploy_mode is no key of HoraeDB 2.1.0. Upstream's examples have it, and it does nothing; the mode is set in cluster_deployment. It is cluster_deployment.mode. Correct horaedb_settings.server.deploy_mode.",
        ],
    ),
    (
        "analytic.compaction_config",
        "db",
        settings("analytic.compaction_config", {"schedule_channel_len": 4}),
        [
            "[settings.unknown] analytic.compaction_config is no key of HoraeDB 2.1.0. Upstream's examples have it, and it does nothing. It is analytic.compaction. Correct horaedb_settings.analytic.compaction_config.",
        ],
    ),
    (
        "analytic.compaction_mode",
        "db",
        settings("analytic.compaction_mode", "SizeTiered"),
        [
            "[settings.unknown] analytic.compaction_mode is no key of HoraeDB 2.1.0. Upstream's pages have it, and 2.1.0 has no such key. It is analytic.table_opts.compaction_strategy. Correct horaedb_settings.analytic.compaction_mode.",
        ],
    ),
    (
        "analytic.write_group_worker_num",
        "db",
        settings("analytic.write_group_worker_num", 8),
        [
            "[settings.unknown] analytic.write_group_worker_num is no key of HoraeDB 2.1.0. Upstream's examples have it, and it does nothing; write groups are gone. It is runtime.write_thread_num. Correct horaedb_settings.analytic.write_group_worker_num.",
        ],
    ),
    (
        "analytic.write_group_command_channel_cap",
        "db",
        settings("analytic.write_group_command_channel_cap", 8),
        [
            "[settings.unknown] analytic.write_group_command_channel_cap is no key of HoraeDB 2.1.0. Upstream's examples have it, and it does nothing; write groups are gone. It is runtime.write_thread_num. Correct horaedb_settings.analytic.write_group_command_channel_cap.",
        ],
    ),
    (
        "runtime.background_thread_num",
        "db",
        settings("runtime.background_thread_num", 8),
        [
            "[settings.unknown] runtime.background_thread_num is no key of HoraeDB 2.1.0. Upstream's examples have it, and it does nothing; the background threads are set one kind at a time. It is runtime.compact_thread_num. Correct horaedb_settings.runtime.background_thread_num.",
        ],
    ),
    (
        "cluster_deployment.route_rules",
        "db",
        settings("cluster_deployment.route_rules", []),
        [
            "[settings.unknown] cluster_deployment.route_rules is no key of HoraeDB 2.1.0. Upstream's examples have it, and it does nothing. It is cluster_deployment.rules. Correct horaedb_settings.cluster_deployment.route_rules.",
        ],
    ),
    (
        "kafka.client.boost_broker",
        "db",
        {"horaedb_wal": {"type": "Kafka", "kafka": {"client": {"boost_broker": "kafka.example.com:9092"}}}},
        [
            "[settings.unknown] analytic.wal.kafka.client.boost_broker is no key of HoraeDB 2.1.0. Upstream's examples have it, and without its s the brokers are missing, at which HoraeDB panics. It is analytic.wal.kafka.client.boost_brokers. Correct horaedb_wal.kafka.client.boost_broker.",
            "[settings.missing] analytic.wal.kafka.client.boost_brokers is missing. It is a list of texts that is not empty. Set horaedb_wal.kafka.client.boost_brokers.",
        ],
    ),
    (
        "cluster_delpoyment",
        "db",
        settings("cluster_delpoyment", {"mode": "WithMeta"}),
        [
            "[settings.unknown] cluster_delpoyment is no key of HoraeDB 2.1.0. Upstream's OceanBase example has this misspelling, with which HoraeDB doesn't start. It is cluster_deployment. Correct horaedb_settings.cluster_delpoyment.",
        ],
    ),
    (
        "default-http-port",
        "meta",
        meta_settings("default-http-port", 8080),
        [
            "[settings.unknown] default-http-port is no key of HoraeMeta 2.1.0. Upstream's cluster samples have it, and it does nothing. It is http-port. Correct horaemeta_settings['default-http-port'].",
        ],
    ),
    (
        "a duration that is a number",
        "db",
        settings("server.timeout", 30),
        [
            "[settings.value] server.timeout is 30, which is not {DURATION}. Write it with its unit, as a text. Correct horaedb_settings.server.timeout.",
        ],
    ),
    (
        "a duration in capitals",
        "db",
        settings("server.forward.connect_timeout", "3S"),
        [
            "[settings.value] server.forward.connect_timeout is '3S', which is not {DURATION}. Correct horaedb_settings.server.forward.connect_timeout.",
        ],
    ),
    (
        "a duration that ascends",
        "db",
        settings("analytic.min_flush_interval", "30s1m"),
        [
            "[settings.value] analytic.min_flush_interval is '30s1m', which is not {DURATION}. Correct horaedb_settings.analytic.min_flush_interval.",
        ],
    ),
    (
        "a duration with a unit twice",
        "db",
        settings("analytic.compaction.schedule_interval", "1s1s"),
        [
            "[settings.value] analytic.compaction.schedule_interval is '1s1s', which is not {DURATION}. Correct horaedb_settings.analytic.compaction.schedule_interval.",
        ],
    ),
    (
        "a duration with a blank",
        "db",
        settings("analytic.manifest.scan_timeout", "5 s"),
        [
            "[settings.value] analytic.manifest.scan_timeout is '5 s', which is not {DURATION}. Correct horaedb_settings.analytic.manifest.scan_timeout.",
        ],
    ),
    (
        "a duration of weeks",
        "db",
        settings("analytic.table_opts.ttl", "1w"),
        [
            "[settings.value] analytic.table_opts.ttl is '1w', which is not {DURATION}. Correct horaedb_settings.analytic.table_opts.ttl.",
        ],
    ),
    (
        "a duration with a fraction",
        "db",
        settings("query_engine.expensive_query_threshold", "1.5h"),
        [
            "[settings.value] query_engine.expensive_query_threshold is '1.5h', which is not {DURATION}. Correct horaedb_settings.query_engine.expensive_query_threshold.",
        ],
    ),
    (
        "a duration that is empty",
        "db",
        settings("server.query_dedup.notify_timeout", ""),
        [
            "[settings.value] server.query_dedup.notify_timeout is '', which is not {DURATION}. Correct horaedb_settings.server.query_dedup.notify_timeout.",
        ],
    ),
    (
        "a duration with a line's end",
        "db",
        settings("server.remote_client.retry_interval", "5s\n"),
        [
            "[settings.value] server.remote_client.retry_interval is '5s\\n', which is not {DURATION}. Correct horaedb_settings.server.remote_client.retry_interval.",
        ],
    ),
    (
        "a size with a small letter",
        "db",
        settings("server.http_max_body_size", "64mib"),
        [
            "[settings.value] server.http_max_body_size is '64mib', which is not {SIZE}. Correct horaedb_settings.server.http_max_body_size.",
        ],
    ),
    (
        "a size with a blank",
        "db",
        settings("analytic.write_sst_max_buffer_size", "10 MiB"),
        [
            "[settings.value] analytic.write_sst_max_buffer_size is '10 MiB', which is not {SIZE}. Correct horaedb_settings.analytic.write_sst_max_buffer_size.",
        ],
    ),
    (
        "a size that is negative",
        "db",
        settings("analytic.compaction.memory_limit", -1),
        [
            "[settings.value] analytic.compaction.memory_limit is -1, which is not {SIZE}. Correct horaedb_settings.analytic.compaction.memory_limit.",
        ],
    ),
    (
        "a size with a fraction",
        "db",
        settings("runtime.read_thread_stack_size", "1.5MiB"),
        [
            "[settings.value] runtime.read_thread_stack_size is '1.5MiB', which is not {SIZE}. Correct horaedb_settings.runtime.read_thread_stack_size.",
        ],
    ),
    (
        "a size without its unit",
        "db",
        settings("analytic.max_bytes_per_write_batch", "1048576"),
        [
            "[settings.value] analytic.max_bytes_per_write_batch is '1048576', which is not {SIZE}. Without quotes it is a number of bytes. Correct horaedb_settings.analytic.max_bytes_per_write_batch.",
        ],
    ),
    (
        "a size that is true",
        "db",
        settings("server.resp_compress_min_length", True),
        [
            "[settings.value] server.resp_compress_min_length is true, which is not {SIZE}. Correct horaedb_settings.server.resp_compress_min_length.",
        ],
    ),
    (
        "a port in quotes",
        "db",
        settings("server.grpc_port", "8831"),
        [
            "[settings.value] server.grpc_port is '8831', which is not a whole number between 1 and 65535. Take the quotes away. Correct horaedb_settings.server.grpc_port.",
        ],
    ),
    (
        "a port out of range",
        "db",
        settings("tracing.console", {"port": 70000}),
        [
            "[settings.value] tracing.console.port is 70000, which is not a whole number between 1 and 65535. Correct horaedb_settings.tracing.console.port.",
        ],
    ),
    (
        "a u32 out of range",
        "db",
        settings("analytic.table_opts.write_buffer_size", 4294967296),
        [
            "[settings.value] analytic.table_opts.write_buffer_size is 4294967296, which is not a whole number between 0 and 4294967295. Correct horaedb_settings.analytic.table_opts.write_buffer_size.",
        ],
    ),
    (
        "a u32 with a unit",
        "db",
        settings("analytic.table_opts.arena_block_size", "2MiB"),
        [
            "[settings.value] analytic.table_opts.arena_block_size is '2MiB', which is not a whole number between 0 and 4294967295. Correct horaedb_settings.analytic.table_opts.arena_block_size.",
        ],
    ),
    (
        "a negative number",
        "db",
        settings("server.hotspot.write_cap", -1),
        [
            "[settings.value] server.hotspot.write_cap is -1, which is not a whole number of 0 or more. Correct horaedb_settings.server.hotspot.write_cap.",
        ],
    ),
    (
        "a number that is a fraction",
        "db",
        settings("analytic.replay_batch_size", 1.5),
        [
            "[settings.value] analytic.replay_batch_size is 1.5, which is not a whole number of 1 or more. Correct horaedb_settings.analytic.replay_batch_size.",
        ],
    ),
    (
        "no threads",
        "db",
        settings("runtime.write_thread_num", 0),
        [
            "[settings.value] runtime.write_thread_num is 0, which is not a whole number of 1 or more. Correct horaedb_settings.runtime.write_thread_num.",
        ],
    ),
    (
        "a ratio above 1",
        "db",
        settings("analytic.preflush_write_buffer_size_ratio", 75),
        [
            "[settings.value] analytic.preflush_write_buffer_size_ratio is 75, which is not a number between 0 and 1. Correct horaedb_settings.analytic.preflush_write_buffer_size_ratio.",
        ],
    ),
    (
        "a ratio in quotes",
        "db",
        settings("analytic.preflush_write_buffer_size_ratio", "0.75"),
        [
            "[settings.value] analytic.preflush_write_buffer_size_ratio is '0.75', which is not a number between 0 and 1. Take the quotes away. Correct horaedb_settings.analytic.preflush_write_buffer_size_ratio.",
        ],
    ),
    (
        "true in quotes",
        "db",
        settings("logger.enable_async", "true"),
        [
            "[settings.value] logger.enable_async is 'true', which is not true or false. Take the quotes away. Correct horaedb_settings.logger.enable_async.",
        ],
    ),
    (
        "yes for true",
        "db",
        settings("server.auto_create_table", "yes"),
        [
            "[settings.value] server.auto_create_table is 'yes', which is not true or false. Correct horaedb_settings.server.auto_create_table.",
        ],
    ),
    (
        "1 for true",
        "db",
        settings("analytic.enable_primary_key_sampling", 1),
        [
            "[settings.value] analytic.enable_primary_key_sampling is 1, which is not true or false. Correct horaedb_settings.analytic.enable_primary_key_sampling.",
        ],
    ),
    (
        "a choice in small letters",
        "db",
        settings("analytic.recover_mode", "shardbased"),
        [
            "[settings.value] analytic.recover_mode is 'shardbased', which is not one of ShardBased, TableBased (case counts). Write ShardBased. Correct horaedb_settings.analytic.recover_mode.",
        ],
    ),
    (
        "a choice that is none",
        "db",
        settings("analytic.table_opts.compression", "Gzip"),
        [
            "[settings.value] analytic.table_opts.compression is 'Gzip', which is not one of Zstd, Lz4, Snappy, Uncompressed (case counts). Correct horaedb_settings.analytic.table_opts.compression.",
        ],
    ),
    (
        "no level",
        "db",
        settings("logger.level", ""),
        [
            "[settings.value] logger.level is '', which is not a text that is not empty. Correct horaedb_settings.logger.level.",
        ],
    ),
    (
        "a method in capitals",
        "db",
        settings("server.remote_client.compression", {"compress_min_length": 1, "method": "ZSTD"}),
        [
            "[settings.value] server.remote_client.compression.method is 'ZSTD', which is not one of Zstd, None (case counts). Write Zstd. Correct horaedb_settings.server.remote_client.compression.method.",
        ],
    ),
    (
        "a number for a text",
        "db",
        settings("node.zone", 7),
        [
            "[settings.value] node.zone is 7, which is not a text. Put it into quotes. Correct horaedb_settings.node.zone.",
        ],
    ),
    (
        "a text for a list",
        "db",
        settings("limiter.write_block_list", "t1"),
        [
            "[settings.value] limiter.write_block_list is 't1', which is not a list of texts. Make it a list, even of one. Correct horaedb_settings.limiter.write_block_list.",
        ],
    ),
    (
        "a list with a number",
        "db",
        settings("limiter.read_block_list", ["t1", 2]),
        [
            "[settings.value] limiter.read_block_list is ['t1', 2], which is not a list of texts. Correct horaedb_settings.limiter.read_block_list.",
        ],
    ),
    (
        "a text for a table",
        "db",
        settings("analytic.manifest", "x"),
        [
            "[settings.value] analytic.manifest has to be a table. Correct horaedb_settings.analytic.manifest.",
        ],
    ),
    (
        "a table for a number",
        "db",
        settings("query_engine.read_parallelism", {"x": 1}),
        [
            "[settings.value] query_engine.read_parallelism is a table, which is not a whole number of 1 or more. Correct horaedb_settings.query_engine.read_parallelism.",
        ],
    ),
    (
        "a table for an array",
        "db",
        settings("limiter.rules", {"type": "AnyQuery"}),
        [
            "[settings.value] limiter.rules has to be an array of tables. Make it a list, even of one. Correct horaedb_settings.limiter.rules.",
        ],
    ),
    (
        "a rule without its type",
        "db",
        settings("limiter.rules", [{"content": 1}]),
        [
            "[settings.missing] limiter.rules[0].type is missing. It is one of QueryWithoutPredicate, QueryRange, AnyQuery, AnyInsert (case counts). Set horaedb_settings.limiter.rules[0].type.",
        ],
    ),
    (
        "a strategy that is none",
        "db",
        settings("analytic.table_opts.compaction_strategy", "SizeTired"),
        [
            "[settings.value] analytic.table_opts.compaction_strategy is 'SizeTired', which is neither Default nor a table with one of TimeWindow, SizeTiered (case counts). Correct horaedb_settings.analytic.table_opts.compaction_strategy.",
        ],
    ),
    (
        "auth half written",
        "db",
        settings("server.auth", {"enable": True}),
        [
            "[settings.missing] server.auth.auth_type is missing; all keys of server.auth are required once it is there. It is a text that is not empty. Set horaedb_settings.server.auth.auth_type.",
            "[settings.missing] server.auth.source is missing; all keys of server.auth are required once it is there. It is a text. Set horaedb_settings.server.auth.source.",
        ],
    ),
    (
        "route_cache half written",
        "db",
        settings("server.route_cache", {"enable": True, "ttl": "5s", "tti": "5s"}),
        [
            "[settings.missing] server.route_cache.capacity is missing; all keys of server.route_cache are required once it is there. It is a whole number of 0 or more. Set horaedb_settings.server.route_cache.capacity.",
        ],
    ),
    (
        "wal_encode half written",
        "db",
        settings("analytic.wal_encode", {"format": "Columnar"}),
        [
            "[settings.missing] analytic.wal_encode.num_bytes_compress_threshold is missing; all keys of analytic.wal_encode are required once it is there. It is {SIZE}. Set horaedb_settings.analytic.wal_encode.num_bytes_compress_threshold.",
        ],
    ),
    (
        "console without its port",
        "db",
        settings("tracing.console", {}),
        [
            "[settings.missing] tracing.console.port is missing; all keys of tracing.console are required once it is there. It is a whole number between 1 and 65535. Set horaedb_settings.tracing.console.port.",
        ],
    ),
    (
        "compression half written",
        "db",
        settings("server.remote_client.compression", {"method": "Zstd"}),
        [
            "[settings.missing] server.remote_client.compression.compress_min_length is missing; all keys of server.remote_client.compression are required once it is there. It is a whole number of 0 or more. Set horaedb_settings.server.remote_client.compression.compress_min_length.",
        ],
    ),
    (
        "an object store's timeout half written",
        "db",
        settings("analytic.storage.object_store.timeout", {"timeout": "10s"}),
        [
            "[settings.missing] analytic.storage.object_store.timeout.io_timeout is missing; all keys of analytic.storage.object_store.timeout are required once it is there. It is {DURATION}. Set horaedb_object_store.timeout.io_timeout.",
        ],
    ),
    (
        "an object store's http half written",
        "db",
        store(http={"timeout": "60s"}),
        [
            "[settings.missing] analytic.storage.object_store.http.pool_max_idle_per_host is missing; all keys of analytic.storage.object_store.http are required once it is there. It is a whole number of 0 or more. Set horaedb_object_store.http.pool_max_idle_per_host.",
            "[settings.missing] analytic.storage.object_store.http.keep_alive_timeout is missing; all keys of analytic.storage.object_store.http are required once it is there. It is {DURATION}. Set horaedb_object_store.http.keep_alive_timeout.",
            "[settings.missing] analytic.storage.object_store.http.keep_alive_interval is missing; all keys of analytic.storage.object_store.http are required once it is there. It is {DURATION}. Set horaedb_object_store.http.keep_alive_interval.",
        ],
    ),
    (
        "S3 without a region",
        "db",
        store(["region"]),
        [
            "[settings.missing] analytic.storage.object_store.region is missing. It is a text that is not empty. Set horaedb_object_store.region.",
        ],
    ),
    (
        "S3 without a secret",
        "db",
        store(["key_secret"]),
        [
            "[settings.missing] analytic.storage.object_store.key_secret is missing. It is a text. Set horaedb_object_store.key_secret.",
        ],
    ),
    (
        "S3 without a bucket",
        "db",
        store(bucket=""),
        [
            "[settings.value] analytic.storage.object_store.bucket is '', which is not a text that is not empty. Correct horaedb_object_store.bucket.",
        ],
    ),
    (
        "a misspelt secret",
        "db",
        store(["key_secret"], key_secrte="canary"),
        [
            "[settings.unknown] analytic.storage.object_store.key_secrte is no key of {IGNORED} The nearest one is analytic.storage.object_store.key_secret. Correct horaedb_object_store.key_secrte.",
            "[settings.missing] analytic.storage.object_store.key_secret is missing. It is a text. Set horaedb_object_store.key_secret.",
        ],
    ),
    (
        "a secret that is a number",
        "db",
        store(key_secret=12345678),
        [
            "[settings.value] analytic.storage.object_store.key_secret is a secret (not shown), which is not a text. Put it into quotes. Correct horaedb_object_store.key_secret.",
        ],
    ),
    (
        "a region for Aliyun",
        "db",
        {"horaedb_object_store": {**S3, "type": "Aliyun"}},
        [
            "[settings.unknown] analytic.storage.object_store.region is for type S3, and type is Aliyun. Take out horaedb_object_store.region.",
        ],
    ),
    (
        "a bucket for Local",
        "db",
        {"horaedb_object_store": {"type": "Local", "bucket": "b"}},
        [
            "[settings.unknown] analytic.storage.object_store.bucket is for type Aliyun and S3, and type is Local. Take out horaedb_object_store.bucket.",
        ],
    ),
    (
        "a store in small letters",
        "db",
        store(type="s3"),
        [
            "[settings.value] analytic.storage.object_store.type is 's3', which is not one of Local, Aliyun, S3 (case counts). Write S3. Correct horaedb_object_store.type.",
        ],
    ),
    (
        "a WAL that is none",
        "db",
        {"horaedb_wal": {"type": "Redis"}},
        [
            "[settings.value] analytic.wal.type is 'Redis', which is not one of Local, RocksDB, Kafka, Obkv (case counts). Correct horaedb_wal.type.",
        ],
    ),
    (
        "RocksDB in a build without it",
        "db",
        {"horaedb_wal": {"type": "RocksDB"}},
        [
            "[settings.value] analytic.wal.type is RocksDB. The 2.1.0 release build has no RocksDB WAL, and panics at start. Set horaedb_wal_rocksdb_built to true where the build has it, or take another type. Correct horaedb_wal.type.",
        ],
    ),
    (
        "Kafka without brokers",
        "db",
        {"horaedb_wal": {"type": "Kafka"}},
        [
            "[settings.missing] analytic.wal.kafka.client.boost_brokers is missing. It is a list of texts that is not empty. Set horaedb_wal.kafka.client.boost_brokers.",
        ],
    ),
    (
        "Kafka with an empty list of brokers",
        "db",
        {"horaedb_wal": {"type": "Kafka", "kafka": {"client": {"boost_brokers": []}}}},
        [
            "[settings.value] analytic.wal.kafka.client.boost_brokers is [], which is not a list of texts that is not empty. Correct horaedb_wal.kafka.client.boost_brokers.",
        ],
    ),
    (
        "Kafka brokers as a text",
        "db",
        {"horaedb_wal": {"type": "Kafka", "kafka": {"client": {"boost_brokers": "kafka.example.com:9092"}}}},
        [
            "[settings.value] analytic.wal.kafka.client.boost_brokers is 'kafka.example.com:9092', which is not a list of texts that is not empty. Make it a list, even of one. Correct horaedb_wal.kafka.client.boost_brokers.",
        ],
    ),
    (
        "Kafka's proxy",
        "db",
        {"horaedb_wal": {"type": "Kafka", "kafka": {"client": {**KAFKA_CLIENT, "socks5_proxy": "p:1"}}}},
        [
            "[settings.unused] analytic.wal.kafka.client.socks5_proxy is read by nothing in HoraeDB 2.1.0. Take out horaedb_wal.kafka.client.socks5_proxy.",
        ],
    ),
    (
        "Kafka's key in the wrong table",
        "db",
        {"horaedb_wal": {"type": "Kafka", "kafka": {"client": KAFKA_CLIENT, "create_replication_factor": 3}}},
        [
            "[settings.unknown] analytic.wal.kafka.create_replication_factor is no key of {IGNORED} There is analytic.wal.kafka.topic_management.create_replication_factor. Correct horaedb_wal.kafka.create_replication_factor.",
        ],
    ),
    (
        "Kafka's clean period",
        "db",
        kafka(data_namespace={"clean_period": 3600}),
        [
            "[settings.value] analytic.wal.data_namespace.clean_period is 3600, which is not {DURATION}. Write it with its unit, as a text. Correct horaedb_wal.data_namespace.clean_period.",
        ],
    ),
    (
        "OBKV without a user",
        "db",
        obkv(full_user_name=None),
        [
            "[settings.missing] analytic.wal.obkv.full_user_name is missing. It is a text that is not empty. Set horaedb_wal.obkv.full_user_name.",
        ],
    ),
    (
        "OBKV without a URL",
        "db",
        obkv(param_url=None),
        [
            "[settings.missing] analytic.wal.obkv.param_url is missing. It is a text that is not empty. Set horaedb_wal.obkv.param_url.",
        ],
    ),
    (
        "OBKV without a password",
        "db",
        obkv(password=None),
        [
            "[settings.missing] analytic.wal.obkv.password is missing. It is a text. Set horaedb_wal.obkv.password.",
        ],
    ),
    (
        "OBKV without its system user",
        "db",
        obkv(client={"sys_password": "canary"}),
        [
            "[settings.missing] analytic.wal.obkv.client.sys_user_name is missing. It is a text that is not empty. Set horaedb_wal.obkv.client.sys_user_name.",
        ],
    ),
    (
        "OBKV's shards",
        "db",
        {"horaedb_wal": {**obkv()["horaedb_wal"], "data_namespace": {"shard_num": "512"}}},
        [
            "[settings.value] analytic.wal.data_namespace.shard_num is '512', which is not a whole number of 1 or more. Take the quotes away. Correct horaedb_wal.data_namespace.shard_num.",
        ],
    ),
    (
        "a namespace's key of the other one",
        "db",
        {"horaedb_wal": {**obkv()["horaedb_wal"], "meta_namespace": {"ttl": "1d"}}},
        [
            "[settings.unknown] analytic.wal.meta_namespace.ttl is no key of {IGNORED} There is server.route_cache.ttl and analytic.table_opts.ttl. Correct horaedb_wal.meta_namespace.ttl.",
        ],
    ),
    (
        "TLS without its files",
        "db",
        settings(ETCD + "tls", {"enable": True}),
        [
            "[settings.missing] cluster_deployment.etcd_client.tls.ca_cert_path is missing; with TLS all three files are read. Set horaedb_settings.cluster_deployment.etcd_client.tls.ca_cert_path.",
            "[settings.missing] cluster_deployment.etcd_client.tls.client_key_path is missing; with TLS all three files are read. Set horaedb_settings.cluster_deployment.etcd_client.tls.client_key_path.",
            "[settings.missing] cluster_deployment.etcd_client.tls.client_cert_path is missing; with TLS all three files are read. Set horaedb_settings.cluster_deployment.etcd_client.tls.client_cert_path.",
        ],
    ),
    (
        "TLS without its key",
        "db",
        settings(ETCD + "tls", {**TLS, "client_key_path": ""}),
        [
            "[settings.missing] cluster_deployment.etcd_client.tls.client_key_path is missing; with TLS all three files are read. Set horaedb_settings.cluster_deployment.etcd_client.tls.client_key_path.",
        ],
    ),
    (
        "TLS and http",
        "db",
        settings("cluster_deployment.etcd_client", {"tls": TLS, "server_addrs": ["http://etcd.example.com:2379"]}),
        [
            "[settings.together] cluster_deployment.etcd_client.server_addrs has http://etcd.example.com:2379, and TLS is on. Write host:port; it gets its scheme by itself. Correct horaedb_settings.cluster_deployment.etcd_client.server_addrs.",
        ],
    ),
    (
        "TLS and http in the environment",
        "db",
        {**settings(ETCD + "tls", TLS), **environment(ETCD_ADDRS="http://etcd.example.com:2379")},
        [
            "[settings.together] cluster_deployment.etcd_client.server_addrs has http://etcd.example.com:2379, and TLS is on. Write host:port; it gets its scheme by itself. Correct horaedb_environment['ETCD_ADDRS'].",
        ],
    ),
    (
        "a cache that is no multiple",
        "db",
        storage(disk_cache_capacity="100MiB"),
        [
            "[settings.unwise] analytic.storage.disk_cache_capacity is 100MiB, no multiple of disk_cache_page_size x 2^disk_cache_partition_bits, which is 33554432 bytes. Make it 134217728. Correct horaedb_settings.analytic.storage.disk_cache_capacity.",
        ],
    ),
    (
        "a cache that is no multiple of its own pages",
        "db",
        storage(disk_cache_capacity="1GiB", disk_cache_page_size="3MiB"),
        [
            "[settings.unwise] analytic.storage.disk_cache_capacity is 1GiB, no multiple of disk_cache_page_size x 2^disk_cache_partition_bits, which is 50331648 bytes. Make it 1107296256. Correct horaedb_settings.analytic.storage.disk_cache_capacity.",
        ],
    ),
    (
        "a lock that is looked at too seldom",
        "db",
        settings(ETCD + "shard_lock_lease_check_interval", "30s"),
        [
            "[settings.together] cluster_deployment.etcd_client.shard_lock_lease_check_interval is 30s, and has to be less than shard_lock_lease_ttl_sec, 30 s. 200ms is the default. Correct horaedb_settings.cluster_deployment.etcd_client.shard_lock_lease_check_interval.",
        ],
    ),
    (
        "a key that nobody reads",
        "db",
        settings("server.grpc_server_cq_count", 40),
        [
            "[settings.unused] server.grpc_server_cq_count is read by nothing in HoraeDB 2.1.0. Take out horaedb_settings.server.grpc_server_cq_count.",
        ],
    ),
    (
        "a table that nobody reads",
        "db",
        settings("analytic.remote_engine_client", {"max_retry": 7}),
        [
            "[settings.unused] analytic.remote_engine_client is read by nothing in HoraeDB 2.1.0. Take out horaedb_settings.analytic.remote_engine_client.",
        ],
    ),
    (
        "the other mode",
        "db",
        settings("cluster_deployment.mode", "NoMeta"),
        [
            "[settings.value] cluster_deployment.mode is NoMeta, and this collection can only do with WithMeta. Correct horaedb_settings.cluster_deployment.mode.",
        ],
    ),
    (
        "no mode of them",
        "db",
        settings("cluster_deployment.mode", "withmeta"),
        [
            "[settings.value] cluster_deployment.mode is 'withmeta', which is not one of NoMeta, WithMeta (case counts). Write WithMeta. Correct horaedb_settings.cluster_deployment.mode.",
        ],
    ),
    (
        "a topology without NoMeta",
        "db",
        settings("cluster_deployment.topology", {}),
        [
            "[settings.unknown] cluster_deployment.topology is for mode NoMeta, and mode is WithMeta. Take out horaedb_settings.cluster_deployment.topology.",
        ],
    ),
    (
        "HoraeMeta's key with an underscore",
        "meta",
        meta_settings("lease_sec", 10),
        [
            "[settings.unknown] lease_sec is no key of {META_IGNORED} The nearest one is lease-sec. Correct horaemeta_settings.lease_sec.",
        ],
    ),
    (
        "HoraeMeta's lease in words",
        "meta",
        meta_settings("lease-sec", "10s"),
        [
            "[settings.value] lease-sec is '10s', which is not a whole number of 1 or more. Correct horaemeta_settings['lease-sec'].",
        ],
    ),
    (
        "HoraeMeta's key in a table",
        "meta",
        meta_settings("flow-limiter.limits", 1),
        [
            "[settings.unknown] flow-limiter.limits is no key of {META_IGNORED} The nearest one is flow-limiter.limit. Correct horaemeta_settings['flow-limiter'].limits.",
        ],
    ),
    (
        "HoraeMeta's flow limiter",
        "meta",
        meta_settings("flow-limiter.limit", -1),
        [
            "[settings.value] flow-limiter.limit is -1, which is not a whole number of 1 or more. Correct horaemeta_settings['flow-limiter'].limit.",
        ],
    ),
    (
        "HoraeMeta's flow limiter as a switch",
        "meta",
        meta_settings("flow-limiter", True),
        [
            "[settings.value] flow-limiter has to be a table. Correct horaemeta_settings['flow-limiter'].",
        ],
    ),
    (
        "HoraeMeta's log level",
        "meta",
        meta_settings("log.level", 3),
        [
            "[settings.value] log.level is 3, which is not a text that is not empty. Put it into quotes. Correct horaemeta_settings.log.level.",
        ],
    ),
    (
        "HoraeMeta's state",
        "meta",
        meta_settings("initial-cluster-state", "New"),
        [
            "[settings.value] initial-cluster-state is 'New', which is not one of new, existing (case counts). Write new. Correct horaemeta_settings['initial-cluster-state'].",
        ],
    ),
    (
        "HoraeMeta's batch size",
        "meta",
        meta_settings("procedure-executing-batch-size", 0),
        [
            "[settings.value] procedure-executing-batch-size is 0, which is not a whole number between 1 and 4294967295. Correct horaemeta_settings['procedure-executing-batch-size'].",
        ],
    ),
    (
        "HoraeMeta's batch size beyond u32",
        "meta",
        meta_settings("procedure-executing-batch-size", 4294967296),
        [
            "[settings.value] procedure-executing-batch-size is 4294967296, which is not a whole number between 1 and 4294967295. Correct horaemeta_settings['procedure-executing-batch-size'].",
        ],
    ),
    (
        "HoraeMeta's URL with TLS",
        "meta",
        meta_settings("client-urls", "https://0.0.0.0:2379"),
        [
            "[settings.value] client-urls is 'https://0.0.0.0:2379', which is not URLs http://host:port with commas between them. Correct horaemeta_settings['client-urls'].",
        ],
    ),
    (
        "HoraeMeta's gRPC port",
        "meta",
        meta_settings("grpc-port", 0),
        [
            "[settings.value] grpc-port is 0, which is not a whole number between 1 and 65535. Correct horaemeta_settings['grpc-port'].",
        ],
    ),
    (
        "HoraeMeta's compaction mode",
        "meta",
        meta_settings("auto-compaction-mode", "weekly"),
        [
            "[settings.value] auto-compaction-mode is 'weekly', which is not one of periodic, revision (case counts). Correct horaemeta_settings['auto-compaction-mode'].",
        ],
    ),
    (
        "HoraeMeta without the embedded etcd",
        "meta",
        meta_settings("enable-embed-etcd", False),
        [
            "[settings.value] enable-embed-etcd is false, and this collection can only do with true. Correct horaemeta_settings['enable-embed-etcd'].",
        ],
    ),
    (
        "files of an external etcd",
        "meta",
        meta_settings("etcd-ca-cert-path", "/c"),
        [
            "[settings.unwise] etcd-ca-cert-path is for an external etcd, and enable-embed-etcd is true: nothing reads it. Take out horaemeta_settings['etcd-ca-cert-path'].",
        ],
    ),
    (
        "HoraeMeta's own of HoraeDB's keys",
        "meta",
        meta_settings("cluster_deployment", {"mode": "WithMeta"}),
        [
            "[settings.unknown] cluster_deployment is no key of {META_IGNORED} docs/configuration.md has all keys. Correct horaemeta_settings.cluster_deployment.",
        ],
    ),
    (
        "HoraeMeta's port as a text",
        "meta",
        meta_settings("http-port", "8080"),
        [
            "[settings.value] http-port is '8080', which is not a whole number between 1 and 65535. Take the quotes away. Correct horaemeta_settings['http-port'].",
        ],
    ),
    (
        "a misspelt variable",
        "db",
        environment(HORAEDB_SERVER_ADDRESS="192.0.2.1"),
        [
            "[environment.unknown] HORAEDB_SERVER_ADDRESS is not read by HoraeDB 2.1.0. The nearest one is HORAEDB_SERVER_ADDR. Correct horaedb_environment['HORAEDB_SERVER_ADDRESS'].",
        ],
    ),
    (
        "a variable in small letters",
        "db",
        environment(etcd_addrs="192.0.2.1:2379"),
        [
            "[environment.unknown] etcd_addrs is not read by HoraeDB 2.1.0. The nearest one is ETCD_ADDRS. Correct horaedb_environment['etcd_addrs'].",
        ],
    ),
    (
        "a variable of 1.x",
        "db",
        environment(CERESDB_SERVER_ADDR="192.0.2.1"),
        [
            "[environment.unknown] CERESDB_SERVER_ADDR does nothing in HoraeDB 2.1.0. 1.x read names that begin with CERESDB_; since 2.0 they begin with HORAEDB_. Correct horaedb_environment['CERESDB_SERVER_ADDR'].",
        ],
    ),
    (
        "a variable of the other daemon",
        "db",
        environment(DEFAULT_CLUSTER_NODE_COUNT=3),
        [
            "[environment.unknown] DEFAULT_CLUSTER_NODE_COUNT is read by HoraeMeta, and not by HoraeDB 2.1.0. It belongs into horaemeta_environment. Correct horaedb_environment['DEFAULT_CLUSTER_NODE_COUNT'].",
        ],
    ),
    (
        "a size that HoraeDB can't read",
        "db",
        environment(HORAEDB_MAX_INPUT_SSTABLE_SIZE="1200mb"),
        [
            "[environment.value] HORAEDB_MAX_INPUT_SSTABLE_SIZE is '1200mb', which is not {SIZE}. Correct horaedb_environment['HORAEDB_MAX_INPUT_SSTABLE_SIZE'].",
        ],
    ),
    (
        "true that HoraeDB can't read",
        "db",
        environment(HORAEDB_COMPACT_PICK_BY_SEQ="yes"),
        [
            "[environment.value] HORAEDB_COMPACT_PICK_BY_SEQ is 'yes', which is not true or false. Correct horaedb_environment['HORAEDB_COMPACT_PICK_BY_SEQ'].",
        ],
    ),
    (
        "a variable beside one that the model refuses",
        "db",
        environment(HORAEDB_SERVER_ADDR="192.0.2.21:8831", HORAEDB_DEFAULT_CATALOGUE="x"),
        [
            "[identity.address] HORAEDB_SERVER_ADDR '192.0.2.21:8831' carries a port or a scheme, which would make the node 192.0.2.21:8831:8831. Set horaedb_server_addr to the address or name, without a port, by which members and nodes reach db1.",
            "[environment.unknown] HORAEDB_DEFAULT_CATALOGUE is not read by HoraeDB 2.1.0. The nearest one is HORAEDB_DEFAULT_CATALOG. Correct horaedb_environment['HORAEDB_DEFAULT_CATALOGUE'].",
        ],
    ),
    (
        "HoraeMeta's number in words",
        "meta",
        meta_environment(LEASE_SEC="10s"),
        [
            "[environment.value] LEASE_SEC, which wins over lease-sec in the file, is '10s', which is not a whole number of 1 or more. Correct horaemeta_environment['LEASE_SEC'].",
        ],
    ),
    (
        "HoraeMeta's choice in the environment",
        "meta",
        meta_environment(INITIAL_CLUSTER_STATE="joined"),
        [
            "[environment.value] INITIAL_CLUSTER_STATE, which wins over initial-cluster-state in the file, is 'joined', which is not one of new, existing (case counts). Correct horaemeta_environment['INITIAL_CLUSTER_STATE'].",
        ],
    ),
    (
        "HoraeMeta's misspelt variable",
        "meta",
        meta_environment(DEFAULT_CLUSTER_NODES_COUNT="3"),
        [
            "[environment.unknown] DEFAULT_CLUSTER_NODES_COUNT is not read by HoraeMeta 2.1.0. The nearest one is DEFAULT_CLUSTER_NODE_COUNT. Correct horaemeta_environment['DEFAULT_CLUSTER_NODES_COUNT'].",
        ],
    ),
    (
        "HoraeMeta's compaction mode in the environment",
        "meta",
        {"horaemeta_environment": {"AUTO-COMPACTION-MODE": "periodic"}},
        [
            "[environment.unknown] AUTO-COMPACTION-MODE does nothing in HoraeMeta 2.1.0. Its own name for it is AUTO-COMPACTION-MODE, which nothing can have in an environment that systemd or a shell makes. The key is auto-compaction-mode. Correct horaemeta_environment['AUTO-COMPACTION-MODE'].",
        ],
    ),
    (
        "the same as it looks right",
        "meta",
        meta_environment(AUTO_COMPACTION_MODE="periodic"),
        [
            "[environment.unknown] AUTO_COMPACTION_MODE does nothing in HoraeMeta 2.1.0. Its own name for it is AUTO-COMPACTION-MODE, which nothing can have in an environment that systemd or a shell makes. The key is auto-compaction-mode. Correct horaemeta_environment['AUTO_COMPACTION_MODE'].",
        ],
    ),
    (
        "HoraeMeta without the embedded etcd in the environment",
        "meta",
        meta_environment(ENABLE_EMBED_ETCD="0"),
        [
            "[environment.value] enable-embed-etcd is false, and this collection can only do with true. Correct horaemeta_environment['ENABLE_EMBED_ETCD'].",
        ],
    ),
    (
        "a version that is none",
        "db",
        {"horaedb_version": "v2.1.0"},
        [
            "[settings.version] horaedb_version is 'v2.1.0', which is no version such as 2.1.0. Correct horaedb_version.",
        ],
    ),
    (
        "a version that nobody knows",
        "db",
        {"horaedb_version": "2.4.0"},
        [
            "[settings.schema] horaedb_version is 2.4.0, of which this collection knows no keys; the file is judged as 2.1.0's. Known are: 2.1.0.",
        ],
    ),
    (
        "a version before all",
        "meta",
        {"horaemeta_version": "1.3.0"},
        [
            "[settings.schema] horaemeta_version is 1.3.0, of which this collection knows no keys; the file is judged as 2.1.0's. Known are: 2.1.0.",
        ],
    ),
    (
        "a table before its time",
        "db",
        {"horaedb_version": "2.0.0", **settings("server.auth", {"enable": False, "auth_type": "file", "source": ""})},
        [
            "[settings.schema] horaedb_version is 2.0.0, of which this collection knows no keys; the file is judged as 2.1.0's. Known are: 2.1.0.",
            "[settings.unknown] server.auth came with HoraeDB 2.1.0, and this is 2.0.0. Take out horaedb_settings.server.auth.",
        ],
    ),
]

"""The defaults of 2.1.0, written down from what is known of the daemons and not from the schemas.

UNSET: there is a key and no default. REQUIRED: it has to be written.
"""

from __future__ import annotations

UNSET = "<unset>"
REQUIRED = "<required>"

_REMOTE_CLIENT = """
connect_timeout=3s channel_pool_max_size_per_partition=16 channel_pool_partition_num=16 channel_keep_alive_while_idle=true
channel_keep_alive_timeout=3s channel_keep_alive_interval=600s route_cache_max_size_per_partition=16 route_cache_partition_num=16
compression.compress_min_length=81920 compression.method=Zstd max_retry=5 retry_interval=5s
"""
_ROCKSDB = """
max_subcompactions=1 max_background_jobs=2 enable_statistics=false write_buffer_size=64MiB max_write_buffer_number=2
level_zero_file_num_compaction_trigger=4 level_zero_slowdown_writes_trigger=20 level_zero_stop_writes_trigger=36
fifo_compaction_max_table_files_size=0
"""
_OBKV_NAMESPACE = "shard_num=512 meta_shard_num=128 init_scan_timeout=10s init_scan_batch_size=100 bucket_create_parallelism=32"
_HTTP = "http.pool_max_idle_per_host=1024 http.timeout=60s http.keep_alive_timeout=60s http.keep_alive_interval=2s"
_STORE = "max_retries=3 timeout.timeout=10s timeout.io_timeout=10s"
_REMOTE_STORE = "key_id=! key_secret=! endpoint=! bucket=! prefix=!"

# Table to its keys; ? is UNSET and ! is REQUIRED. A table with (kind) is what it is with that type or mode.
HORAEDB = {
    "node": "addr=127.0.0.1 zone= idc= binary_version=",
    "server": """bind_addr=127.0.0.1 http_port=5440 grpc_port=8831 mysql_port=3307 postgresql_port=5433 timeout=? http_max_body_size=64MiB
        grpc_server_cq_count=20 resp_compress_min_length=4MiB auto_create_table=true""",
    "server.auth": "enable=false auth_type=file source=",
    "server.forward": "keep_alive_interval=10m keep_alive_timeout=3s keep_alive_while_idle=true connect_timeout=3s forward_timeout=?",
    "server.default_schema_config": "default_engine_type=Analytic default_timestamp_column_name=timestamp",
    "server.route_cache": "enable=false ttl=5s tti=5s capacity=10000",
    "server.hotspot": "query_cap=10000 write_cap=10000 enable_auto_dump=true auto_dump_interval=1m auto_dump_num_items=10",
    "server.remote_client": _REMOTE_CLIENT,
    "server.query_dedup": "enable=false notify_timeout=1s notify_queue_cap=1000",
    "server.sub_table_access_perm": "enable_http=true enable_others=true",
    "runtime": """read_thread_num=8 read_thread_stack_size=16MiB low_read_thread_num=1 write_thread_num=8 meta_thread_num=2
        compact_thread_num=4 default_thread_num=8 io_thread_num=4""",
    "logger": "level=info enable_async=true async_channel_len=102400 slow_query_path=? failed_query_path=?",
    "tracing": "prefix=tracing dir=/tmp/horaedb level=info console.port=?",
    "query_engine": "read_parallelism=8 expensive_query_threshold=24h",
    "limiter": "write_block_list=[] read_block_list=[] rules=[] rules[].type=! rules[].content=?",
    "analytic": """replay_batch_size=500 max_replay_tables_per_batch=64 try_compat_old_layered_memtable_opts=false sst_meta_cache_cap=1000
        sst_data_cache_cap=1000 max_rows_in_write_queue=0 space_write_buffer_size=0 db_write_buffer_size=0
        preflush_write_buffer_size_ratio=0.75 enable_primary_key_sampling=false scan_batch_size=? scan_max_record_batches_in_flight=1024
        sst_background_read_parallelism=8 num_streams_to_prefetch=2 write_sst_max_buffer_size=10MiB max_retry_flush_limit=0
        min_flush_interval=1m max_bytes_per_write_batch=? mem_usage_sampling_interval=0s recover_mode=ShardBased
        metrics.enable_table_level_metrics=false""",
    "analytic.remote_engine_client": _REMOTE_CLIENT,
    "analytic.wal_encode": "num_bytes_compress_threshold=1KiB format=RowWise",
    "analytic.compaction": """schedule_channel_len=16 schedule_interval=30s max_ongoing_tasks=8 max_unflushed_duration=5h memory_limit=4GiB
        max_pending_compaction_tasks=1024""",
    "analytic.manifest": "snapshot_every_n_updates=100 scan_timeout=5s scan_batch_size=100 store_timeout=5s",
    "analytic.table_opts": """segment_duration=? update_mode=Overwrite storage_format_hint=Auto enable_ttl=true ttl=7d
        arena_block_size=2097152 write_buffer_size=33554432 compaction_strategy=Default num_rows_per_row_group=8192 compression=Zstd
        memtable_type=SkipList layered_memtable_opts.enable=false layered_memtable_opts.mutable_segment_switch_threshold=3MiB""",
    "analytic.storage": """mem_cache_capacity=512MiB mem_cache_partition_bits=6 disk_cache_dir=/tmp/horaedb disk_cache_capacity=0
        disk_cache_page_size=2MiB disk_cache_partition_bits=4""",
    "analytic.storage.object_store(Local)": "type=! data_dir=! " + _STORE,
    "analytic.storage.object_store(Aliyun)": "type=! %s %s %s" % (_REMOTE_STORE, _STORE, _HTTP),
    "analytic.storage.object_store(S3)": "type=! region=! %s %s %s" % (_REMOTE_STORE, _STORE, _HTTP),
    "analytic.wal(Local)": "type=! disable_data=false data_dir=/tmp/horaedb segment_size=64MiB cache_size=3",
    "analytic.wal(RocksDB)": "type=! disable_data=false data_dir=/tmp/horaedb",
    "analytic.wal(RocksDB).data_namespace": _ROCKSDB,
    "analytic.wal(RocksDB).meta_namespace": _ROCKSDB,
    "analytic.wal(Kafka)": "type=! disable_data=false data_namespace.clean_period=1h meta_namespace.clean_period=1h",
    "analytic.wal(Kafka).kafka": """client.boost_brokers=! client.max_message_size=? client.socks5_proxy=?
        topic_management.create_replication_factor=1 topic_management.create_max_wait_ms=5000 topic_management.delete_max_wait_ms=5000
        consumer.max_wait_ms=? consumer.min_batch_size=? consumer.max_batch_size=?
        retry_interval_factor=2.0 init_retry_interval=1s max_retry_interval=10s max_retry=10""",
    "analytic.wal(Obkv)": "type=! disable_data=false",
    "analytic.wal(Obkv).obkv": """full_user_name=! param_url=! password=! check_batch_result_num=true enable_purge_recyclebin=false
        max_create_table_retries=2 create_table_retry_interval=5s client.sys_user_name=! client.sys_password=!""",
    "analytic.wal(Obkv).data_namespace": _OBKV_NAMESPACE + " ttl=1d",
    "analytic.wal(Obkv).meta_namespace": _OBKV_NAMESPACE + " clean_scan_timeout=10s clean_scan_batch_size=100",
    "cluster_deployment(NoMeta)": """mode=! topology.schema_shards=[] topology.schema_shards[].schema=!
        topology.schema_shards[].default_engine_type=? topology.schema_shards[].default_timestamp_column_name=?
        topology.schema_shards[].shard_views[].shard_id=! topology.schema_shards[].shard_views[].endpoint.addr=?
        topology.schema_shards[].shard_views[].endpoint.port=? rules.prefix_rules=[] rules.prefix_rules[].schema=!
        rules.prefix_rules[].prefix=! rules.prefix_rules[].shard=! rules.hash_rules=[] rules.hash_rules[].schema=!
        rules.hash_rules[].shards=!""",
    "cluster_deployment(WithMeta)": "mode=! cmd_channel_buffer_size=0",
    "cluster_deployment(WithMeta).meta_client": "cluster_name=! meta_addr=! lease=10s timeout=5s cq_count=8",
    "cluster_deployment(WithMeta).etcd_client": """server_addrs=[127.0.0.1:2379] root_path=/horaedb connect_timeout=5s
        shard_lock_lease_ttl_sec=30 shard_lock_lease_check_interval=200ms enable_shard_lock_fast_reacquire=false
        tls.enable=false tls.domain=? tls.ca_cert_path= tls.client_key_path= tls.client_cert_path=""",
}

HORAEMETA = {
    "": """log.level=info log.file=stdout etcd-log.level=info etcd-log.file=?
        flow-limiter.enable=true flow-limiter.limit=10000 flow-limiter.burst=100000
        enable-embed-etcd=true etcd-ca-cert-path= etcd-key-path= etcd-cert-path= etcd-start-timeout-ms=60000 etcd-call-timeout-ms=5000
        etcd-max-txn-ops=128 grpc-handle-timeout-ms=60000 grpc-service-max-send-msg-size=209715200
        grpc-service-max-recv-msg-size=104857600 grpc-service-keep-alive-ping-min-interval-sec=20 lease-sec=10
        node-name=horaemeta-<hostname> addr=127.0.0.1 data-dir=/tmp/horaemeta storage-root-path=/horaedb
        initial-cluster=<node-name>=http://0.0.0.0:2380 initial-cluster-state=new initial-cluster-token=horaemeta-cluster
        tick-interval-ms=500 election-timeout-ms=3000 quota-backend-bytes=8589934592 auto-compaction-mode=periodic
        auto-compaction-retention=1h max-request-bytes=2097152 max-scan-limit=100 min-scan-limit=20 max-ops-per-txn=32
        id-allocator-step=20 default-cluster-name=defaultCluster default-cluster-node-count=2 default-cluster-shard-total=8
        enable-schedule=true topology-type=static procedure-executing-batch-size=4294967295
        client-urls=http://0.0.0.0:2379 advertise-client-urls=http://0.0.0.0:2379
        peer-urls=http://0.0.0.0:2380 advertise-peer-urls=http://0.0.0.0:2380 http-port=8080 grpc-port=2379""",
}

# Key to the variable that overrides it.
HORAEDB_ENVIRONMENT = {
    "node.addr": "HORAEDB_SERVER_ADDR",
    "cluster_deployment.meta_client.meta_addr": "HORAEMETA_SERVER_ADDR",
    "cluster_deployment.etcd_client.server_addrs": "ETCD_ADDRS",
    "cluster_deployment.meta_client.cluster_name": "CLUSTER_NAME",
}
# All others are the key in capitals with underscores.
HORAEMETA_ENVIRONMENT = {
    "flow-limiter.enable": "FLOW_LIMITER_ENABLE",
    "flow-limiter.limit": "FLOW_LIMITER_LIMIT",
    "flow-limiter.burst": "FLOW_LIMITER_BURST",
    "grpc-handle-timeout-ms": "GRPC_HANDLER_TIMEOUT_MS",
}
NO_ENVIRONMENT = {"log.level", "log.file", "etcd-log.level", "etcd-log.file", "auto-compaction-mode"}


def flat(tables: dict[str, str]) -> dict[str, str]:
    """Full path, with kinds in brackets, to the default as a text."""
    found = {}
    for table, text in tables.items():
        for word in text.split():
            name, _sign, value = word.partition("=")
            found["%s.%s" % (table, name) if table else name] = {"?": UNSET, "!": REQUIRED}.get(value, value)
    return found

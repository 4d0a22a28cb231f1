"""Every key of config.toml with its default, in the order in which /debug/config prints them."""

from __future__ import annotations

from typing import Any, Dict

REMOTE_CLIENT: Dict[str, Any] = {
    "connect_timeout": "3s",
    "channel_pool_max_size_per_partition": 16,
    "channel_pool_partition_num": 16,
    "channel_keep_alive_while_idle": True,
    "channel_keep_alive_timeout": "3s",
    "channel_keep_alive_interval": "10m",
    "route_cache_max_size_per_partition": 16,
    "route_cache_partition_num": 16,
    "max_retry": 5,
    "retry_interval": "5s",
    "compression": {"compress_min_length": 81920, "method": "Zstd"},
}

DEFAULTS: Dict[str, Any] = {
    "node": {"addr": "127.0.0.1", "zone": "", "idc": "", "binary_version": ""},
    "server": {
        "bind_addr": "127.0.0.1",
        "mysql_port": 3307,
        "postgresql_port": 5433,
        "http_port": 5440,
        "grpc_port": 8831,
        "http_max_body_size": "64MiB",
        "grpc_server_cq_count": 20,
        "resp_compress_min_length": "4MiB",
        "auto_create_table": True,
        "auth": {"enable": False, "auth_type": "file", "source": ""},
        "forward": {"keep_alive_interval": "10m", "keep_alive_timeout": "3s", "keep_alive_while_idle": True, "connect_timeout": "3s"},
        "default_schema_config": {"default_engine_type": "Analytic", "default_timestamp_column_name": "timestamp"},
        "route_cache": {"enable": False, "ttl": "5s", "tti": "5s", "capacity": 10000},
        "hotspot": {
            "query_cap": 10000,
            "write_cap": 10000,
            "enable_auto_dump": True,
            "auto_dump_interval": "1m",
            "auto_dump_num_items": 10,
        },
        "remote_client": REMOTE_CLIENT,
        "query_dedup": {"enable": False, "notify_timeout": "1s", "notify_queue_cap": 1000},
        "sub_table_access_perm": {"enable_http": True, "enable_others": True},
    },
    "runtime": {
        "read_thread_num": 8,
        "read_thread_stack_size": "16MiB",
        "low_read_thread_num": 1,
        "write_thread_num": 8,
        "meta_thread_num": 2,
        "compact_thread_num": 4,
        "default_thread_num": 8,
        "io_thread_num": 4,
    },
    "logger": {"level": "info", "enable_async": True, "async_channel_len": 102400},
    "tracing": {"prefix": "tracing", "dir": "/tmp/horaedb", "level": "info"},
    "analytic": {
        "replay_batch_size": 500,
        "max_replay_tables_per_batch": 64,
        "try_compat_old_layered_memtable_opts": False,
        "sst_meta_cache_cap": 1000,
        "sst_data_cache_cap": 1000,
        "max_rows_in_write_queue": 0,
        "space_write_buffer_size": 0,
        "db_write_buffer_size": 0,
        "preflush_write_buffer_size_ratio": 0.75,
        "enable_primary_key_sampling": False,
        "scan_max_record_batches_in_flight": 1024,
        "sst_background_read_parallelism": 8,
        "num_streams_to_prefetch": 2,
        "write_sst_max_buffer_size": "10MiB",
        "max_retry_flush_limit": 0,
        "min_flush_interval": "1m",
        "mem_usage_sampling_interval": "0s",
        "recover_mode": "ShardBased",
        "storage": {
            "mem_cache_capacity": "512MiB",
            "mem_cache_partition_bits": 6,
            "disk_cache_capacity": "0KiB",
            "disk_cache_page_size": "2MiB",
            "disk_cache_partition_bits": 4,
            "disk_cache_dir": "/tmp/horaedb",
            "object_store": {
                "type": "Local",
                "data_dir": "/tmp/horaedb",
                "max_retries": 3,
                "timeout": {"timeout": "10s", "io_timeout": "10s"},
            },
        },
        "table_opts": {
            "update_mode": "Overwrite",
            "storage_format_hint": "Auto",
            "enable_ttl": True,
            "ttl": "7d",
            "arena_block_size": 2097152,
            "write_buffer_size": 33554432,
            "compaction_strategy": "Default",
            "num_rows_per_row_group": 8192,
            "compression": "Zstd",
            "memtable_type": "SkipList",
            "layered_memtable_opts": {"enable": False, "mutable_segment_switch_threshold": "3MiB"},
        },
        "compaction": {
            "schedule_channel_len": 16,
            "schedule_interval": "30s",
            "max_ongoing_tasks": 8,
            "max_unflushed_duration": "5h",
            "memory_limit": "4GiB",
            "max_pending_compaction_tasks": 1024,
        },
        "manifest": {"snapshot_every_n_updates": 100, "scan_timeout": "5s", "scan_batch_size": 100, "store_timeout": "5s"},
        "wal_encode": {"num_bytes_compress_threshold": "1KiB", "format": "RowWise"},
        "wal": {"type": "RocksDB", "disable_data": False},
        "remote_engine_client": REMOTE_CLIENT,
        "metrics": {"enable_table_level_metrics": False},
    },
    "query_engine": {"read_parallelism": 8, "expensive_query_threshold": "1d"},
    "limiter": {"write_block_list": [], "read_block_list": [], "rules": []},
}

CLUSTER_DEPLOYMENT: Dict[str, Dict[str, Any]] = {
    "NoMeta": {"mode": "NoMeta", "topology": {}, "rules": {}},
    "WithMeta": {
        "mode": "WithMeta",
        "cmd_channel_buffer_size": 0,
        "meta_client": {"cluster_name": "", "meta_addr": "127.0.0.1:8080", "lease": "10s", "timeout": "5s", "cq_count": 8},
        "etcd_client": {
            "server_addrs": ["127.0.0.1:2379"],
            "root_path": "/horaedb",
            "connect_timeout": "5s",
            "shard_lock_lease_ttl_sec": 30,
            "shard_lock_lease_check_interval": "200ms",
            "enable_shard_lock_fast_reacquire": False,
            "tls": {"enable": False, "ca_cert_path": "", "client_key_path": "", "client_cert_path": ""},
        },
    },
}

STORE_HTTP = {"pool_max_idle_per_host": 1024, "timeout": "60s", "keep_alive_timeout": "60s", "keep_alive_interval": "2s"}
STORE_KEYS: Dict[str, Dict[str, Any]] = {
    "Local": {"data_dir": ""},
    "Aliyun": {"key_id": "", "key_secret": "", "endpoint": "", "bucket": "", "prefix": ""},
    "S3": {"region": "", "key_id": "", "key_secret": "", "endpoint": "", "bucket": "", "prefix": ""},
}

NAMESPACES: Dict[str, Any] = {"data_namespace": {}, "meta_namespace": {}}
WAL_KEYS: Dict[str, Dict[str, Any]] = {
    "Local": {"data_dir": "/tmp/horaedb", "segment_size": "64MiB", "cache_size": 3, "disable_data": False},
    "RocksDB": {"disable_data": False},
    "Kafka": {
        "kafka": {"client": {"boost_brokers": []}, "topic_management": {}, "consumer": {}},
        "disable_data": False,
        **NAMESPACES,
    },
    "Obkv": {
        "obkv": {"full_user_name": "", "param_url": "", "password": "", "client": {}},
        "disable_data": False,
        **NAMESPACES,
    },
}

# Keys without a default: taken when written, absent otherwise.
OPTIONAL: Dict[str, type] = {
    "server.timeout": str,
    "server.forward.forward_timeout": str,
    "logger.slow_query_path": str,
    "logger.failed_query_path": str,
    "tracing.console": dict,
    "analytic.scan_batch_size": int,
    "analytic.max_bytes_per_write_batch": str,
    "analytic.table_opts.segment_duration": str,
    "cluster_deployment.etcd_client.tls.domain": str,
    "cluster_deployment.topology.schema_shards": list,
    "cluster_deployment.rules.prefix_rules": list,
    "cluster_deployment.rules.hash_rules": list,
}

# Tables that must be complete once they are there.
ALL_FIELDS_REQUIRED = (
    "server.auth",
    "server.route_cache",
    "server.remote_client.compression",
    "analytic.remote_engine_client.compression",
    "analytic.wal_encode",
    "analytic.storage.object_store.timeout",
    "analytic.storage.object_store.http",
)

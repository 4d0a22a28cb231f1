"""The configuration as Rust's Debug prints it, on one line and on many. Secrets are in it in clear."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Tuple, Union

from horaedb.defaults import OPTIONAL
from horaedb.units import DURATION, SIZE, size, to_milliseconds


@dataclass(frozen=True)
class Struct:
    name: str
    fields: Tuple[Tuple[str, Value], ...]


@dataclass(frozen=True)
class Wrapped:
    """Name(value): a tuple of one, or the variant of an enum."""

    name: str
    value: Value


@dataclass(frozen=True)
class Sequence:
    items: Tuple[Value, ...]


# Text that stands for itself.
Value = Union[Struct, Wrapped, Sequence, str]
INDENT = "    "

STRUCTS = {
    "": "Config",
    "node": "NodeInfo",
    "server": "ServerConfig",
    "server.default_schema_config": "SchemaConfig",
    "server.route_cache": "RouteCacheConfig",
    "server.query_dedup": "QueryDedupConfig",
    "server.sub_table_access_perm": "SubTableAccessPerm",
    "runtime": "RuntimeConfig",
    "analytic.storage": "StorageOptions",
    "analytic.table_opts": "TableOptions",
    "analytic.table_opts.layered_memtable_opts": "LayeredMemtableOptions",
    "analytic.compaction": "SchedulerConfig",
    "analytic.manifest": "Options",
    "analytic.wal_encode": "WalEncodeConfig",
    "analytic.metrics": "MetricsOptions",
    "limiter": "LimiterConfig",
    "cluster_deployment.meta_client": "MetaClientConfig",
    "cluster_deployment.etcd_client": "EtcdClientConfig",
    "cluster_deployment.etcd_client.tls": "TlsConfig",
    "cluster_deployment.topology": "StaticTopologyConfig",
    "cluster_deployment.rules": "RuleList",
    "analytic.wal.kafka.client": "ClientConfig",
    "analytic.wal.kafka.topic_management": "TopicManagementConfig",
    "analytic.wal.kafka.consumer": "ConsumerConfig",
    "analytic.wal.data_namespace": "KafkaWalConfig",
    "analytic.wal.meta_namespace": "KafkaWalConfig",
    "analytic.wal.obkv": "ObkvConfig",
}
# By the last part of the path.
COMMON = {"compression": "CompressOptions", "timeout": "TimeoutOptions", "http": "HttpOptions"}
# They have a default, and could be left out all the same.
SOMETIMES = {"server.hotspot.query_cap", "server.hotspot.write_cap", "analytic.sst_meta_cache_cap", "analytic.sst_data_cache_cap"}
ENUMS = {
    "update_mode",
    "compression",
    "memtable_type",
    "recover_mode",
    "compaction_strategy",
    "format",
    "method",
    "storage_format_hint",
}
VARIANTS = {
    "cluster_deployment": {"NoMeta": "StaticRouteConfig", "WithMeta": "ClusterConfig"},
    "analytic.storage.object_store": {"Local": "LocalOptions", "Aliyun": "AliyunOptions", "S3": "S3Options"},
}


def value_of(tree: Any, path: str = "") -> Value:
    if isinstance(tree, dict):
        return _table(tree, path)
    if isinstance(tree, list):
        return Sequence(tuple(value_of(item, path) for item in tree))
    if isinstance(tree, str):
        return _text(tree, path)
    return json.dumps(tree)


def _text(text: str, path: str) -> Value:
    key = path.rsplit(".", 1)[-1]
    if key in ENUMS:
        return text
    if path == "server.auth.auth_type":
        return text.title()
    if DURATION.fullmatch(text) and path not in NEVER_UNITS:
        return Wrapped("ReadableDuration", duration(to_milliseconds(text)))
    if SIZE.fullmatch(text) and not text.isdigit() and path not in NEVER_UNITS:
        return Wrapped("ReadableSize", str(size(text)))
    return json.dumps(text, ensure_ascii=False)


# Free text that might look like a duration or a size.
NEVER_UNITS = {"node.addr", "node.zone", "node.idc", "node.binary_version", "cluster_deployment.meta_client.cluster_name"}


def duration(milliseconds: int) -> str:
    if milliseconds == 0:
        return "0ns"
    return "%gs" % (milliseconds / 1000) if milliseconds >= 1000 else "%dms" % milliseconds


def _table(tree: Mapping[str, Any], path: str) -> Value:
    inner = path + "." if path else ""
    if path in VARIANTS:
        tag = "mode" if path == "cluster_deployment" else "type"
        variant = Wrapped(tree[tag], Struct(VARIANTS[path][tree[tag]], _fields({k: v for k, v in tree.items() if k != tag}, inner)))
        return Wrapped("Some", variant) if path == "cluster_deployment" else variant
    if path == "analytic.wal":
        kind = tree["type"]
        kept = {key: value for key, value in tree.items() if key not in ("type", "disable_data")}
        # RocksDB isn't bundled, and its table of settings is empty.
        store: Value = "%sStorageConfig" % kind if kind == "RocksDB" else Struct("%sStorageConfig" % kind, _fields(kept, inner))
        return Struct("Config", (("storage", Wrapped(kind, store)), ("disable_data", json.dumps(tree["disable_data"]))))
    name = STRUCTS.get(path) or COMMON.get(path.rsplit(".", 1)[-1], "Config")
    return Struct(name, _fields(tree, inner))


def cluster_of(tree: Mapping[str, Any]) -> Value:
    """A [cluster_deployment] with HoraeMeta."""
    return Struct("ClusterConfig", _fields({key: value for key, value in tree.items() if key != "mode"}, "cluster_deployment."))


def _fields(tree: Mapping[str, Any], inner: str) -> Tuple[Tuple[str, Value], ...]:
    found: Dict[str, Value] = {}
    for key, value in tree.items():
        seen = value_of(value, inner + key)
        found[key] = Wrapped("Some", seen) if inner + key in OPTIONAL or inner + key in SOMETIMES else seen
    for optional in OPTIONAL:
        parent, _, key = optional.rpartition(".")
        if parent + "." == inner and key not in found:
            found[key] = "None" if OPTIONAL[optional] is not list else "[]"
    if not inner:
        found.setdefault("cluster_deployment", "None")
    return tuple(found.items())


def on_one_line(value: Value) -> str:
    if isinstance(value, Struct):
        return "%s { %s }" % (value.name, ", ".join("%s: %s" % (key, on_one_line(item)) for key, item in value.fields))
    if isinstance(value, Wrapped):
        return "%s(%s)" % (value.name, on_one_line(value.value))
    if isinstance(value, Sequence):
        return "[%s]" % ", ".join(map(on_one_line, value.items))
    return value


def on_many_lines(value: Value, depth: int = 0) -> str:
    if isinstance(value, str):
        return value
    inner, outer = INDENT * (depth + 1), INDENT * depth
    if isinstance(value, Struct):
        lines = ["%s%s: %s,\n" % (inner, key, on_many_lines(item, depth + 1)) for key, item in value.fields]
        return "%s {\n%s%s}" % (value.name, "".join(lines), outer)
    items: List[Value] = [value.value] if isinstance(value, Wrapped) else list(value.items)
    opening, closing = ("%s(" % value.name, ")") if isinstance(value, Wrapped) else ("[", "]")
    if not items:
        return opening + closing
    lines = ["%s%s,\n" % (inner, on_many_lines(item, depth + 1)) for item in items]
    return "%s\n%s%s%s" % (opening, "".join(lines), outer, closing)

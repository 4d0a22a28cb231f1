"""HoraeMeta's configuration: defaults < TOML file < environment. Unknown keys are ignored without a word."""

from __future__ import annotations

import json
import os
import socket
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union
from urllib.parse import urlsplit

from common import log, toml

from horaemeta import golang


class ConfigError(Exception):
    """The file can't be read or doesn't fit."""


class Key(NamedTuple):
    env: Optional[str]
    default: Union[str, int, bool]


UNREADABLE = "fail to parse config from toml file, err:unmarshal toml config, configFile:%s"
FROM_ENVIRONMENT = "fail to parse config from environment variable, err:"
MIB = 1024 * 1024
KEYS: Dict[str, Key] = {
    "log.level": Key(None, "info"),
    "log.file": Key(None, "stdout"),
    "etcd-log.level": Key(None, "info"),
    "etcd-log.file": Key(None, ""),
    "flow-limiter.enable": Key("FLOW_LIMITER_ENABLE", True),
    "flow-limiter.limit": Key("FLOW_LIMITER_LIMIT", 10000),
    "flow-limiter.burst": Key("FLOW_LIMITER_BURST", 100000),
    "enable-embed-etcd": Key("ENABLE_EMBED_ETCD", True),
    "etcd-ca-cert-path": Key("ETCD_CA_CERT_PATH", ""),
    "etcd-key-path": Key("ETCD_KEY_PATH", ""),
    "etcd-cert-path": Key("ETCD_CERT_PATH", ""),
    "etcd-start-timeout-ms": Key("ETCD_START_TIMEOUT_MS", 60000),
    "etcd-call-timeout-ms": Key("ETCD_CALL_TIMEOUT_MS", 5000),
    "etcd-max-txn-ops": Key("ETCD_MAX_TXN_OPS", 128),
    "grpc-handle-timeout-ms": Key("GRPC_HANDLER_TIMEOUT_MS", 60000),
    "grpc-service-max-send-msg-size": Key("GRPC_SERVICE_MAX_SEND_MSG_SIZE", 200 * MIB),
    "grpc-service-max-recv-msg-size": Key("GRPC_SERVICE_MAX_RECV_MSG_SIZE", 100 * MIB),
    "grpc-service-keep-alive-ping-min-interval-sec": Key("GRPC_SERVICE_KEEP_ALIVE_PING_MIN_INTERVAL_SEC", 20),
    "lease-sec": Key("LEASE_SEC", 10),
    "node-name": Key("NODE_NAME", ""),
    "addr": Key("ADDR", "127.0.0.1"),
    "data-dir": Key("DATA_DIR", "/tmp/horaemeta"),
    "storage-root-path": Key("STORAGE_ROOT_PATH", "/horaedb"),
    "initial-cluster": Key("INITIAL_CLUSTER", ""),
    "initial-cluster-state": Key("INITIAL_CLUSTER_STATE", "new"),
    "initial-cluster-token": Key("INITIAL_CLUSTER_TOKEN", "horaemeta-cluster"),
    "tick-interval-ms": Key("TICK_INTERVAL_MS", 500),
    "election-timeout-ms": Key("ELECTION_TIMEOUT_MS", 3000),
    "quota-backend-bytes": Key("QUOTA_BACKEND_BYTES", 8 * 1024 * MIB),
    "auto-compaction-mode": Key("AUTO-COMPACTION-MODE", "periodic"),
    "auto-compaction-retention": Key("AUTO_COMPACTION_RETENTION", "1h"),
    "max-request-bytes": Key("MAX_REQUEST_BYTES", 2 * MIB),
    "max-scan-limit": Key("MAX_SCAN_LIMIT", 100),
    "min-scan-limit": Key("MIN_SCAN_LIMIT", 20),
    "max-ops-per-txn": Key("MAX_OPS_PER_TXN", 32),
    "id-allocator-step": Key("ID_ALLOCATOR_STEP", 20),
    "default-cluster-name": Key("DEFAULT_CLUSTER_NAME", "defaultCluster"),
    "default-cluster-node-count": Key("DEFAULT_CLUSTER_NODE_COUNT", 2),
    "default-cluster-shard-total": Key("DEFAULT_CLUSTER_SHARD_TOTAL", 8),
    "enable-schedule": Key("ENABLE_SCHEDULE", True),
    "topology-type": Key("TOPOLOGY_TYPE", "static"),
    "procedure-executing-batch-size": Key("PROCEDURE_EXECUTING_BATCH_SIZE", 2**32 - 1),
    "client-urls": Key("CLIENT_URLS", "http://0.0.0.0:2379"),
    "advertise-client-urls": Key("ADVERTISE_CLIENT_URLS", "http://0.0.0.0:2379"),
    "peer-urls": Key("PEER_URLS", "http://0.0.0.0:2380"),
    "advertise-peer-urls": Key("ADVERTISE_PEER_URLS", "http://0.0.0.0:2380"),
    "http-port": Key("HTTP_PORT", 8080),
    "grpc-port": Key("GRPC_PORT", 2379),
}


class Config:
    """Read by key: `config["http-port"]`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    @property
    def client_urls(self) -> List[str]:
        return str(self["client-urls"]).split(",")

    @property
    def endpoint(self) -> str:
        """How the other members and the data nodes reach this one."""
        return str(self["advertise-client-urls"]).split(",", maxsplit=1)[0]

    def dump(self) -> str:
        """As Go's TOML library writes it: tables after the plain keys, text in single quotes."""
        plain = ["%s = %s" % (name, _toml(value)) for name, value in self._values.items() if "." not in name]
        tables: Dict[str, List[str]] = {}
        for name, value in self._values.items():
            table, dot, key = name.partition(".")
            if dot:
                tables.setdefault(table, []).append("%s = %s" % (key, _toml(value)))
        return "\n".join(plain) + "\n" + "".join("\n[%s]\n%s\n" % (table, "\n".join(lines)) for table, lines in tables.items())


def _toml(value: Any) -> str:
    return "'%s'" % value if isinstance(value, str) else json.dumps(value)


def load(path: Optional[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Raises ConfigError."""
    values: Dict[str, Any] = {name: key.default for name, key in KEYS.items()}
    if path:
        values.update(_from_file(path))
    for name, key in KEYS.items():
        if key.env and key.env in environment:
            values[name] = _from_environment(key, environment[key.env])
    values["node-name"] = values["node-name"] or "horaemeta-" + socket.gethostname()
    values["initial-cluster"] = values["initial-cluster"] or "%s=http://0.0.0.0:2380" % values["node-name"]
    return Config(values)


def _from_file(path: str) -> Dict[str, Any]:
    log.info("get config from toml", "config/config.go:378", configFile=path)
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        golang.log_failure("err", "config/config.go:382", "open %s: %s" % (path, reason))
        raise ConfigError(
            "fail to parse config from toml file, err:read config file, configFile:%s: open %s: %s" % (path, path, reason)
        ) from error
    log.info("toml config value", "config/config.go:385", config=text)
    try:
        tree = toml.loads(text)
    except ValueError as error:
        golang.log_failure("err", "config/config.go:389", "toml: %s" % error)
        raise ConfigError("%s: toml: %s" % (UNREADABLE % path, error)) from error
    found = {}
    for name, key in KEYS.items():
        table: Any = tree
        for part in name.split("."):
            table = table.get(part) if isinstance(table, dict) else None
        if table is None:
            continue
        if type(table) is not type(key.default):
            raise ConfigError("%s: toml: cannot decode TOML %s into key %s" % (UNREADABLE % path, type(table).__name__, name))
        found[name] = table
    return found


def _from_environment(key: Key, text: str) -> Union[str, int, bool]:
    if isinstance(key.default, bool):
        if text.lower() not in ("true", "false", "1", "0", "t", "f"):
            raise ConfigError(
                FROM_ENVIRONMENT + 'env: parse error on %s: strconv.ParseBool: parsing "%s": invalid syntax' % (key.env, text)
            )
        return text.lower() in ("true", "1", "t")
    if isinstance(key.default, int):
        try:
            return int(text)
        except ValueError:
            raise ConfigError(
                FROM_ENVIRONMENT + 'env: parse error on %s: strconv.ParseInt: parsing "%s": invalid syntax' % (key.env, text)
            ) from None
    return text


def host_and_port(url: str) -> Tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "0.0.0.0", parts.port or 80

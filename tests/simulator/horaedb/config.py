"""config.toml as horaedb-server reads it: strict at the root, deaf to typos below."""

from __future__ import annotations

import copy
import json
import os
from typing import Any, Dict, List, Mapping, Tuple

from common import toml

from horaedb import rust
from horaedb.defaults import ALL_FIELDS_REQUIRED, CLUSTER_DEPLOYMENT, DEFAULTS, OPTIONAL, STORE_HTTP, STORE_KEYS, WAL_KEYS
from horaedb.units import DURATION, SIZE


class ConfigError(Exception):
    """Fatal: exit code 101."""


class Config:
    """Read by dotted path: `config["server.http_port"]`."""

    def __init__(self, tree: Dict[str, Any]) -> None:
        self.tree = tree

    def __getitem__(self, path: str) -> Any:
        value: Any = self.tree
        for part in path.split("."):
            value = value[part]
        return value

    @property
    def with_meta(self) -> bool:
        return bool(self.tree.get("cluster_deployment", {}).get("mode") == "WithMeta")

    @property
    def node_name(self) -> str:
        return "%s:%d" % (self["node.addr"], self["server.grpc_port"])

    def dump(self) -> str:
        """As GET /debug/config answers."""
        return render(self.tree)

    def printed(self, many_lines: bool = False) -> str:
        """As the log shows it."""
        shown = rust.value_of(self.tree)
        return rust.on_many_lines(shown) if many_lines else rust.on_one_line(shown)

    def cluster_printed(self) -> str:
        """The part of it that says how the node finds its cluster, which the log shows once more."""
        return rust.on_one_line(rust.cluster_of(self.tree["cluster_deployment"]))


def quoted(text: str) -> str:
    """A string as Rust's Debug shows it."""
    return json.dumps(text, ensure_ascii=False)


def defaults() -> Config:
    """Without a file."""
    return Config(copy.deepcopy(DEFAULTS))


def load(path: str, environment: Mapping[str, str] = os.environ) -> Config:
    """Raises ConfigError."""
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    except OSError as error:
        os_error = 'Os { code: %d, kind: NotFound, message: "%s" }' % (error.errno or 0, error.strerror)
        raise ConfigError("OpenFile { path: %s, source: %s, backtrace: Backtrace( ) }" % (quoted(path), os_error)) from error
    try:
        given = toml.loads(text)
        tree = _complete(given)
    except (toml.TomlError, ConfigError) as error:
        # The whole file is in the error, secrets included.
        inner = "TomlError { message: %s, original: Some(%s), keys: [], span: None }" % (quoted(str(error)), quoted(text))
        raise ConfigError("ParseToml { path: %s, source: Error { inner: %s }, backtrace: Backtrace( ) }" % (quoted(path), inner)) from error
    _override(tree, environment)
    return Config(tree)


def _override(tree: Dict[str, Any], environment: Mapping[str, str]) -> None:
    if "HORAEDB_SERVER_ADDR" in environment:
        tree["node"]["addr"] = environment["HORAEDB_SERVER_ADDR"]
    cluster = tree.get("cluster_deployment", {})
    if cluster.get("mode") != "WithMeta":
        return
    if "HORAEMETA_SERVER_ADDR" in environment:
        cluster["meta_client"]["meta_addr"] = environment["HORAEMETA_SERVER_ADDR"]
    if "CLUSTER_NAME" in environment:
        cluster["meta_client"]["cluster_name"] = environment["CLUSTER_NAME"]
    if "ETCD_ADDRS" in environment:
        cluster["etcd_client"]["server_addrs"] = environment["ETCD_ADDRS"].split(",")


def _complete(given: Dict[str, Any]) -> Dict[str, Any]:
    known = [*DEFAULTS, "cluster_deployment"]
    for name in given:
        if name not in known:
            raise ConfigError("unknown field `%s`, expected one of %s" % (name, ", ".join("`%s`" % k for k in known)))
    shape = copy.deepcopy(DEFAULTS)
    _choose(shape["analytic"]["storage"], "object_store", given.get("analytic", {}).get("storage", {}), STORE_KEYS, required=True)
    _choose(shape["analytic"], "wal", given.get("analytic", {}), WAL_KEYS, required=False)
    wal = given.get("analytic", {}).get("wal", {})
    if wal.get("type") == "RocksDB" and set(wal) - {"type", "disable_data"}:
        raise ConfigError("invalid type: map, expected unit struct RocksDBStorageConfig for key `analytic.wal`")
    if "cluster_deployment" in given:
        mode = _variant(given["cluster_deployment"], "mode", CLUSTER_DEPLOYMENT)
        shape["cluster_deployment"] = copy.deepcopy(CLUSTER_DEPLOYMENT[mode])
    _merge(shape, given, "")
    limiter = shape.pop("limiter")
    return dict(shape, limiter=limiter)


def _variant(table: Any, tag: str, variants: Mapping[str, Any]) -> str:
    if not isinstance(table, dict) or tag not in table:
        raise ConfigError("missing field `%s`" % tag)
    if table[tag] not in variants:
        raise ConfigError("unknown variant `%s`, expected one of %s" % (table[tag], ", ".join("`%s`" % v for v in variants)))
    return str(table[tag])


def _choose(parent: Dict[str, Any], name: str, given: Dict[str, Any], variants: Mapping[str, Any], required: bool) -> None:
    """Which keys a table has depends on its `type`."""
    if name not in given:
        return
    kind = _variant(given[name], "type", variants)
    common = {"max_retries": 3, "timeout": {"timeout": "10s", "io_timeout": "10s"}} if required else {}
    if required:
        if kind != "Local":
            common["http"] = STORE_HTTP
        for key in variants[kind]:
            if key not in given[name]:
                raise ConfigError("missing field `%s`" % key)
    parent[name] = {"type": kind, **copy.deepcopy(variants[kind]), **copy.deepcopy(common)}


def _merge(shape: Dict[str, Any], given: Dict[str, Any], path: str) -> None:
    where = path.rstrip(".")
    if where in ALL_FIELDS_REQUIRED:
        for key in shape:
            if key not in given:
                raise ConfigError("missing field `%s` for key `%s`" % (key, where))
    for key, value in given.items():
        here = path + key
        if key not in shape:
            if here in OPTIONAL and _fits(value, OPTIONAL[here]):
                shape[key] = value
            continue
        default = shape[key]
        if isinstance(default, dict) and isinstance(value, dict):
            if default:
                _merge(default, value, here + ".")
            else:
                shape[key] = value
        else:
            _check(default, value, here)
            shape[key] = value


def _fits(value: Any, kind: type) -> bool:
    if not isinstance(value, kind):
        raise ConfigError("invalid type for an optional key: %r" % value)
    return True


def _check(default: Any, value: Any, where: str) -> None:
    if isinstance(default, str) and default[:1].isdigit():
        if SIZE.fullmatch(default) and not DURATION.fullmatch(default):
            if not isinstance(value, int) and not (isinstance(value, str) and SIZE.fullmatch(value)):
                raise ConfigError("invalid size %r for key `%s`" % (value, where))
            return
        if DURATION.fullmatch(default) and not (isinstance(value, str) and DURATION.fullmatch(value)):
            raise ConfigError("invalid duration %r for key `%s`" % (value, where))
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return
    if type(value) is not type(default):
        raise ConfigError("invalid type: %s `%r`, expected %s for key `%s`" % (type(value).__name__, value, type(default).__name__, where))


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')
    if isinstance(value, list):
        return "[%s]" % ", ".join(_literal(item) for item in value)
    if isinstance(value, dict):
        return "{ %s }" % ", ".join("%s = %s" % (key, _literal(item)) for key, item in value.items())
    return str(value)


def render(tree: Mapping[str, Any]) -> str:
    sections: List[Tuple[str, List[str]]] = []

    def walk(table: Mapping[str, Any], path: str) -> None:
        lines = ["%s = %s" % (key, _literal(value)) for key, value in table.items() if not isinstance(value, dict)]
        if path and (lines or not table):
            sections.append((path, lines))
        for key, value in table.items():
            if isinstance(value, dict):
                walk(value, "%s.%s" % (path, key) if path else key)

    walk(tree, "")
    return "\n".join("[%s]\n%s" % (path, "".join(line + "\n" for line in lines)) for path, lines in sections)

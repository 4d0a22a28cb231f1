# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""From variables to the model: the only place that reads the collection's variables.

Each daemon reads its file and then its environment, and the environment WINS
(seen on the running binaries). The same order is used here, so that everything
that is judged is what the process will really use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Faults, Finding, by_value, rule
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Node, Topology
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render.daemon_config import LEASE, LOCK_TTL, merge, storage_table

Vars = Mapping[str, Any]

# What a data node would take over from a member that is missing or unreadable, which is said of the member and not of the node.
UNKNOWN = "unknown"

# HoraeDB's own variables. The last three only count under HoraeMeta, which is all that this collection deploys.
META_ADDR = "cluster_deployment.meta_client.meta_addr"
NODE_ENVIRONMENT = {
    "node.addr": "HORAEDB_SERVER_ADDR",
    META_ADDR: "HORAEMETA_SERVER_ADDR",
    "cluster_deployment.etcd_client.server_addrs": "ETCD_ADDRS",
    "cluster_deployment.meta_client.cluster_name": "CLUSTER_NAME",
}


@rule("value.type")
def value_type(hosts: Sequence[str], what: str, variable: str) -> Faults:
    """`what`: the value, and what it should have been."""
    yield hosts, what, "Correct %s." % variable


@rule("nodes.disagree")
def nodes_disagree(variable: str, nodes: Mapping[str, Vars]) -> Faults:
    """Of these variables the model has one value for all nodes."""
    pairs = [(host, values.get(variable)) for host, values in nodes.items()]
    if len({str(value) for _host, value in pairs}) > 1:
        yield (
            tuple(nodes),
            "%s differs between the data nodes (%s), and the cluster has one." % (variable, by_value(pairs)),
            "Give %s one value for all data nodes." % variable,
        )


class _Reader:
    """Reads typed values of one host and collects a finding for each one that is not what it should be."""

    def __init__(self, host: str, findings: List[Finding]) -> None:
        self._host = host
        self._findings = findings

    def text(self, value: Any, name: str) -> str:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
        self._wrong(name, value, "a non-empty text")
        return ""

    def number(self, value: Any, name: str) -> int:
        if not isinstance(value, bool) and re.match(r"^\d+$", str(value).strip()):
            return int(str(value).strip())
        self._wrong(name, value, "a whole number")
        return -1

    def port(self, value: Any, name: str) -> int:
        number = self.number(value, name)
        if number != -1 and not 1 <= number <= 65535:
            self._wrong(name, value, "a port between 1 and 65535")
        return number

    def texts(self, value: Any, name: str) -> Tuple[str, ...]:
        """A list, or one text with commas, as environment variables have it."""
        items = value.split(",") if isinstance(value, str) else value
        if isinstance(items, (list, tuple)):
            return tuple(self.text(item, name) for item in items)
        self._wrong(name, value, "a list")
        return ()

    def table(self, value: Any, name: str) -> Dict[str, Any]:
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return dict(value)
        self._wrong(name, value, "a dictionary")
        return {}

    def _wrong(self, name: str, value: Any, wanted: str) -> None:
        self._findings += value_type((self._host,), "%s is %r, which is not %s." % (name, value, wanted), name)


class _Winner:
    """The value a daemon will use for a key, with the name of the variable that sets it: environment, settings, derived."""

    def __init__(self, role: str, settings: Mapping[str, Any], environment: Mapping[str, Any], overrides: Dict[str, str]) -> None:
        self._role = role
        self._settings = settings
        self._environment = environment
        self._overrides = overrides

    def __call__(self, path: str, environment: Optional[str], derived: Any, variable: str) -> Tuple[Any, str]:
        if environment is not None and environment in self._environment:
            return self._over(variable, self._environment[environment], "%s_environment['%s']" % (self._role, environment))
        tree: Any = self._settings
        for step in path.split("."):
            if isinstance(tree, Mapping) and step not in tree:
                return derived, variable
            # null takes a key out, and all that is below it: the daemon would fall back to a default nobody judged.
            tree = tree[step] if isinstance(tree, Mapping) else None
        return self._over(variable, tree, "%s_settings.%s" % (self._role, path))

    def _over(self, variable: str, value: Any, name: str) -> Tuple[Any, str]:
        if variable:
            self._overrides[variable] = name
        return value, name


def address_of(host: str, values: Vars, variable: str) -> str:
    """Explicit variable, else ansible_host, else the inventory name; never a gathered fact, so that --limit works."""
    for candidate in (values.get(variable), values.get("ansible_host")):
        if candidate is not None and str(candidate).strip():
            return str(candidate).strip()
    return host


def environment_key(key: str) -> str:
    """HoraeMeta's environment name of a TOML key."""
    return key.upper().replace("-", "_")


def url_of(address: str, port: int) -> str:
    return "http://%s:%d" % ("[%s]" % address if ":" in address else address, port)


def port_of(url: str) -> Optional[int]:
    """The port of the first of the comma-separated URLs, or None."""
    try:
        return urlsplit(url.split(",")[0].strip()).port
    except ValueError:
        return None


def meta_address(endpoint: str, proxy_port: int, members: Sequence[Member]) -> str:
    """HoraeDB's one meta_addr. With one member a proxy would protect nothing."""
    if endpoint not in ("proxy", "direct"):
        return endpoint
    if endpoint == "proxy" and len(members) > 1:
        return "http://127.0.0.1:%d" % proxy_port
    return members[0].client_url if members else UNKNOWN


def _or(value: Any, derived: Any) -> Any:
    """The operator's value, or the derived one when the variable was left at null."""
    return derived if value is None else value


def _keeper(values: Vars) -> bool:
    # -e on the command line makes a text of everything.
    return str(values.get("shard_keeper_enabled", False)).strip().lower() in ("true", "yes", "on", "y", "t", "1")


def _member(host: str, values: Vars, node_count: int, findings: List[Finding], overrides: Dict[str, str]) -> Member:
    read = _Reader(host, findings)
    winner = _Winner(
        "horaemeta",
        read.table(values.get("horaemeta_settings"), "horaemeta_settings"),
        read.table(values.get("horaemeta_environment"), "horaemeta_environment"),
        overrides,
    )
    address = address_of(host, values, "horaemeta_address")

    def wins(key: str, variable: str, derived: Any = None) -> Tuple[Any, str]:
        return winner(key, environment_key(key), _or(values.get(variable), derived), variable)

    client, peer = (read.port(values.get(v), v) for v in ("horaemeta_client_port", "horaemeta_peer_port"))
    client_url = read.text(*winner("advertise-client-urls", "ADVERTISE_CLIENT_URLS", url_of(address, client), "horaemeta_address"))
    peer_url = read.text(*winner("advertise-peer-urls", "ADVERTISE_PEER_URLS", url_of(address, peer), "horaemeta_address"))
    return Member(
        host=host,
        name=read.text(*wins("node-name", "horaemeta_node_name", host)),
        address=address,
        http_port=read.port(*wins("http-port", "horaemeta_http_port")),
        client_port=port_of(client_url) or client,
        peer_port=port_of(peer_url) or peer,
        data_dir=read.text(*wins("data-dir", "horaemeta_data_dir")),
        node_count=read.number(*wins("default-cluster-node-count", "horaemeta_default_cluster_node_count", node_count)),
        shard_total=read.number(*wins("default-cluster-shard-total", "horaemeta_default_cluster_shard_total")),
        topology_type=read.text(*wins("topology-type", "horaemeta_topology_type")),
        cluster_name=read.text(*wins("default-cluster-name", "horaemeta_default_cluster_name")),
        root_path=read.text(*wins("storage-root-path", "horaemeta_storage_root_path")),
        client_url=client_url,
        peer_url=peer_url,
        keeper_port=read.port(values.get("shard_keeper_port"), "shard_keeper_port") if _keeper(values) else 0,
    )


def _node(host: str, values: Vars, members: Tuple[Member, ...], meta_addr: str, findings: List[Finding], overrides: Dict[str, str]) -> Node:
    read = _Reader(host, findings)
    settings = read.table(values.get("horaedb_settings"), "horaedb_settings")
    winner = _Winner("horaedb", settings, read.table(values.get("horaedb_environment"), "horaedb_environment"), overrides)
    address = address_of(host, values, "horaedb_address")
    data_dir = read.text(values.get("horaedb_data_dir"), "horaedb_data_dir")
    cluster_name, root_path = (members[0].cluster_name, members[0].root_path) if members else ("", "")

    def wins(path: str, variable: str, derived: Any = None) -> Tuple[Any, str]:
        return winner(path, NODE_ENVIRONMENT.get(path), _or(values.get(variable), derived), variable)

    def storage(path: str, variable: str) -> Tuple[str, str]:
        """Kind and local directory ("" when remote) of the object store or the WAL."""
        base = storage_table(read.table(values.get(variable), variable), data_dir, "Local")
        over, name = winner(path, None, {}, variable)
        table = merge(base, read.table(over, name)) if over is not None else {}
        kind = read.text(table.get("type"), name + ".type")
        return kind, read.text(table.get("data_dir"), name + ".data_dir") if kind in ("Local", "RocksDB") else ""

    store, store_dir = storage("analytic.storage.object_store", "horaedb_object_store")
    wal, wal_dir = storage("analytic.wal", "horaedb_wal")
    etcd = ["%s:%d" % (m.address, m.client_port) for m in members]
    return Node(
        host=host,
        address=address,
        server_addr=read.text(*wins("node.addr", "horaedb_server_addr", address)),
        bind_addr=read.text(*wins("server.bind_addr", "horaedb_bind_addr")),
        http_port=read.port(*wins("server.http_port", "horaedb_http_port")),
        grpc_port=read.port(*wins("server.grpc_port", "horaedb_grpc_port")),
        mysql_port=read.port(*wins("server.mysql_port", "horaedb_mysql_port")),
        postgresql_port=read.port(*wins("server.postgresql_port", "horaedb_postgresql_port")),
        data_dir=data_dir,
        cluster_name=read.text(*wins("cluster_deployment.meta_client.cluster_name", "horaedb_cluster_name", cluster_name or UNKNOWN)),
        root_path=read.text(*wins("cluster_deployment.etcd_client.root_path", "horaedb_etcd_root_path", root_path or UNKNOWN)),
        meta_addr=read.text(*winner(META_ADDR, NODE_ENVIRONMENT[META_ADDR], meta_addr, "horaedb_meta_endpoint")),
        etcd_addrs=read.texts(*wins("cluster_deployment.etcd_client.server_addrs", "", etcd)),
        store=store,
        store_dir=store_dir,
        wal=wal,
        wal_dir=wal_dir,
        lease=read.text(*wins("cluster_deployment.meta_client.lease", "", LEASE)),
        lock_ttl=read.number(*wins("cluster_deployment.etcd_client.shard_lock_lease_ttl_sec", "", LOCK_TTL)),
    )


def _of_all(variable: str, nodes: Mapping[str, Vars], findings: List[Finding]) -> Any:
    """The value of a variable of which the model has only one: the first node's. Nodes that differ are a finding."""
    findings += nodes_disagree(variable, nodes)
    return next(iter(nodes.values())).get(variable)


@dataclass(frozen=True)
class Built:
    """The model, and what could not be read. `overrides`: host -> variable -> what wins over it there."""

    topology: Topology
    unreadable: List[Finding]
    overrides: Mapping[str, Mapping[str, str]]

    def explained(self, findings: Sequence[Finding]) -> List[Finding]:
        """The findings; where the variable to change is not the one that counts, the one that counts is named."""
        return [replace(finding, change=finding.change + self._winners(finding)) for finding in findings]

    def _winners(self, finding: Finding) -> str:
        pairs = [
            (host, name)
            for host, names in self.overrides.items()
            for variable, name in names.items()
            if (not finding.hosts or host in finding.hosts) and re.search(r"\b%s\b" % variable, finding.change)
        ]
        return " What counts there is %s." % by_value(pairs) if pairs else ""


def build(members: Mapping[str, Vars], nodes: Mapping[str, Vars]) -> Built:
    """The model out of variables.

    Both mappings go from inventory host to ALL its variables, the roles' defaults included.
    The cluster-wide values are the first member's: whether the others agree is a rule's business.
    """
    findings: List[Finding] = []
    endpoint, proxy_port = "", 0
    if nodes:
        read = _Reader(next(iter(nodes)), findings)
        endpoint = read.text(_of_all("horaedb_meta_endpoint", nodes, findings), "horaedb_meta_endpoint")
        proxy_port = read.port(_of_all("meta_proxy_port", nodes, findings), "meta_proxy_port")
    overrides: Dict[str, Dict[str, str]] = {host: {} for host in (*members, *nodes)}
    made = tuple(_member(host, values, len(nodes), findings, overrides[host]) for host, values in members.items())
    meta_addr = meta_address(endpoint, proxy_port, made) or UNKNOWN
    first = made[0] if made else None
    topology = Topology(
        cluster=first.cluster_name if first else "",
        topology_type=first.topology_type if first else "",
        shard_total=first.shard_total if first else 0,
        node_count=first.node_count if first else 0,
        root_path=first.root_path if first else "",
        meta_endpoint=endpoint,
        proxy_port=proxy_port,
        members=made,
        nodes=tuple(_node(host, values, made, meta_addr, findings, overrides[host]) for host, values in nodes.items()),
    )
    return Built(topology, findings, overrides)

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The one model of a HoraeDB cluster.

Everything the collection knows about where things are and what they are called
derives from :class:`Topology`: initial-cluster, etcd addresses, node names,
proxy back ends, probes and the report. It is pure: built once from variables,
frozen, and turned into a dict and back without loss, so that it can travel
through Jinja to a module on a host.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple


@dataclass(frozen=True)
class Member:
    """One HoraeMeta process. `node_count` and its neighbours are the values that WIN on this member."""

    host: str
    name: str
    address: str
    http_port: int
    client_port: int
    peer_port: int
    data_dir: str
    node_count: int
    shard_total: int
    topology_type: str
    cluster_name: str
    root_path: str
    client_url: str
    peer_url: str
    # Of the shard keeper's page; 0 without a keeper.
    keeper_port: int

    @property
    def api(self) -> str:
        """Base URL of HoraeMeta's HTTP API (it listens on every interface, whatever `addr` says)."""
        return "http://%s:%d" % (self.address, self.http_port)

    @property
    def etcd(self) -> str:
        """Base URL of the embedded etcd: gRPC, /health and the JSON gateway."""
        return "http://%s:%d" % (self.address, self.client_port)


@dataclass(frozen=True)
class Node:
    """One HoraeDB process (a data node). The addresses and names are the ones that WIN on this node."""

    host: str
    address: str
    server_addr: str
    bind_addr: str
    http_port: int
    grpc_port: int
    mysql_port: int
    postgresql_port: int
    data_dir: str
    cluster_name: str
    root_path: str
    meta_addr: str
    etcd_addrs: Tuple[str, ...]
    store: str
    store_dir: str
    wal: str
    wal_dir: str
    lease: str
    lock_ttl: int

    @property
    def name(self) -> str:
        """The name HoraeMeta knows the node by: `{node.addr}:{server.grpc_port}`."""
        return "%s:%d" % (self.server_addr, self.grpc_port)

    @property
    def http(self) -> str:
        """Base URL of the node's HTTP port, as the deployer reaches it."""
        return "http://%s:%d" % (self.address, self.http_port)


@dataclass(frozen=True)
class Topology:
    """The whole cluster."""

    cluster: str
    topology_type: str
    shard_total: int
    node_count: int
    root_path: str
    meta_endpoint: str
    proxy_port: int
    members: Tuple[Member, ...]
    nodes: Tuple[Node, ...]

    def member(self, host: str) -> Optional[Member]:
        """The member that runs on inventory host `host`, if any."""
        return next((m for m in self.members if m.host == host), None)

    def node(self, host: str) -> Optional[Node]:
        """The data node that runs on inventory host `host`, if any."""
        return next((n for n in self.nodes if n.host == host), None)

    def node_named(self, name: str) -> Optional[Node]:
        """The data node that HoraeMeta calls `name`, if the inventory has it."""
        return next((n for n in self.nodes if n.name == name), None)

    @property
    def hosts(self) -> Tuple[str, ...]:
        """Every inventory host once, members first."""
        return tuple(dict.fromkeys([m.host for m in self.members] + [n.host for n in self.nodes]))

    @property
    def quorum(self) -> int:
        """How many members must be healthy for the cluster to decide anything."""
        return len(self.members) // 2 + 1

    @property
    def static(self) -> bool:
        return self.topology_type == "static"

    @property
    def initial_cluster(self) -> str:
        """HoraeMeta's `initial-cluster`, the same string on every member."""
        return ",".join("%s=%s" % (m.name, m.peer_url) for m in self.members)

    def to_dict(self) -> Dict[str, Any]:
        """A plain dict of JSON types; the inverse of :meth:`from_dict`."""
        data = dataclasses.asdict(self)
        for node in data["nodes"]:
            node["etcd_addrs"] = list(node["etcd_addrs"])
        data["members"] = list(data["members"])
        data["nodes"] = list(data["nodes"])
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Topology:
        """Raises TypeError when a key is missing or unknown."""
        rest = dict(data)
        members = tuple(Member(**m) for m in rest.pop("members"))
        nodes = tuple(Node(**dict(n, etcd_addrs=tuple(n["etcd_addrs"]))) for n in rest.pop("nodes"))
        return cls(members=members, nodes=nodes, **rest)

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The configuration of both daemons as plain trees: what the model says, under what the operator sets."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology

Tree = Dict[str, Any]

# Heartbeats go out every 2/3 of the lease. HoraeMeta forgets a silent node after 10 s, whatever the lease says: with 3s
# a static node may be away for 8 s, with upstream's 10s for as little as 3.3 s (measured).
LEASE = "3s"
META_TIMEOUT = "2s"
# With a TTL of 15 s a node that takes its own lock back in the last instants panics (measured); planned restarts are far from 30 s.
LOCK_TTL = 30


def merge(base: Mapping[str, Any], over: Optional[Mapping[str, Any]]) -> Tree:
    """Deep merge: tables are merged, everything else in `over` wins. A value of None takes the key out."""
    merged: Tree = dict(base)
    for key, value in (over or {}).items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def horaemeta_config(topology: Topology, host: str, settings: Optional[Mapping[str, Any]] = None) -> Tree:
    """The whole tree of HoraeMeta's file on inventory host `host`.

    data-dir, node count and advertise addresses are always written: their defaults
    (/tmp/horaemeta, 2, 0.0.0.0) are wrong for every real deployment.
    Raises ValueError when `host` is not a member.
    """
    member = topology.member(host)
    if member is None:
        raise ValueError("%s is not a HoraeMeta member of this topology" % host)
    base = {
        "node-name": member.name,
        "addr": member.address,
        "data-dir": member.data_dir,
        "storage-root-path": member.root_path,
        "initial-cluster": topology.initial_cluster,
        "initial-cluster-state": "new",
        "client-urls": "http://0.0.0.0:%d" % member.client_port,
        "advertise-client-urls": member.client_url,
        "peer-urls": "http://0.0.0.0:%d" % member.peer_port,
        "advertise-peer-urls": member.peer_url,
        "http-port": member.http_port,
        "default-cluster-name": member.cluster_name,
        "default-cluster-node-count": member.node_count,
        "default-cluster-shard-total": member.shard_total,
        "topology-type": member.topology_type,
    }
    return merge(base, settings)


def storage_table(value: Optional[Mapping[str, Any]], data_dir: str, local: str) -> Tree:
    """An object_store or wal table: type Local (or RocksDB) gets the data directory unless it names its own."""
    kind = (value or {}).get("type", local)
    base = {"type": kind, "data_dir": data_dir} if kind in ("Local", "RocksDB") else {}
    return merge(base, value)


def horaedb_config(
    topology: Topology,
    host: str,
    settings: Optional[Mapping[str, Any]] = None,
    object_store: Optional[Mapping[str, Any]] = None,
    wal: Optional[Mapping[str, Any]] = None,
) -> Tree:
    """The whole tree of HoraeDB's file on inventory host `host`.

    [analytic.wal] is always written: without it the 2.1.0 release build panics, because
    its default (RocksDB) is not compiled in. Cache and tracing leave /tmp for the data directory.
    Raises ValueError when `host` is not a data node.
    """
    node = topology.node(host)
    if node is None:
        raise ValueError("%s is not a HoraeDB data node of this topology" % host)
    base = {
        "node": {"addr": node.server_addr},
        "server": {
            "bind_addr": node.bind_addr,
            "http_port": node.http_port,
            "grpc_port": node.grpc_port,
            "mysql_port": node.mysql_port,
            "postgresql_port": node.postgresql_port,
        },
        "tracing": {"dir": "%s/tracing" % node.data_dir},
        "analytic": {
            "wal": storage_table(wal, node.data_dir, "Local"),
            "storage": {
                "disk_cache_dir": "%s/cache" % node.data_dir,
                "object_store": storage_table(object_store, node.data_dir, "Local"),
            },
        },
        "cluster_deployment": {
            "mode": "WithMeta",
            "meta_client": {
                "cluster_name": node.cluster_name,
                "meta_addr": node.meta_addr,
                "lease": node.lease,
                "timeout": META_TIMEOUT,
            },
            "etcd_client": {
                "server_addrs": list(node.etcd_addrs),
                "root_path": node.root_path,
                "shard_lock_lease_ttl_sec": node.lock_ttl,
                "enable_shard_lock_fast_reacquire": True,
            },
        },
    }
    return merge(base, settings)

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Which variable of the collection stands behind a path of a daemon's file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# What the collection writes of its own, and the variable that it takes it from.
DERIVED: Mapping[str, Mapping[str, str]] = {
    "horaemeta": {
        "node-name": "horaemeta_node_name",
        "addr": "horaemeta_address",
        "data-dir": "horaemeta_data_dir",
        "storage-root-path": "horaemeta_storage_root_path",
        "initial-cluster": "horaemeta_group",
        "initial-cluster-state": "horaemeta_settings['initial-cluster-state']",
        "client-urls": "horaemeta_client_port",
        "advertise-client-urls": "horaemeta_address",
        "peer-urls": "horaemeta_peer_port",
        "advertise-peer-urls": "horaemeta_address",
        "http-port": "horaemeta_http_port",
        "default-cluster-name": "horaemeta_default_cluster_name",
        "default-cluster-node-count": "horaemeta_default_cluster_node_count",
        "default-cluster-shard-total": "horaemeta_default_cluster_shard_total",
        "topology-type": "horaemeta_topology_type",
    },
    "horaedb": {
        "node.addr": "horaedb_server_addr",
        "server.bind_addr": "horaedb_bind_addr",
        "server.http_port": "horaedb_http_port",
        "server.grpc_port": "horaedb_grpc_port",
        "server.mysql_port": "horaedb_mysql_port",
        "server.postgresql_port": "horaedb_postgresql_port",
        "tracing.dir": "horaedb_data_dir",
        "analytic.wal": "horaedb_wal",
        "analytic.wal.data_dir": "horaedb_data_dir",
        "analytic.storage.disk_cache_dir": "horaedb_data_dir",
        "analytic.storage.object_store": "horaedb_object_store",
        "analytic.storage.object_store.data_dir": "horaedb_data_dir",
        "cluster_deployment.mode": "horaedb_settings.cluster_deployment.mode",
        "cluster_deployment.meta_client.cluster_name": "horaedb_cluster_name",
        "cluster_deployment.meta_client.meta_addr": "horaedb_meta_endpoint",
        "cluster_deployment.meta_client.lease": "horaedb_settings.cluster_deployment.meta_client.lease",
        "cluster_deployment.meta_client.timeout": "horaedb_settings.cluster_deployment.meta_client.timeout",
        "cluster_deployment.etcd_client.server_addrs": "horaemeta_client_port",
        "cluster_deployment.etcd_client.root_path": "horaedb_etcd_root_path",
        "cluster_deployment.etcd_client.shard_lock_lease_ttl_sec": "horaedb_settings.cluster_deployment.etcd_client.shard_lock_lease_ttl_sec",
        "cluster_deployment.etcd_client.enable_shard_lock_fast_reacquire": (
            "horaedb_settings.cluster_deployment.etcd_client.enable_shard_lock_fast_reacquire"
        ),
    },
}
# Variables that are a whole table of HoraeDB's file.
TABLES: Mapping[str, Sequence[str]] = {
    "horaedb_object_store": ("analytic", "storage", "object_store"),
    "horaedb_wal": ("analytic", "wal"),
}


def below(variable: str, path: Sequence[Any]) -> str:
    """horaedb_settings.logger.level, horaemeta_settings['lease-sec'], horaedb_settings.limiter.rules[0].type"""
    steps = ("[%d]" % step if isinstance(step, int) else ".%s" % step if re.fullmatch(r"\w+", step) else "['%s']" % step for step in path)
    return variable + "".join(steps)


def variable_of(daemon: str, path: Sequence[Any], values: Mapping[str, Any]) -> tuple[str, bool]:
    """The variable to change for a path of the file, and whether the operator wrote it there."""
    settings = "%s_settings" % daemon
    if _has(values.get(settings), path):
        return below(settings, path), True
    for table, prefix in TABLES.items() if daemon == "horaedb" else ():
        if tuple(path[: len(prefix)]) == tuple(prefix):
            rest = path[len(prefix) :]
            if _has(values.get(table), rest):
                return below(table, rest), True
            # A derived data_dir is no key of the operator's table; anything else that is missing belongs into it.
            if ".".join(map(str, path)) not in DERIVED[daemon]:
                return below(table, rest), False
    return DERIVED[daemon].get(".".join(map(str, path)), below(settings, path)), False


def _has(tree: Any, path: Sequence[Any]) -> bool:
    for step in path:
        if isinstance(tree, Mapping) and step in tree or isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return False
    return isinstance(tree, (Mapping, list)) if not path else True

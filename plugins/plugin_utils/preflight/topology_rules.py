# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What can be said of a topology without asking anybody: pure rules over the model.

Each rule is a function from the model to findings; `problems` runs them all, so that
an operator sees everything that is wrong at once. The reasons are measurements of the
2.1.0 daemons, given in docs/topology.md.
"""

from __future__ import annotations

from typing import Callable, Iterator, List, Optional, Tuple
from urllib.parse import urlsplit

from ansible_collections.horaedb.cluster.plugins.module_utils.common.units import seconds
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Finding, by_value
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import placement_rules
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.placement_rules import hosts_of

Found = Iterator[Finding]


def _present(topology: Topology) -> Found:
    if not topology.members:
        yield Finding(
            "inventory.members",
            (),
            "the inventory has no HoraeMeta member.",
            "Add hosts to the group horaemeta (variable horaemeta_group).",
        )
    if not topology.nodes:
        yield Finding(
            "inventory.nodes", (), "the inventory has no HoraeDB data node.", "Add hosts to the group horaedb (variable horaedb_group)."
        )


def _node_count(topology: Topology) -> Found:
    """Too low: the nodes that come last stay empty for ever. Too high: no shard is ever assigned. Both measured."""
    inventory = len(topology.nodes)
    rule, limit = ("count.static", "must be") if topology.static else ("count.dynamic", "must be at most")
    for count in sorted({member.node_count for member in topology.members}):
        wrong = count != inventory if topology.static else count > inventory
        if wrong and inventory:
            yield Finding(
                rule,
                hosts_of([member for member in topology.members if member.node_count == count]),
                "DEFAULT_CLUSTER_NODE_COUNT is %d, and the inventory has %d data nodes; with %s topology it %s the number of data nodes."
                % (count, inventory, topology.topology_type, limit),
                "Set horaemeta_default_cluster_node_count to %d, or correct the group horaedb." % inventory,
            )


def _agreement(topology: Topology) -> Found:
    """The default cluster is made by whichever member leads first, with ITS configuration."""
    for field, name in (
        ("node_count", "horaemeta_default_cluster_node_count"),
        ("shard_total", "horaemeta_default_cluster_shard_total"),
        ("topology_type", "horaemeta_topology_type"),
        ("cluster_name", "horaemeta_default_cluster_name"),
        ("root_path", "horaemeta_storage_root_path"),
        ("http_port", "horaemeta_http_port"),
    ):
        pairs = [(m.host, getattr(m, field)) for m in topology.members]
        if len({value for _host, value in pairs}) > 1:
            why = "members forward to the leader on their OWN http port" if field == "http_port" else "whichever leads first would win"
            yield Finding(
                "members.http-port" if field == "http_port" else "members.disagree",
                hosts_of(topology.members),
                "%s differs between the members (%s); %s." % (name, by_value(pairs), why),
                "Give %s one value for all members." % name,
            )


def _topology_type(topology: Topology) -> Found:
    if topology.members and topology.topology_type not in ("static", "dynamic", ""):
        yield Finding(
            "topology.type",
            hosts_of(topology.members),
            "TOPOLOGY_TYPE is %r; HoraeMeta knows static and dynamic, and with anything else it exits with code 0."
            % topology.topology_type,
            "Set horaemeta_topology_type to static or dynamic.",
        )


def _dynamic_storage(topology: Topology) -> Found:
    """Dynamic topology moves shards between nodes; with local disks acknowledged rows were lost (measured)."""
    if topology.topology_type != "dynamic":
        return
    for rule, what, variable, local in (
        ("dynamic.store", "object store", "horaedb_object_store", [n for n in topology.nodes if n.store == "Local"]),
        ("dynamic.wal", "WAL", "horaedb_wal", [n for n in topology.nodes if n.wal in ("Local", "RocksDB")]),
    ):
        if local:
            kinds = by_value([(n.host, n.store if rule == "dynamic.store" else n.wal) for n in local])
            yield Finding(
                rule,
                hosts_of(local),
                "the %s is local (%s) while TOPOLOGY_TYPE is dynamic: shards move to nodes that don't have their data." % (what, kinds),
                "Set %s to remote storage, or horaemeta_topology_type to static." % variable,
            )


def _shards(topology: Topology) -> Found:
    if topology.members and 0 <= topology.shard_total < len(topology.nodes):
        yield Finding(
            "shards.few",
            hosts_of(topology.members),
            "DEFAULT_CLUSTER_SHARD_TOTAL is %d for %d data nodes: some nodes would never hold a shard."
            % (topology.shard_total, len(topology.nodes)),
            "Set horaemeta_default_cluster_shard_total to %d or more before the cluster is made; it can't be changed later."
            % len(topology.nodes),
        )


def _dialled(url: str) -> Optional[Tuple[str, int]]:
    """Host and port of an http://host:port, or None when `url` is anything else."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname and parts.port is not None and parts.path in ("", "/"):
            return parts.hostname, parts.port
    except ValueError:
        pass
    return None


def _endpoint(topology: Topology) -> Found:
    members = {_dialled(url) for member in topology.members for url in (member.client_url, member.etcd)}
    for node in topology.nodes if topology.members else ():
        dialled = _dialled(node.meta_addr)
        if dialled is None:
            yield Finding(
                "endpoint.url",
                (node.host,),
                "meta_addr would be %r; HoraeDB takes exactly one http://host:port." % node.meta_addr,
                "Set horaedb_meta_endpoint to proxy, direct or http://host:port.",
            )
        # Whatever it is written as: the variable, its URL, horaedb_settings or the environment.
        elif dialled in members and len(topology.members) > 1:
            yield Finding(
                "endpoint.direct",
                (node.host,),
                "meta_addr is %s, one of %d members: when it stops for 10 s, HoraeMeta forgets the shards of every node that has it."
                % (node.meta_addr, len(topology.members)),
                "Set horaedb_meta_endpoint to proxy, or to the http:// URL of a load balancer in front of all members.",
            )


def _names(topology: Topology) -> Found:
    for rule, field, here, there, why in (
        (
            "names.cluster",
            "cluster_name",
            topology.cluster,
            "horaedb_cluster_name",
            "HoraeDB panics at start when HoraeMeta doesn't know the cluster",
        ),
        ("names.root", "root_path", topology.root_path, "horaedb_etcd_root_path", "a mismatch switches failover off without a word"),
    ):
        differing = [n for n in topology.nodes if getattr(n, field) != here]
        if differing and topology.members:
            yield Finding(
                rule,
                hosts_of(differing),
                "HoraeMeta says %r, HoraeDB says %s; %s." % (here, by_value([(n.host, repr(getattr(n, field))) for n in differing]), why),
                "Leave %s at null, or set it to %r." % (there, here),
            )
    if topology.members and topology.root_path and not topology.root_path.startswith("/"):
        yield Finding(
            "names.root",
            hosts_of(topology.members),
            "the root path %r must start with /." % topology.root_path,
            "Correct horaemeta_storage_root_path.",
        )
    if topology.members and topology.cluster and topology.cluster != "defaultCluster":
        yield Finding(
            "names.default",
            hosts_of(topology.members),
            "the cluster is called %r; HoraeDB 2.1.0 handles its default schema only for defaultCluster in practice." % topology.cluster,
            "Leave horaemeta_default_cluster_name at defaultCluster unless you have tried it.",
            WARNING,
        )


def _timing(topology: Topology) -> Found:
    for node in topology.nodes:
        if 0 <= node.lock_ttl < 15:
            yield Finding(
                "lock.ttl",
                (node.host,),
                "shard_lock_lease_ttl_sec is %d; HoraeDB refuses less than 15, and near its end a node that takes its own lock back panics."
                % node.lock_ttl,
                "Leave it at 30 (horaedb_settings.cluster_deployment.etcd_client.shard_lock_lease_ttl_sec).",
            )
        try:
            lease = seconds(node.lease)
        except ValueError:
            yield Finding(
                "lease.duration",
                (node.host,),
                "the lease %r is not a duration: a text such as 3s or 1m30s, units d h m s ms in this order." % node.lease,
                "Correct horaedb_settings.cluster_deployment.meta_client.lease.",
            )
            continue
        if lease >= 10:
            yield Finding(
                "lease.long",
                (node.host,),
                "the lease is %s, so heartbeats are %.1f s apart; HoraeMeta forgets a node after 10 s of silence, so %s may only be away for %.1f s."
                % (node.lease, lease * 2 / 3, node.host, max(0.0, 10 - lease * 2 / 3)),
                "Set horaedb_settings.cluster_deployment.meta_client.lease to 3s.",
                WARNING,
            )


RULES: Tuple[Callable[[Topology], Found], ...] = (
    _present,
    _node_count,
    _agreement,
    _topology_type,
    _dynamic_storage,
    _shards,
    *placement_rules.RULES,
    _endpoint,
    _names,
    _timing,
)


def problems(topology: Topology) -> List[Finding]:
    """Every static finding, in the order of RULES."""
    return [finding for rule in RULES for finding in rule(topology)]

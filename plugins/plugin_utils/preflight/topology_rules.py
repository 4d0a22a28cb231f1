# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What can be said of a topology without asking anybody: pure rules over the model.

The reasons are measurements of the 2.1.0 daemons, given in docs/topology.md.
"""

from __future__ import annotations

from typing import Optional, Sequence, Tuple
from urllib.parse import urlsplit

from ansible_collections.horaedb.cluster.plugins.module_utils.common.units import seconds
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Faults, by_value, rule
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Node, Topology
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.placement_rules import hosts_of

# Seconds of silence after which HoraeMeta forgets a node, and what it held.
FORGETS = 10
# Heartbeats come once in this part of the lease.
HEARTBEAT = 2 / 3
# Seconds. HoraeDB refuses a lock that lives shorter.
SHORTEST_LOCK = 15
# The one cluster name for which HoraeDB 2.1.0 handles its default schema in practice.
USUAL_CLUSTER = "defaultCluster"


@rule("inventory.members")
def no_members(topology: Topology) -> Faults:
    if not topology.members:
        yield (), "the inventory has no HoraeMeta member.", "Add hosts to the group horaemeta (variable horaemeta_group)."


@rule("inventory.nodes")
def no_nodes(topology: Topology) -> Faults:
    if not topology.nodes:
        yield (), "the inventory has no HoraeDB data node.", "Add hosts to the group horaedb (variable horaedb_group)."


@rule("count.static")
def static_count(topology: Topology) -> Faults:
    """Too low: the nodes that come last stay empty for ever. Too high: no shard is ever assigned. Both measured."""
    if topology.static:
        yield from _wrong_counts(topology, [m.node_count for m in topology.members if m.node_count != len(topology.nodes)], "must be")


@rule("count.dynamic")
def dynamic_count(topology: Topology) -> Faults:
    if not topology.static:
        yield from _wrong_counts(topology, [m.node_count for m in topology.members if m.node_count > len(topology.nodes)], "must be at most")


def _wrong_counts(topology: Topology, wrong: Sequence[int], limit: str) -> Faults:
    inventory = len(topology.nodes)
    for count in sorted(set(wrong)) if inventory else ():
        yield (
            hosts_of([member for member in topology.members if member.node_count == count]),
            "DEFAULT_CLUSTER_NODE_COUNT is %d, and the inventory has %d data nodes; with %s topology it %s the number of data nodes."
            % (count, inventory, topology.topology_type, limit),
            "Set horaemeta_default_cluster_node_count to %d, or correct the group horaedb." % inventory,
        )


@rule("members.disagree")
def members_disagree(topology: Topology) -> Faults:
    """The default cluster is made by whichever member leads first, with ITS configuration."""
    for field, variable in (
        ("node_count", "horaemeta_default_cluster_node_count"),
        ("shard_total", "horaemeta_default_cluster_shard_total"),
        ("topology_type", "horaemeta_topology_type"),
        ("cluster_name", "horaemeta_default_cluster_name"),
        ("root_path", "horaemeta_storage_root_path"),
    ):
        yield from _differing(topology, field, variable, "whichever leads first would win")


@rule("members.http-port")
def http_ports_disagree(topology: Topology) -> Faults:
    yield from _differing(topology, "http_port", "horaemeta_http_port", "members forward to the leader on their OWN http port")


def _differing(topology: Topology, field: str, variable: str, why: str) -> Faults:
    pairs = [(m.host, getattr(m, field)) for m in topology.members]
    if len({value for _host, value in pairs}) > 1:
        yield (
            hosts_of(topology.members),
            "%s differs between the members (%s); %s." % (variable, by_value(pairs), why),
            "Give %s one value for all members." % variable,
        )


@rule("topology.type")
def topology_type(topology: Topology) -> Faults:
    if topology.members and topology.topology_type not in ("static", "dynamic", ""):
        yield (
            hosts_of(topology.members),
            "TOPOLOGY_TYPE is %r; HoraeMeta knows static and dynamic, and with anything else it exits with code 0." % topology.topology_type,
            "Set horaemeta_topology_type to static or dynamic.",
        )


@rule("dynamic.store")
def dynamic_store(topology: Topology) -> Faults:
    """Dynamic topology moves shards between nodes; with local disks acknowledged rows were lost (measured)."""
    local = [(node, node.store) for node in topology.nodes if node.store == "Local"]
    yield from _local_under_dynamic(topology, local, "object store", "horaedb_object_store")


@rule("dynamic.wal")
def dynamic_wal(topology: Topology) -> Faults:
    local = [(node, node.wal) for node in topology.nodes if node.wal in ("Local", "RocksDB")]
    yield from _local_under_dynamic(topology, local, "WAL", "horaedb_wal")


def _local_under_dynamic(topology: Topology, local: Sequence[Tuple[Node, str]], what: str, variable: str) -> Faults:
    if local and topology.topology_type == "dynamic":
        kinds = by_value([(node.host, kind) for node, kind in local])
        yield (
            hosts_of([node for node, _kind in local]),
            "the %s is local (%s) while TOPOLOGY_TYPE is dynamic: shards move to nodes that don't have their data." % (what, kinds),
            "Set %s to remote storage, or horaemeta_topology_type to static." % variable,
        )


@rule("shards.few")
def few_shards(topology: Topology) -> Faults:
    if topology.members and 0 <= topology.shard_total < len(topology.nodes):
        yield (
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


@rule("endpoint.url")
def endpoint_url(topology: Topology) -> Faults:
    for node in topology.nodes if topology.members else ():
        if _dialled(node.meta_addr) is None:
            yield (
                (node.host,),
                "meta_addr would be %r; HoraeDB takes exactly one http://host:port." % node.meta_addr,
                "Set horaedb_meta_endpoint to proxy, direct or http://host:port.",
            )


@rule("endpoint.direct")
def endpoint_direct(topology: Topology) -> Faults:
    members = {_dialled(url) for member in topology.members for url in (member.client_url, member.etcd)} - {None}
    for node in topology.nodes if len(topology.members) > 1 else ():
        # Whatever it is written as: the variable, its URL, horaedb_settings or the environment.
        if _dialled(node.meta_addr) in members:
            yield (
                (node.host,),
                "meta_addr is %s, one of %d members: when it stops for %d s, HoraeMeta forgets the shards of every node that has it."
                % (node.meta_addr, len(topology.members), FORGETS),
                "Set horaedb_meta_endpoint to proxy, or to the http:// URL of a load balancer in front of all members.",
            )


@rule("names.cluster")
def cluster_name(topology: Topology) -> Faults:
    why = "HoraeDB panics at start when HoraeMeta doesn't know the cluster"
    yield from _named_otherwise(topology, "cluster_name", topology.cluster, "horaedb_cluster_name", why)


@rule("names.root")
def root_path(topology: Topology) -> Faults:
    why = "a mismatch switches failover off without a word"
    yield from _named_otherwise(topology, "root_path", topology.root_path, "horaedb_etcd_root_path", why)
    if topology.members and topology.root_path and not topology.root_path.startswith("/"):
        yield (
            hosts_of(topology.members),
            "the root path %r must start with /." % topology.root_path,
            "Correct horaemeta_storage_root_path.",
        )


def _named_otherwise(topology: Topology, field: str, here: str, variable: str, why: str) -> Faults:
    differing = [n for n in topology.nodes if getattr(n, field) != here]
    if differing and topology.members:
        yield (
            hosts_of(differing),
            "HoraeMeta says %r, HoraeDB says %s; %s." % (here, by_value([(n.host, repr(getattr(n, field))) for n in differing]), why),
            "Leave %s at null, or set it to %r." % (variable, here),
        )


@rule("names.default", WARNING)
def unusual_cluster(topology: Topology) -> Faults:
    if topology.members and topology.cluster and topology.cluster != USUAL_CLUSTER:
        yield (
            hosts_of(topology.members),
            "the cluster is called %r; HoraeDB 2.1.0 handles its default schema only for %s in practice." % (topology.cluster, USUAL_CLUSTER),
            "Leave horaemeta_default_cluster_name at %s unless you have tried it." % USUAL_CLUSTER,
        )


@rule("lock.ttl")
def short_lock(topology: Topology) -> Faults:
    for node in topology.nodes:
        if 0 <= node.lock_ttl < SHORTEST_LOCK:
            yield (
                (node.host,),
                "shard_lock_lease_ttl_sec is %d; HoraeDB refuses less than %d, and near its end a node that takes its own lock back panics."
                % (node.lock_ttl, SHORTEST_LOCK),
                "Leave it at 30 (horaedb_settings.cluster_deployment.etcd_client.shard_lock_lease_ttl_sec).",
            )


def _lease(node: Node) -> Optional[float]:
    """Seconds, or None when it is no duration."""
    try:
        return seconds(node.lease)
    except ValueError:
        return None


@rule("lease.duration")
def lease_duration(topology: Topology) -> Faults:
    for node in topology.nodes:
        if _lease(node) is None:
            yield (
                (node.host,),
                "the lease %r is not a duration: a text such as 3s or 1m30s, units d h m s ms in this order." % node.lease,
                "Correct horaedb_settings.cluster_deployment.meta_client.lease.",
            )


@rule("lease.long", WARNING)
def long_lease(topology: Topology) -> Faults:
    for node in topology.nodes:
        lease = _lease(node)
        if lease is not None and lease >= FORGETS:
            apart = lease * HEARTBEAT
            yield (
                (node.host,),
                "the lease is %s, so heartbeats are %.1f s apart; HoraeMeta forgets a node after %d s of silence, so %s may only be away for %.1f s."
                % (node.lease, apart, FORGETS, node.host, max(0.0, FORGETS - apart)),
                "Set horaedb_settings.cluster_deployment.meta_client.lease to 3s.",
            )

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

import ipaddress
import re
from collections import defaultdict
from typing import Callable, DefaultDict, Dict, Iterator, List, Sequence, Tuple
from urllib.parse import urlsplit

from ansible_collections.horaedb.cluster.plugins.module_utils.findings import WARNING, Finding
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Member, Node, Topology

Found = Iterator[Finding]

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(duration: str) -> float:
    """A HoraeDB duration ("1h30m", units d h m s ms, each once, descending) in seconds; ValueError otherwise."""
    match = re.match(r"^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$", duration)
    if not duration or match is None:
        raise ValueError("%r is not a duration" % duration)
    return sum(float(n) * _UNITS[unit] for n, unit in zip(match.groups(), ("d", "h", "m", "s", "ms")) if n is not None)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _loopback(address: str) -> bool:
    ip = _ip(address)
    return address == "localhost" or (ip is not None and ip.is_loopback)


def _wildcard(address: str) -> bool:
    ip = _ip(address)
    return ip is not None and ip.is_unspecified


def _ipv6(address: str) -> bool:
    ip = _ip(address)
    return ip is not None and ip.version == 6


def _hosts(things: Sequence[Member | Node]) -> Tuple[str, ...]:
    return tuple(sorted({thing.host for thing in things}))


def _values(pairs: Sequence[Tuple[str, object]]) -> str:
    """`3 on meta1, meta2; 4 on meta3`"""
    by_value: Dict[str, List[str]] = {}
    for host, value in pairs:
        by_value.setdefault(str(value), []).append(host)
    return "; ".join("%s on %s" % (value, ", ".join(hosts)) for value, hosts in by_value.items())


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
    for member in topology.members:
        wrong = member.node_count != inventory if topology.static else member.node_count > inventory
        if wrong and member.node_count >= 0:
            rule, limit = ("count.static", "must be") if topology.static else ("count.dynamic", "must be at most")
            yield Finding(
                rule,
                (member.host,),
                "DEFAULT_CLUSTER_NODE_COUNT is %d, and the inventory has %d data nodes; with %s topology it %s the number of data nodes."
                % (member.node_count, inventory, topology.topology_type, limit),
                "Set horaemeta_default_cluster_node_count to %d (and take it out of horaemeta_environment and horaemeta_settings), or correct the "
                "group horaedb." % inventory,
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
                _hosts(topology.members),
                "%s differs between the members (%s); %s." % (name, _values(pairs), why),
                "Give %s one value for all members." % name,
            )


def _topology_type(topology: Topology) -> Found:
    if topology.members and topology.topology_type not in ("static", "dynamic", ""):
        yield Finding(
            "topology.type",
            _hosts(topology.members),
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
            kinds = _values([(n.host, n.store if rule == "dynamic.store" else n.wal) for n in local])
            yield Finding(
                rule,
                _hosts(local),
                "the %s is local (%s) while TOPOLOGY_TYPE is dynamic: shards move to nodes that don't have their data." % (what, kinds),
                "Set %s to remote storage, or horaemeta_topology_type to static." % variable,
            )


def _shards(topology: Topology) -> Found:
    if topology.nodes and 0 <= topology.shard_total < len(topology.nodes):
        yield Finding(
            "shards.few",
            _hosts(topology.members),
            "DEFAULT_CLUSTER_SHARD_TOTAL is %d for %d data nodes: some nodes would never hold a shard."
            % (topology.shard_total, len(topology.nodes)),
            "Set horaemeta_default_cluster_shard_total to %d or more before the cluster is made; it can't be changed later."
            % len(topology.nodes),
        )


def _one_machine(topology: Topology) -> bool:
    return len(set(_hosts(topology.members) + _hosts(topology.nodes))) == 1


def _identity(topology: Topology) -> Found:
    """The node's name is {addr}:{grpc_port}: the heartbeat endpoint, the lock value and what HoraeMeta dials."""
    for node in topology.nodes:
        addr = node.server_addr
        bad = None
        if _ipv6(addr):
            bad = "is an IPv6 literal, which can't be part of a node name"
        elif ":" in addr or "/" in addr:
            bad = "carries a port or a scheme, which would make the node %s" % node.name
        elif _wildcard(addr):
            bad = "is the wildcard address, which no peer can dial"
        elif _loopback(addr) and not _one_machine(topology):
            bad = "is a loopback address, by which no other host can reach this node"
        if bad:
            yield Finding(
                "identity.address",
                (node.host,),
                "HORAEDB_SERVER_ADDR %r %s." % (addr, bad),
                "Set horaedb_server_addr to the address or name, without a port, by which members and nodes reach %s." % node.host,
            )
        ip = _ip(node.bind_addr)
        if ip is None or ip.version != 4:
            yield Finding(
                "identity.bind",
                (node.host,),
                "bind_addr %r is not an IPv4 literal; HoraeDB accepts neither host names nor IPv6." % node.bind_addr,
                "Set horaedb_bind_addr to 0.0.0.0 or to an IPv4 address of %s." % node.host,
            )
    by_name: DefaultDict[str, List[Node]] = defaultdict(list)
    for node in topology.nodes:
        by_name[node.name].append(node)
    for name, nodes in by_name.items():
        if len(nodes) > 1:
            yield Finding(
                "identity.duplicate",
                _hosts(nodes),
                "all of them call themselves %s, so HoraeMeta would take them for one node." % name,
                "Give each its own horaedb_server_addr (or horaedb_grpc_port).",
            )


def _member_identity(topology: Topology) -> Found:
    by_name: DefaultDict[str, List[Member]] = defaultdict(list)
    for member in topology.members:
        by_name[member.name].append(member)
        if re.search(r"[=,\s]", member.name):
            yield Finding(
                "members.name",
                (member.host,),
                "the member name %r has a character that initial-cluster can't carry." % member.name,
                "Set horaemeta_node_name to letters, digits, dots and dashes.",
            )
        for url, what in ((member.client_url, "client"), (member.peer_url, "peer")):
            try:
                host = urlsplit(url).hostname or ""
            except ValueError:
                host = ""
            lonely = _loopback(host) and not _one_machine(topology)
            if not host or _wildcard(host) or _ipv6(host) or lonely:
                yield Finding(
                    "members.advertise",
                    (member.host,),
                    "the advertised %s address %r can't be dialled by the others (HoraeMeta forwards to it; wildcard, loopback and IPv6 break that)."
                    % (what, url),
                    "Set horaemeta_address to an IPv4 address or a name of %s that all hosts can reach." % member.host,
                )
    for name, members in by_name.items():
        if len(members) > 1:
            yield Finding(
                "members.duplicate", _hosts(members), "they share the member name %r." % name, "Give each its own horaemeta_node_name."
            )
    if topology.members and len(topology.members) % 2 == 0:
        yield Finding(
            "members.even",
            _hosts(topology.members),
            "%d members survive the loss of %d, as many as %d would."
            % (len(topology.members), (len(topology.members) - 1) // 2, len(topology.members) - 1),
            "Use an odd number of hosts in the group horaemeta.",
            WARNING,
        )


def _machines(topology: Topology) -> Found:
    """Two inventory names in one group with one address are one machine under two names."""
    for things, variable in ((topology.members, "horaemeta_address"), (topology.nodes, "horaedb_address")):
        by_address: DefaultDict[str, List[Member | Node]] = defaultdict(list)
        for thing in things:
            by_address[thing.address].append(thing)
        for address, same in by_address.items():
            if len(same) > 1:
                yield Finding(
                    "machine.twice",
                    _hosts(same),
                    "these inventory names all mean the machine at %s." % address,
                    "Keep one of them, or correct ansible_host or %s." % variable,
                )


def _ports(topology: Topology) -> Found:
    used: DefaultDict[Tuple[str, int], List[Tuple[str, str]]] = defaultdict(list)
    for member in topology.members:
        for port, variable in (
            (member.http_port, "horaemeta_http_port"),
            (member.client_port, "horaemeta_client_port"),
            (member.peer_port, "horaemeta_peer_port"),
        ):
            used[(member.address, port)].append((member.host, variable))
    proxied = topology.meta_endpoint == "proxy" and len(topology.members) > 1
    for node in topology.nodes:
        for port, variable in (
            (node.http_port, "horaedb_http_port"),
            (node.grpc_port, "horaedb_grpc_port"),
            (node.mysql_port, "horaedb_mysql_port"),
            (node.postgresql_port, "horaedb_postgresql_port"),
        ):
            used[(node.address, port)].append((node.host, variable))
        if proxied:
            used[(node.address, topology.proxy_port)].append((node.host, "meta_proxy_port"))
    for (address, port), users in used.items():
        variables = sorted({variable for _host, variable in users})
        if len(variables) > 1 and port > 0:
            yield Finding(
                "ports.collide",
                tuple(sorted({host for host, _variable in users})),
                "port %d at %s is wanted by %s." % (port, address, " and ".join(variables)),
                "Give one of these variables another port.",
            )


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _paths(topology: Topology) -> Found:
    claims: DefaultDict[str, List[Tuple[str, str, str]]] = defaultdict(list)
    for member in topology.members:
        claims[member.address].append((member.host, "horaemeta_data_dir", member.data_dir))
    for node in topology.nodes:
        for path in sorted({node.data_dir, node.store_dir, node.wal_dir} - {""}):
            claims[node.address].append((node.host, "horaedb_data_dir", path))
    for here in claims.values():
        for host, variable, path in here:
            if not path.startswith("/"):
                yield Finding("paths.relative", (host,), "the data directory %r is not an absolute path." % path, "Correct %s." % variable)
            elif any(_inside(path, folder) for folder in ("/tmp", "/var/tmp", "/run", "/dev/shm")):
                yield Finding(
                    "paths.temporary",
                    (host,),
                    "data would lie under %s, which a reboot or a clean-up empties." % path,
                    "Set %s to a directory that lasts, such as /var/lib/%s." % (variable, variable.split("_")[0]),
                )
            elif any(_inside(path, folder) for folder in ("/home", "/root")):
                yield Finding(
                    "paths.home",
                    (host,),
                    "the data directory %s lies in a home directory, which the daemon's sandbox (ProtectHome) hides from it." % path,
                    "Set %s to a directory such as /var/lib/%s." % (variable, variable.split("_")[0]),
                )
        for index, (host, variable, path) in enumerate(here):
            for other_host, other_variable, other in here[index + 1 :]:
                if (host, variable) != (other_host, other_variable) and (_inside(path, other) or _inside(other, path)):
                    yield Finding(
                        "paths.collide",
                        tuple(sorted({host, other_host})),
                        "%s (%s) and %s (%s) are the same or lie in each other on one machine." % (path, variable, other, other_variable),
                        "Give each daemon a data directory of its own.",
                    )


def _endpoint(topology: Topology) -> Found:
    if topology.meta_endpoint == "direct" and len(topology.members) > 1:
        yield Finding(
            "endpoint.direct",
            _hosts(topology.nodes),
            "horaedb_meta_endpoint is direct with %d members: when that one member stops for 10 s, HoraeMeta forgets the shards of every node."
            % len(topology.members),
            "Set horaedb_meta_endpoint to proxy, or to the http:// URL of a load balancer in front of all members.",
        )
    for node in topology.nodes:
        try:
            url = urlsplit(node.meta_addr)
            good = url.scheme == "http" and bool(url.hostname) and url.port is not None and url.path in ("", "/")
        except ValueError:
            good = False
        if not good and topology.members:
            yield Finding(
                "endpoint.url",
                (node.host,),
                "meta_addr would be %r; HoraeDB takes exactly one http://host:port." % node.meta_addr,
                "Set horaedb_meta_endpoint to proxy, direct or http://host:port.",
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
                _hosts(differing),
                "HoraeMeta says %r, HoraeDB says %s; %s." % (here, _values([(n.host, repr(getattr(n, field))) for n in differing]), why),
                "Leave %s at null, or set it to %r." % (there, here),
            )
    if topology.members and topology.root_path and not topology.root_path.startswith("/"):
        yield Finding(
            "names.root",
            _hosts(topology.members),
            "the root path %r must start with /." % topology.root_path,
            "Correct horaemeta_storage_root_path.",
        )
    if topology.members and topology.cluster and topology.cluster != "defaultCluster":
        yield Finding(
            "names.default",
            _hosts(topology.members),
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
    _identity,
    _member_identity,
    _machines,
    _ports,
    _paths,
    _endpoint,
    _names,
    _timing,
)


def problems(topology: Topology) -> List[Finding]:
    """Every static finding, in the order of RULES."""
    return [finding for rule in RULES for finding in rule(topology)]

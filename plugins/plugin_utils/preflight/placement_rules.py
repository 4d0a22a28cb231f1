# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Rules about where things are: addresses, names, ports and directories, each in reach and none taken twice. Pure; see topology_rules.py."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from typing import Callable, DefaultDict, Dict, Iterator, List, Sequence, Tuple
from urllib.parse import urlsplit

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Finding
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Node, Topology

Found = Iterator[Finding]


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


def hosts_of(things: Sequence[Member | Node]) -> Tuple[str, ...]:
    return tuple(sorted({thing.host for thing in things}))


def _one_machine(topology: Topology) -> bool:
    return len(set(hosts_of(topology.members) + hosts_of(topology.nodes))) == 1


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
        bad = None
        if ip is None or ip.version != 4:
            bad = "is not an IPv4 literal; HoraeDB accepts neither host names nor IPv6"
        elif ip.is_loopback and not _one_machine(topology):
            bad = "is a loopback address, on which no other host can reach this node"
        if bad:
            yield Finding(
                "identity.bind",
                (node.host,),
                "bind_addr %r %s." % (node.bind_addr, bad),
                "Set horaedb_bind_addr to 0.0.0.0 or to an IPv4 address of %s." % node.host,
            )
    by_name: DefaultDict[str, List[Node]] = defaultdict(list)
    for node in topology.nodes:
        by_name[node.name].append(node)
    for name, nodes in by_name.items():
        if len(nodes) > 1:
            yield Finding(
                "identity.duplicate",
                hosts_of(nodes),
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
                "members.duplicate", hosts_of(members), "they share the member name %r." % name, "Give each its own horaemeta_node_name."
            )
    if topology.members and len(topology.members) % 2 == 0:
        yield Finding(
            "members.even",
            hosts_of(topology.members),
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
                    hosts_of(same),
                    "these inventory names all mean the machine at %s." % address,
                    "Keep one of them, or correct ansible_host or %s." % variable,
                )


def _machine_of(topology: Topology) -> Dict[str, str]:
    """Which machine an inventory host is: daemons on it may be given different addresses, and two names may mean one machine."""
    machines = {node.host: node.address for node in topology.nodes}
    machines.update({member.host: member.address for member in topology.members})
    return machines


def _ports(topology: Topology) -> Found:
    machine = _machine_of(topology)
    used: DefaultDict[Tuple[str, int], List[Tuple[str, str]]] = defaultdict(list)
    for member in topology.members:
        for port, variable in (
            (member.http_port, "horaemeta_http_port"),
            (member.client_port, "horaemeta_client_port"),
            (member.peer_port, "horaemeta_peer_port"),
        ):
            used[(machine[member.host], port)].append((member.host, variable))
        if member.keeper_port:
            used[(machine[member.host], member.keeper_port)].append((member.host, "shard_keeper_port"))
    proxied = topology.meta_endpoint == "proxy" and len(topology.members) > 1
    for node in topology.nodes:
        for port, variable in (
            (node.http_port, "horaedb_http_port"),
            (node.grpc_port, "horaedb_grpc_port"),
            (node.mysql_port, "horaedb_mysql_port"),
            (node.postgresql_port, "horaedb_postgresql_port"),
        ):
            used[(machine[node.host], port)].append((node.host, variable))
        if proxied:
            used[(machine[node.host], topology.proxy_port)].append((node.host, "meta_proxy_port"))
    for (address, port), users in used.items():
        variables = sorted({variable for _host, variable in users})
        if len(variables) > 1:
            yield Finding(
                "ports.collide",
                tuple(sorted({host for host, _variable in users})),
                "port %d at %s is wanted by %s." % (port, address, " and ".join(variables)),
                "Give one of these variables another port.",
            )


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _directories(node: Node) -> Dict[str, str]:
    """A data node's directories by the variable that sets them, each directory once."""
    by_path: Dict[str, str] = {}
    for path, variable in (
        (node.data_dir, "horaedb_data_dir"),
        (node.store_dir, "horaedb_object_store.data_dir"),
        (node.wal_dir, "horaedb_wal.data_dir"),
    ):
        if path:
            by_path.setdefault(path, variable)
    return {variable: path for path, variable in by_path.items()}


def _paths(topology: Topology) -> Found:
    machine = _machine_of(topology)
    # machine -> (host, daemon, variable, path)
    claims: DefaultDict[str, List[Tuple[str, str, str, str]]] = defaultdict(list)
    for member in topology.members:
        claims[machine[member.host]].append((member.host, "horaemeta", "horaemeta_data_dir", member.data_dir))
    for node in topology.nodes:
        for variable, path in _directories(node).items():
            claims[machine[node.host]].append((node.host, "horaedb", variable, path))
    for here in claims.values():
        for host, daemon, variable, path in here:
            if not path.startswith("/"):
                yield Finding("paths.relative", (host,), "the data directory %r is not an absolute path." % path, "Correct %s." % variable)
            elif any(_inside(path, folder) for folder in ("/tmp", "/var/tmp", "/run", "/dev/shm")):
                yield Finding(
                    "paths.temporary",
                    (host,),
                    "data would lie under %s, which a reboot or a clean-up empties." % path,
                    "Set %s to a directory that lasts, such as /var/lib/%s." % (variable, daemon),
                )
            elif any(_inside(path, folder) for folder in ("/home", "/root")):
                yield Finding(
                    "paths.home",
                    (host,),
                    "the data directory %s lies in a home directory, which the daemon's sandbox (ProtectHome) hides from it." % path,
                    "Set %s to a directory such as /var/lib/%s." % (variable, daemon),
                )
        for index, (host, daemon, variable, path) in enumerate(here):
            for other_host, other_daemon, other_variable, other in here[index + 1 :]:
                if (host, daemon) != (other_host, other_daemon) and (_inside(path, other) or _inside(other, path)):
                    yield Finding(
                        "paths.collide",
                        tuple(sorted({host, other_host})),
                        "%s (%s) and %s (%s) are the same or lie in each other on one machine." % (path, variable, other, other_variable),
                        "Give each daemon a data directory of its own.",
                    )


RULES: Tuple[Callable[[Topology], Found], ...] = (
    _identity,
    _member_identity,
    _machines,
    _ports,
    _paths,
)

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Rules about where things are: addresses, names, ports and directories, each in reach and none taken twice. Pure; see topology_rules.py."""

from __future__ import annotations

import ipaddress
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Any, DefaultDict, Dict, Iterator, List, Mapping, Sequence, Tuple
from urllib.parse import urlsplit

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Faults, rule
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Member, Node, Topology
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.host_state import HostState, same_machine

# A reboot or a clean-up empties them.
TEMPORARY = ("/tmp", "/var/tmp", "/run", "/dev/shm")
# Hidden from the daemons by their units (ProtectHome).
HOMES = ("/home", "/root")


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


@rule("identity.address")
def server_address(topology: Topology) -> Faults:
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
            yield (
                (node.host,),
                "HORAEDB_SERVER_ADDR %r %s." % (addr, bad),
                "Set horaedb_server_addr to the address or name, without a port, by which members and nodes reach %s." % node.host,
            )


@rule("identity.bind")
def bind_address(topology: Topology) -> Faults:
    for node in topology.nodes:
        ip = _ip(node.bind_addr)
        bad = None
        if ip is None or ip.version != 4:
            bad = "is not an IPv4 literal; HoraeDB accepts neither host names nor IPv6"
        elif ip.is_loopback and not _one_machine(topology):
            bad = "is a loopback address, on which no other host can reach this node"
        if bad:
            yield (
                (node.host,),
                "bind_addr %r %s." % (node.bind_addr, bad),
                "Set horaedb_bind_addr to 0.0.0.0 or to an IPv4 address of %s." % node.host,
            )


@rule("identity.duplicate")
def one_identity_twice(topology: Topology) -> Faults:
    by_name: DefaultDict[str, List[Node]] = defaultdict(list)
    for node in topology.nodes:
        by_name[node.name].append(node)
    for name, nodes in by_name.items():
        if len(nodes) > 1:
            yield (
                hosts_of(nodes),
                "all of them call themselves %s, so HoraeMeta would take them for one node." % name,
                "Give each its own horaedb_server_addr (or horaedb_grpc_port).",
            )


@rule("members.name")
def member_name(topology: Topology) -> Faults:
    for member in topology.members:
        if re.search(r"[=,\s]", member.name):
            yield (
                (member.host,),
                "the member name %r has a character that initial-cluster can't carry." % member.name,
                "Set horaemeta_node_name to letters, digits, dots and dashes.",
            )


@rule("members.advertise")
def advertised_address(topology: Topology) -> Faults:
    for member in topology.members:
        for url, what in ((member.client_url, "client"), (member.peer_url, "peer")):
            try:
                host = urlsplit(url).hostname or ""
            except ValueError:
                host = ""
            lonely = _loopback(host) and not _one_machine(topology)
            if not host or _wildcard(host) or _ipv6(host) or lonely:
                yield (
                    (member.host,),
                    "the advertised %s address %r can't be dialled by the others (HoraeMeta forwards to it; wildcard, loopback and IPv6 break that)."
                    % (what, url),
                    "Set horaemeta_address to an IPv4 address or a name of %s that all hosts can reach." % member.host,
                )


@rule("members.duplicate")
def one_member_name_twice(topology: Topology) -> Faults:
    by_name: DefaultDict[str, List[Member]] = defaultdict(list)
    for member in topology.members:
        by_name[member.name].append(member)
    for name, members in by_name.items():
        if len(members) > 1:
            yield hosts_of(members), "they share the member name %r." % name, "Give each its own horaemeta_node_name."


@rule("members.even", WARNING)
def even_members(topology: Topology) -> Faults:
    if topology.members and len(topology.members) % 2 == 0:
        yield (
            hosts_of(topology.members),
            "%d members survive the loss of %d, as many as %d would."
            % (len(topology.members), (len(topology.members) - 1) // 2, len(topology.members) - 1),
            "Use an odd number of hosts in the group horaemeta.",
        )


@rule("machine.twice")
def machine_twice(topology: Topology, _seen: Any = None, states: Mapping[str, HostState] = MappingProxyType({})) -> Faults:
    """Two names in one group with one address, which the inventory tells; or with two, which only the hosts can: then there are `states`."""
    for things, variable in ((topology.members, "horaemeta_address"), (topology.nodes, "horaedb_address")):
        by_address: DefaultDict[str, List[Member | Node]] = defaultdict(list)
        for thing in things:
            by_address[thing.address].append(thing)
        for address, same in by_address.items():
            if len(same) > 1:
                yield (
                    hosts_of(same),
                    "these inventory names all mean the machine at %s." % address,
                    "Keep one of them, or correct ansible_host or %s." % variable,
                )
        for hosts in same_machine([states[thing.host] for thing in things if thing.host in states]):
            if len({thing.address for thing in things if thing.host in hosts}) > 1:
                yield (
                    hosts,
                    "these inventory names are one machine (same machine id and boot id).",
                    "Keep one of them, or correct ansible_host.",
                )


def _machine_of(topology: Topology) -> Dict[str, str]:
    """Which machine an inventory host is: daemons on it may be given different addresses, and two names may mean one machine."""
    machines = {node.host: node.address for node in topology.nodes}
    machines.update({member.host: member.address for member in topology.members})
    return machines


@rule("ports.collide")
def one_port_twice(topology: Topology) -> Faults:
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
            yield (
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


@dataclass(frozen=True)
class _Claim:
    """A data directory: whose, and the variable that sets it."""

    host: str
    daemon: str
    variable: str
    path: str


def _claims(topology: Topology) -> Dict[str, List[_Claim]]:
    """By machine."""
    machine = _machine_of(topology)
    claims: DefaultDict[str, List[_Claim]] = defaultdict(list)
    for member in topology.members:
        claims[machine[member.host]].append(_Claim(member.host, "horaemeta", "horaemeta_data_dir", member.data_dir))
    for node in topology.nodes:
        for variable, path in _directories(node).items():
            claims[machine[node.host]].append(_Claim(node.host, "horaedb", variable, path))
    return claims


def _claims_inside(topology: Topology, folders: Sequence[str]) -> Iterator[_Claim]:
    for here in _claims(topology).values():
        yield from (claim for claim in here if any(_inside(claim.path, folder) for folder in folders))


@rule("paths.relative")
def relative_path(topology: Topology) -> Faults:
    for here in _claims(topology).values():
        for claim in here:
            if not claim.path.startswith("/"):
                yield (claim.host,), "the data directory %r is not an absolute path." % claim.path, "Correct %s." % claim.variable


@rule("paths.temporary")
def temporary_path(topology: Topology) -> Faults:
    for claim in _claims_inside(topology, TEMPORARY):
        yield (
            (claim.host,),
            "data would lie under %s, which a reboot or a clean-up empties." % claim.path,
            "Set %s to a directory that lasts, such as /var/lib/%s." % (claim.variable, claim.daemon),
        )


@rule("paths.home")
def path_in_a_home(topology: Topology) -> Faults:
    for claim in _claims_inside(topology, HOMES):
        yield (
            (claim.host,),
            "the data directory %s lies in a home directory, which the daemon's sandbox (ProtectHome) hides from it." % claim.path,
            "Set %s to a directory such as /var/lib/%s." % (claim.variable, claim.daemon),
        )


@rule("paths.collide")
def one_path_twice(topology: Topology) -> Faults:
    for here in _claims(topology).values():
        for one, other in combinations(here, 2):
            if (one.host, one.daemon) != (other.host, other.daemon) and (_inside(one.path, other.path) or _inside(other.path, one.path)):
                yield (
                    tuple(sorted({one.host, other.host})),
                    "%s (%s) and %s (%s) are the same or lie in each other on one machine." % (one.path, one.variable, other.path, other.variable),
                    "Give each daemon a data directory of its own.",
                )

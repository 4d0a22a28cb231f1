"""Labs and their hosts as plain values; no engine needed to think about them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.console import LabError
from lab.paths import CHECKOUT_TAG, LABS

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Private addresses that neither docker's own pools nor usual home and office networks use.
SUBNETS = ipaddress.IPv4Network("10.213.0.0/16")
# The first addresses of a subnet stay free for the bridge itself.
FIRST_HOST = 11


@dataclass(frozen=True)
class Host:
    name: str
    groups: tuple[str, ...]
    without_python: bool = False


@dataclass(frozen=True)
class Lab:
    name: str

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise LabError(f"a lab's name is made of a-z, 0-9 and -, at most 32 characters; {self.name!r} is not")

    @property
    def network(self) -> str:
        return f"horaedb-{self.name}-{CHECKOUT_TAG}"

    @property
    def folder(self) -> Path:
        return LABS / f"{self.name}-{CHECKOUT_TAG}"

    def container(self, host: str) -> str:
        return f"{self.network}-{host}"


def parse_host(text: str) -> Host:
    """`db1:horaedb` or `both1:horaemeta,horaedb` or, with no group, `other1`."""
    name, _, groups = text.partition(":")
    wanted = tuple(group for group in groups.split(",") if group)
    if not NAME.fullmatch(name) or not all(GROUP.fullmatch(group) for group in wanted):
        raise LabError(f"--host takes NAME or NAME:GROUP,GROUP such as meta1:horaemeta; {text!r} is not")
    return Host(name, wanted)


def parse_hosts(texts: Sequence[str], without_python: Collection[str]) -> list[Host]:
    hosts = [parse_host(text) for text in texts]
    names = [host.name for host in hosts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LabError(f"named by more than one --host: {', '.join(twice)}")
    unknown = sorted(set(without_python) - set(names))
    if unknown:
        raise LabError(f"--without-python names hosts that no --host has: {', '.join(unknown)}")
    if not hosts:
        raise LabError("no hosts: say at least one --host NAME:GROUP")
    return [Host(host.name, host.groups, host.name in without_python) for host in hosts]


def subnets(seed: int) -> Iterator[ipaddress.IPv4Network]:
    """All candidates once, each lab beginning elsewhere so that labs started together seldom try the same."""
    candidates = list(SUBNETS.subnets(new_prefix=24))
    for offset in range(len(candidates)):
        yield candidates[(seed + offset) % len(candidates)]


def free_addresses(subnet: ipaddress.IPv4Network, taken: Collection[str]) -> Iterator[str]:
    for number in range(FIRST_HOST, subnet.num_addresses - 1):
        address = str(subnet[number])
        if address not in taken:
            yield address

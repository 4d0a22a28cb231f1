"""The network of a lab, and cutting a host off it without a sound."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Optional

from lab import engine
from lab.console import LabError
from lab.model import Lab, subnets

ROUTES = Path("/proc/net/route")
# Dropped packets, as behind a broken switch: no answer, no error, on either side. Loopback goes on working.
CUT_TABLE = "lab_cut"
CUT_RULES = f"""\
table inet {CUT_TABLE} {{
  chain in {{ type filter hook input priority -300; iifname != "lo" drop; }}
  chain out {{ type filter hook output priority -300; oifname != "lo" drop; }}
}}
"""


def parse_routes(text: str) -> list[ipaddress.IPv4Network]:
    """The networks this machine already reaches, from the kernel's own table; its numbers are little-endian."""
    routes = []
    for line in text.splitlines()[1:]:
        columns = line.split()
        destination, mask = (ipaddress.IPv4Address(bytes.fromhex(columns[index])[::-1]) for index in (1, 7))
        routes.append(ipaddress.IPv4Network(f"{destination}/{mask}"))
    return routes


def free_subnets(lab: Lab, routes: Iterable[ipaddress.IPv4Network]) -> Iterable[ipaddress.IPv4Network]:
    # The default route overlaps everything and says nothing.
    taken = [route for route in routes if route.prefixlen > 0]
    return (net for net in subnets(zlib.crc32(lab.network.encode())) if not any(net.overlaps(route) for route in taken))


def subnet_of(lab: Lab) -> Optional[ipaddress.IPv4Network]:
    if not engine.succeeds("network", "inspect", lab.network):
        return None
    return ipaddress.IPv4Network(engine.docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", lab.network))


def ensure(lab: Lab, labels: Iterable[str]) -> ipaddress.IPv4Network:
    existing = subnet_of(lab)
    if existing is not None:
        return existing
    for subnet in free_subnets(lab, parse_routes(ROUTES.read_text())):
        try:
            engine.docker("network", "create", f"--subnet={subnet}", *labels, lab.network)
        except LabError as error:
            # Another lab, being made at this moment, can have taken it: the engine is the only arbiter.
            if "overlap" not in str(error):
                raise
            continue
        return subnet
    raise LabError("every subnet that labs may use is taken; `python3 -m lab list` shows by which labs")


def cut(container: str) -> None:
    heal(container)
    engine.docker("exec", "-i", container, "nft", "-f", "-", stdin=CUT_RULES.encode())


def heal(container: str) -> None:
    if engine.succeeds("exec", container, "nft", "list", "table", "inet", CUT_TABLE):
        engine.docker("exec", container, "nft", "delete", "table", "inet", CUT_TABLE)

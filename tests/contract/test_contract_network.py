"""The network that the clusters of the tests live in."""

from __future__ import annotations

import subprocess

import pytest
from harness.network import BRIDGE, MEMBERS, Host


def bridge_address() -> str:
    shown = subprocess.run(["ip", "-o", "link", "show", BRIDGE], capture_output=True, text=True, timeout=20, check=True)
    return shown.stdout.partition("link/ether ")[2].split()[0]


@pytest.mark.usefixtures("store")
def test_the_way_to_data_nodes_is_the_same_whoever_comes_and_goes() -> None:
    """Breaks when the bridge takes its address from its hosts: members then send to one that is gone, and call nodes that live in vain."""
    before = bridge_address()
    hosts = [Host("%s.250.%d" % (MEMBERS, number)) for number in range(1, 9)]
    during = bridge_address()
    for host in hosts:
        host.close()
    assert before == during == bridge_address()

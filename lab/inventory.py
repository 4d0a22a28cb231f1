"""Writes what Ansible has to know to reach the hosts of a lab."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.model import Host

# Inside a container a user namespace of its own fails with status 217/USER.
PRIVATE_USERS = {f"{role}_private_users": False for role in ("horaemeta", "horaedb", "meta_proxy", "shard_keeper")}
HEADER = "# Written by `python3 -m lab up`; it is written anew at each run and removed by `python3 -m lab down`.\n"


def ssh_options(known_hosts: Path) -> list[str]:
    """Host keys are checked against the ones that were given to the hosts; nobody is asked, no other file is touched.

    A host that is cut off the network must not hold a connection for ever, hence the alive checks.
    """
    options = [f"UserKnownHostsFile={known_hosts}", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"]
    options += ["ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3"]
    return [word for option in options for word in ("-o", option)]


def render(hosts: Sequence[Host], addresses: Mapping[str, str], key: Path, known_hosts: Path) -> str:
    lines = ["all:", "  vars:"]
    common: dict[str, object] = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": shlex.join(ssh_options(known_hosts)),
        "ansible_python_interpreter": "/usr/bin/python3",
        **PRIVATE_USERS,
    }
    # A JSON string is a YAML string, whatever characters are in a path.
    lines += [f"    {name}: {json.dumps(value)}" for name, value in common.items()]
    lines.append("  hosts:")
    for host in hosts:
        lines += [f"    {host.name}:", f"      ansible_host: {addresses[host.name]}"]
    groups = sorted({group for host in hosts for group in host.groups})
    if groups:
        lines.append("  children:")
    for group in groups:
        lines += [f"    {group}:", "      hosts:"]
        lines += [f"        {host.name}:" for host in hosts if group in host.groups]
    return HEADER + "\n".join(lines) + "\n"

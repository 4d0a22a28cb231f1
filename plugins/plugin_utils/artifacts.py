# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The binaries on the controller, judged by the guard before the first host is touched.

A binary that turns out to be missing or wrong when the data nodes' turn has come would stop a run that has
already deployed the members.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.urls import open_url
from ansible_collections.horaedb.cluster.plugins.module_utils.daemon_artifact import Artifact, artifact, cache_dir
from ansible_collections.horaedb.cluster.plugins.module_utils.daemon_desired import Refused
from ansible_collections.horaedb.cluster.plugins.module_utils.findings import Finding
from ansible_collections.horaedb.cluster.plugins.plugin_utils.variables import Variables

FindNeedle = Callable[[str, str], str]


def source_of(binary: dict[str, Any], find_needle: FindNeedle) -> Artifact:
    """What the option `binary` of the module `daemon` names. Raises Refused."""
    # One variable of the roles names either kind.
    if "://" in str(binary.get("src") or ""):
        binary = dict(binary, src=None, url=binary["src"])
    elif binary.get("src"):
        binary = dict(binary, src=_on_controller(binary["src"], find_needle))
    return artifact(binary, cache_dir(os.environ), open_url)


def _on_controller(src: str, find_needle: FindNeedle) -> str:
    # The directory of the operator first: the playbook may be one inside of the installed collection.
    if os.path.isfile(os.path.expanduser(src)):
        return os.path.abspath(os.path.expanduser(src))
    try:
        return str(find_needle("files", src))
    except AnsibleError:
        raise Refused("binary.src: %s isn't on the controller, where %s is the current directory." % (src, os.getcwd())) from None


def problems(read: Variables, members: Sequence[str], nodes: Sequence[str], find_needle: FindNeedle) -> list[Finding]:
    """Files that are missing or not what their checksum says, addresses without one. Nothing is fetched."""
    found = []
    for role, hosts in (("horaemeta", members), ("horaedb", nodes)):
        wanted: dict[tuple[str, str], list[str]] = {}
        for host in hosts:
            values = read.of(host, {role + "_binary": None, role + "_checksum": None})
            if values[role + "_binary"]:
                pair = str(values[role + "_binary"]), str(values[role + "_checksum"] or "")
                wanted.setdefault(pair, []).append(host)
        for (src, checksum), users in wanted.items():
            try:
                source_of({"name": role, "src": src, "checksum": checksum}, find_needle).sha256()
            except Refused as refused:
                found.append(Finding("artifact.binary", tuple(users), str(refused), "Correct %s_binary or %s_checksum." % (role, role)))
    return found

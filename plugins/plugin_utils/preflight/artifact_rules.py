# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The programs, judged before the first host is touched: whatever isn't on the controller yet is fetched here.

A program that turns out to be missing or wrong when the data nodes' turn has come would stop a run that has
already deployed the members.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Faults, Finding, rule
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.binaries import (
    FETCHING,
    Fetching,
    FindNeedle,
    on_controller,
    source_of,
    told,
    wanted,
)
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.container_image import host_image, packages_of
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import Variables


@rule("artifact.binary")
def refused_binary(role: str, hosts: Sequence[str], refused: Refused) -> Faults:
    yield hosts, str(refused), "Correct %s_binary or %s_checksum." % (role, role)


@rule("artifact.source", WARNING)
def doubtful_source(role: str, hosts: Sequence[str], remarks: Sequence[str]) -> Faults:
    for remark in remarks:
        yield hosts, remark, "It is set by %s_binary." % role


def problems(read: Variables, members: Sequence[str], nodes: Sequence[str], find_needle: FindNeedle) -> list[Finding]:
    """Programs that can't be had, or aren't what they should be."""
    found = []
    for role, hosts in (("horaemeta", members), ("horaedb", nodes)):
        for text, users in wanted(read, role, hosts).items():
            try:
                with told():
                    remarks = _remarks(json.loads(text), find_needle, Fetching.of(read.of(users[0], FETCHING)))
            except Refused as refused:
                found += refused_binary(role, users, refused)
                continue
            found += doubtful_source(role, users, remarks)
    return found


def _remarks(binary: Mapping[str, Any], find_needle: FindNeedle, fetching: Fetching) -> list[str]:
    """What preflight has to say of a source that can be had. What a host's own engine is to pull isn't fetched here."""
    if binary["engine"] != "binary":
        packages_of(binary["engine"])
        host_image(binary, lambda path: on_controller(path, find_needle))
        return []
    source = source_of(binary, find_needle, fetching)
    source.sha256()
    source.local()
    return list(source.remarks())

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What the modules that read a cluster have in common: their options."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import REQUEST_TIMEOUT
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology

# Documented in doc_fragments/cluster.py.
ARGUMENTS: Dict[str, Dict[str, Any]] = {
    "topology": {"type": "dict", "required": True},
    "request_timeout": {"type": "float", "default": REQUEST_TIMEOUT},
}
# Documented in doc_fragments/clock.py, read by journal.clock().
CLOCK: Dict[str, Dict[str, Any]] = {"now": {"type": "str"}}


def topology_of(params: Mapping[str, Any]) -> Topology:
    """Raises ValueError with a sentence for the operator."""
    if params["request_timeout"] <= 0:
        raise ValueError("request_timeout has to be more than 0 seconds")
    try:
        topology = Topology.from_dict(params["topology"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "option topology isn't what horaedb.cluster.topology_check returns as `topology` (%s: %s): register its result and hand that on"
            % (type(error).__name__, error)
        ) from None
    return topology

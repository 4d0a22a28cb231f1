# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What only the simulators of the lab and of the tests answer."""

from __future__ import annotations

from typing import Optional, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed, Client


def identity(client: Client, base: str) -> Tuple[bool, Optional[str]]:
    """Whether the daemon at `base` is a simulator, and its version. The real daemons tell neither: they don't have the path."""
    try:
        document = client.get(base + "/debug/simulator").json()
    except CallFailed:
        return False, None
    if not isinstance(document, dict) or document.get("simulator") is not True:
        return False, None
    return True, str(document["version"]) if document.get("version") else None

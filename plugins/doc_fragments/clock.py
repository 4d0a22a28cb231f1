# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What the modules that write down times have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  now:
    description:
      - The controller's time when the task begins, UTC, as C(2026-11-24T10:00:00Z). All times that are written down count from it, because the
        hosts' clocks may differ, and one that runs late would end a step before it began. Without it the host's own clock counts.
      - In a playbook C({{ now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ') }}).
    type: str
"""

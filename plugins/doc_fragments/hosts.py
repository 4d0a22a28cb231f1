# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What the actions that read the inventory have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  members:
    description:
      - Inventory hosts of the HoraeMeta members.
      - Not given, they are the hosts of the group that C(horaemeta_group) names, by default C(horaemeta).
    type: list
    elements: str
  nodes:
    description:
      - Inventory hosts of the HoraeDB data nodes.
      - Not given, they are the hosts of the group that C(horaedb_group) names, by default C(horaedb).
    type: list
    elements: str
"""

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What the modules that read a living cluster have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  topology:
    description:
      - The cluster, as RV(horaedb.cluster.topology_check#module:topology) has it.
    type: dict
    required: true
  request_timeout:
    description:
      - Seconds in which a look at the whole cluster has to be over. All hosts are asked at once, so a host that swallows
        packets costs this much and not more.
      - Raise it only where the network between the hosts takes most of a second for a round trip.
    type: float
    default: 2.0
notes:
  - The host that runs the task asks the others, so it must reach the HTTP ports and HoraeMeta's client port of all of them. Run it
    once, on any host of the cluster. Proxies of the environment are not used.
  - Works on Python 3.8 and newer with nothing but the standard library.
"""

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Variables that are no option of one role: those for `-e` on the command line, and those that both daemons share.

As an argument spec, with a description that docs/generate.py puts into docs/inputs.md. What isn't set isn't there.
"""

from __future__ import annotations

from typing import Any

INPUTS: dict[str, dict[str, Any]] = {
    "horaedb_downtime": {
        "type": "str",
        "choices": ["begin", "end"],
        "description": "downtime.yml: take one data node out of service, or bring it back. With `--limit` and its host.",
    },
    "horaedb_downtime_reboot": {"type": "bool", "description": "downtime.yml: reboot each host of the run in turn."},
    "horaedb_downtime_command": {
        "type": "str",
        "description": "downtime.yml: a shell command for each host of the run in turn, while its daemons are stopped.",
    },
    "horaedb_downtime_timeout": {"type": "int", "description": "downtime.yml: seconds that the reboot or the command may take. 600 where it isn't set."},
    "horaedb_repair": {"type": "bool", "description": "False: site.yml and the others don't put back forgotten shards; repair.yml does."},
    "horaedb_repair_from_evidence": {"type": "bool", "description": "repair.yml: accept the assignment that was proposed by what lies on the disks."},
    "horaedb_assignment_file": {"type": "path", "description": "repair.yml: a JSON file, shard to inventory host, where nothing else tells."},
    "horaedb_cluster_allow_downgrade": {"type": "bool", "description": "Permits a binary that says a lower version than the one in use."},
    "horaedb_cluster_break_lock": {"type": "str", "description": "Takes over the operation lock with this id, which a refusal has shown."},
    "horaedb_cluster_take_storage": {"type": "str", "description": "Takes over the remote storage of this place, which a refusal has shown."},
    "horaedb_cluster_unchecked_downloads": {"type": "bool", "description": "Permits an address without a checksum."},
    "horaedb_cluster_registry_username": {"type": "str", "description": "Name for the registry of images."},
    "horaedb_cluster_registry_password": {"type": "str", "no_log": True, "description": "Password for the registry of images."},
    "horaedb_cluster_registry_tls_verify": {"type": "bool", "description": "False: the registry speaks plain HTTP, or has a certificate that nobody signed."},
    "horaedb_cluster_image_architecture": {"type": "str", "description": "Architecture of the images' programs; amd64 where it isn't set."},
    "horaedb_cluster_adopt_secrets": {"type": "bool", "description": "adopt.yml: show secrets."},
    "horaemeta_adopt_config": {"type": "str", "description": "adopt.yml: path of HoraeMeta's configuration, where it isn't found."},
    "horaemeta_adopt_unit": {"type": "str", "description": "adopt.yml: name of HoraeMeta's unit, where it isn't found."},
    "horaedb_adopt_config": {"type": "str", "description": "adopt.yml: path of HoraeDB's configuration, where it isn't found."},
    "horaedb_adopt_unit": {"type": "str", "description": "adopt.yml: name of HoraeDB's unit, where it isn't found."},
    "horaedb_cluster_bundle": {"type": "path", "description": "bundle.yml: the file to write."},
    "horaedb_cluster_bundle_python": {"type": "str", "description": "bundle.yml: version of Python on the controller that the bundle is for."},
}

# Variables with our prefixes that plays and roles set themselves: results that other roles read.
RESULTS = frozenset({"horaemeta_result", "horaedb_result", "meta_proxy_result", "shard_keeper_result"})

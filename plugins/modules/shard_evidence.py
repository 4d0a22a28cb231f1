#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shard_evidence
short_description: Reads which shards have files on a data node's disk
version_added: 0.2.0
description:
  - Where no record of the assignment exists, the disks are what is left to tell which data node has a forgotten shard's data.
  - Looks into the directories C(wal) and C(manifest) of a local WAL. Below them each shard has a directory that is named by its number. Other
    names don't count.
  - An empty directory is no evidence, and neither is an empty file. C(segment_0.wal), which HoraeDB makes with its full length for every shard
    that it opens, counts only with a record in it.
  - Changes nothing, and can be run while HoraeDB runs.
author:
  - the horaedb.cluster authors (@horaedb)
options:
  topology:
    description: The cluster, as RV(horaedb.cluster.topology_check#module:topology) has it. Either this with O(host), or O(paths).
    type: dict
  host:
    description: Inventory host whose disk is read, which is the host that the task has to run on.
    type: str
  paths:
    description: Data directories of local WALs.
    type: list
    elements: path
attributes:
  check_mode:
    description: Does the same, since it changes nothing.
    support: full
  diff_mode:
    description: There is never a difference.
    support: none
  idempotent:
    description: It changes nothing.
    support: full
  platform:
    description: The hosts run Linux.
    platforms: linux
    support: full
notes:
  - That HoraeDB 2.1.0 keeps its logs in C(wal) and C(manifest) below the WAL's data directory was seen. That a shard's directory there has the
    shard's number, and what a segment without a record looks like, was read in the sources of apache/horaedb
    (C(src/wal/src/local_storage_impl)), and not measured.
  - A WAL in RocksDB has another layout, and Kafka and OceanBase are not on this disk. For them it fails.
seealso:
  - module: horaedb.cluster.shard_assignment
"""

EXAMPLES = r"""
- name: Read the disk of this data node
  horaedb.cluster.shard_evidence:
    topology: "{{ checked.topology }}"
    host: "{{ inventory_hostname }}"
  register: disk
"""

RETURN = r"""
kind:
  description: What ended the task, for programs; the sentence is C(msg). It is V(option).
  returned: failure
  type: str
shards:
  description: Numbers of the shards that have files there.
  returned: success
  type: list
  elements: int
  sample: [0, 3, 6]
found:
  description: Shard to the directories that have something of it.
  returned: success
  type: dict
  sample: {"0": [/var/lib/horaedb/wal/0, /var/lib/horaedb/manifest/0]}
msg:
  description: Why nothing can be read.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.horaedb.cluster.plugins.module_utils.api import options
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import REQUEST_TIMEOUT
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import wrong_option  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.repair import disk_shards


def folders(params: dict) -> list:
    """Raises ValueError with a sentence."""
    if params["paths"] is not None:
        return params["paths"]
    topology = options.topology_of({"topology": params["topology"], "request_timeout": REQUEST_TIMEOUT})
    node = topology.node(params["host"])
    if node is None:
        raise ValueError("host %s has no data node; the data nodes are %s" % (params["host"], ", ".join(n.host for n in topology.nodes)))
    if node.wal != "Local":
        raise ValueError("the WAL of data node %s is %s, so no files on its disk tell which shards it had" % (node.host, node.wal))
    return [node.wal_dir]


def main() -> None:
    module = AnsibleModule(
        argument_spec={"topology": {"type": "dict"}, "host": {"type": "str"}, "paths": {"type": "list", "elements": "path"}},
        required_together=[("topology", "host")],
        required_one_of=[("topology", "paths")],
        mutually_exclusive=[("topology", "paths")],
        supports_check_mode=True,
    )
    found = {}
    try:
        for folder in folders(module.params):
            for shard, paths in disk_shards.on_disk(folder).items():
                found.setdefault(shard, []).extend(paths)
    except ValueError as error:
        module.fail_json(**wrong_option(error))
    except OSError as error:
        module.fail_json(msg="the data directory can't be read: %s: %s" % (error.filename, error.strerror))
    module.exit_json(changed=False, shards=sorted(found), found={str(shard): paths for shard, paths in found.items()})


if __name__ == "__main__":
    main()

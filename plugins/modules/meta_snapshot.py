#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: meta_snapshot
short_description: Takes a snapshot of HoraeMeta's metadata, and checks it
version_added: 0.2.0
description:
  - Saves what C(etcdctl snapshot save) would, by the JSON gateway of the member on this host, without any program of etcd's. The checksum at the end of
    the stream is verified, and only a whole snapshot gets its name.
  - Clusters, tables, the view of the shards, the record of their assignment, the lock and the journal are all in it. The data of the tables is not.
  - docs/operations.md says how to restore it.
author:
  - the horaedb.cluster authors (@horaedb)
extends_documentation_fragment:
  - horaedb.cluster.cluster
options:
  host:
    description: Inventory host of the member to ask, the one that runs the task.
    type: str
    required: true
  path:
    description: Directory for snapshots, made with mode 0700 when it is missing. Their names are times, UTC.
    type: path
    required: true
  keep:
    description: How many snapshots stay. Older ones are removed after the new one is whole.
    type: int
    default: 10
attributes:
  check_mode:
    description: Says that a snapshot would be taken, and takes none.
    support: full
  diff_mode:
    description: There is nothing to show a difference of.
    support: none
  idempotent:
    description: Each execution saves another snapshot.
    support: none
  platform:
    description: The hosts run Linux.
    platforms: linux
    support: full
seealso:
  - module: horaedb.cluster.cluster_info
"""

EXAMPLES = r"""
- name: Save the metadata on every member
  horaedb.cluster.meta_snapshot:
    topology: "{{ checked.topology }}"
    host: "{{ inventory_hostname }}"
    path: /var/backups/horaemeta
"""

RETURN = r"""
kind:
  description: What ended the task, for programs; the sentence is C(msg). One of V(option), V(snapshot.spoiled), or V(call.unreachable) and the like.
  returned: failure
  type: str
snapshot:
  description: Path of the new snapshot. V(null) in check mode.
  returned: success
  type: str
size:
  description: Its size in bytes. V(null) in check mode.
  returned: success
  type: int
removed:
  description: Paths of the snapshots that were too many.
  returned: success
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.horaedb.cluster.plugins.module_utils.api import etcd_snapshot, options
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import result_of, wrong_option  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.records import journal


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            options.ARGUMENTS,
            host={"type": "str", "required": True},
            path={"type": "path", "required": True},
            keep={"type": "int", "default": 10},
        ),
        supports_check_mode=True,
    )
    folder, keep = module.params["path"], module.params["keep"]
    try:
        if keep < 1:
            raise ValueError("keep has to be 1 or more")
        topology = options.topology_of(module.params)
        member = topology.member(module.params["host"])
        if member is None:
            members = ", ".join(one.host for one in topology.members)
            raise ValueError("host %s has no HoraeMeta member; the members are on %s" % (module.params["host"], members))
    except ValueError as error:
        module.fail_json(**wrong_option(error))
    if module.check_mode:
        module.exit_json(changed=True, snapshot=None, size=None, removed=[])
    name = journal.now().strftime("%Y%m%dT%H%M%SZ.snapshot")
    try:
        size = etcd_snapshot.save(member.etcd, folder, name)
        removed = [os.path.join(folder, old) for old in etcd_snapshot.spare(os.listdir(folder), keep)]
        for path in removed:
            os.unlink(path)
    except (CallFailed, etcd_snapshot.Spoiled) as error:
        module.fail_json(**result_of(error, "no snapshot was taken: %s"))
    except OSError as error:
        module.fail_json(msg="no snapshot could be written to %s (horaemeta_snapshot_dir): %s" % (folder, error.strerror))
    module.exit_json(changed=True, snapshot=os.path.join(folder, name), size=size, removed=removed)


if __name__ == "__main__":
    main()

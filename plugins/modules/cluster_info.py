#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Reads a living HoraeDB cluster
version_added: 0.1.0
description:
  - Asks every HoraeMeta member and every data node what it knows, all at once, and changes nothing.
  - It never fails because something is down or answers nonsense. Fresh hosts, on which nothing runs yet, are as good as any others.
author:
  - the horaedb.cluster authors (@horaedb)
extends_documentation_fragment:
  - horaedb.cluster.cluster
options:
  settle:
    description:
      - Seconds to look again while enough members for a quorum answer and don't agree on a leader. An election takes 4 to 6 seconds, and what only
        the leader knows can't be read meanwhile.
    type: float
    default: 0
  journal:
    description: How many of the last operations are read from the journal in the cluster's etcd. With any, who works on the cluster now is read too.
    type: int
    default: 0
attributes:
  check_mode:
    description: Does in check mode what it always does.
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
seealso:
  - module: horaedb.cluster.topology_check
  - module: horaedb.cluster.cluster_ready
"""

EXAMPLES = r"""
- name: Validate the topology
  horaedb.cluster.topology_check:
  register: checked
  run_once: true

- name: Read the cluster
  horaedb.cluster.cluster_info:
    topology: "{{ checked.topology }}"
  register: cluster
  run_once: true

- name: Show it
  ansible.builtin.debug:
    msg: "{{ cluster.lines }}"
  run_once: true
"""

RETURN = r"""
kind:
  description: What ended the task, for programs; the sentence is C(msg). It is V(option).
  returned: failure
  type: str
observation:
  description: Everything that was read, unjudged. What couldn't be read is V(null), and a sentence in the C(errors) beside it says why.
  returned: always
  type: dict
  contains:
    leader:
      description: Inventory host of the leader, if all healthy members agree on one, in HoraeMeta and in etcd.
      type: str
    members:
      description:
        - The HoraeMeta members, with C(host), C(reachable), C(etcd_healthy), C(learner), C(applied) (index of the last entry of the log that was
          applied), C(etcd_version), C(version), C(simulator), C(errors).
        - C(leader) and C(etcd_leader) are the inventory hosts that HoraeMeta and etcd on this member take for the leader.
      type: list
      elements: dict
    nodes:
      description:
        - The data nodes, with C(host), C(reachable), C(ok), C(grpc) (its port accepts), C(version), C(simulator), C(errors).
        - C(shards) is what the node says of itself, shard to status, e.g. V(Ready).
      type: list
      elements: dict
    etcd_members:
      description: The members by etcd's own list, with C(id), C(name), C(learner), C(peer_urls), C(client_urls).
      type: list
      elements: dict
    cluster:
      description:
        - What the leader knows, V(null) when there is none.
        - C(names) are all clusters; C(entry) is this one, with C(name), C(min_node_count), C(shard_total), C(topology_type), C(batch_size).
        - C(view) is shard to names of the data nodes it is mapped to; C(unregistered) and C(unready) are HoraeMeta's diagnosis.
        - C(downtimes) are the data nodes that are away on purpose, by inventory host, with C(since) and C(who).
        - C(record) is the assignment that was recorded when the cluster was last found whole, with C(shards) and C(nodes), and
          C(record_revision) etcd's revision of it.
      type: dict
summary:
  description: The same, judged and for people.
  returned: always
  type: dict
  contains:
    healthy:
      description: Whether the gate of M(horaedb.cluster.cluster_ready) would let this pass.
      type: bool
    problems:
      description: Why not, one sentence for each problem.
      type: list
      elements: str
    simulator:
      description: Whether any of the daemons is a simulator.
      type: bool
    leader:
      description: Inventory host of the leader.
      type: str
    cluster:
      description: Name of the cluster.
      type: str
    topology_type:
      description: V(static) or V(dynamic).
      type: str
    shard_total:
      description: How many shards the cluster has.
      type: int
    members:
      description: Inventory host to C(name), C(address), C(healthy), C(leads), C(version), C(etcd_version).
      type: dict
    nodes:
      description: Inventory host to C(name), C(address), C(healthy), C(shards), C(version), C(downtime).
      type: dict
    endpoint:
      description: Base URL of a data node that can be queried, V(null) when none can.
      type: str
      sample: http://192.0.2.21:5440
operation:
  description: Who works on the cluster right now and holds its lock, V(null) when nobody does or O(journal) is 0.
  returned: always
  type: dict
journal:
  description: The last operations, the newest last, as entries with C(operation), C(result), C(message), C(steps), C(before) and C(after).
  returned: always
  type: list
  elements: dict
lines:
  description: The summary as text, with the journal if it was asked for.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.horaedb.cluster.plugins.module_utils.api import options
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import wrong_option  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import settled
from ansible_collections.horaedb.cluster.plugins.module_utils.health.summary import lines, summary
from ansible_collections.horaedb.cluster.plugins.module_utils.records import operation


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            options.ARGUMENTS,
            settle={"type": "float", "default": 0},
            journal={"type": "int", "default": 0},
        ),
        supports_check_mode=True,
    )
    try:
        topology = options.topology_of(module.params)
    except ValueError as error:
        module.fail_json(**wrong_option(error))
    seen = settled(topology, module.params["request_timeout"], module.params["settle"])
    told = summary(topology, seen)
    text = lines(told)
    result = {"operation": None, "journal": []}
    if module.params["journal"] > 0:
        result = operation.status(topology, module.params["request_timeout"], module.params["journal"])
        text += operation.status_lines(result)
    module.exit_json(changed=False, observation=seen.to_dict(), summary=told, lines=text, **result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: meta_leader
short_description: Moves HoraeMeta's leadership, and sees it moved
version_added: 0.1.0
description:
  - Moves the leadership among the HoraeMeta members, and waits until every healthy member agrees on the new leader, by HoraeMeta's own word and by etcd's.
  - The leadership goes to the first member of the inventory that is healthy, votes, and is in sync.
  - The leader is looked up anew for every try, so that an election that is in progress, or a leader that has died, only costs time.
author:
  - the horaedb.cluster authors (@horaedb)
extends_documentation_fragment:
  - horaedb.cluster.cluster
options:
  state:
    description:
      - V(away) makes O(host) not lead, which is what has to be so before its member is stopped. It fails when stopping it would cost the quorum. A single
        member can't hand over to anybody, so nothing is done, and RV(msg) says so.
      - V(at) makes O(host) lead.
      - V(moved) makes any other member lead than the one that does now. A new leader doesn't expire data nodes that it has not heard itself, so this keeps
        the shards of a data node that is away, and it brings back the mapping of shards that a dynamic cluster has lost. It changes something every time.
    type: str
    choices: [away, at, moved]
    required: true
  host:
    description: Inventory host of a member. Required for O(state=away) and O(state=at).
    type: str
  timeout:
    description: Seconds in which the leadership has to be where it should. An election takes up to 6.
    type: float
    default: 30.0
attributes:
  check_mode:
    description: Says who would lead, and refuses what would be refused. Where no member answers, nothing is predicted.
    support: full
  diff_mode:
    description: Shows the leader before and after.
    support: full
"""

EXAMPLES = r"""
- name: Nobody depends on the member that is about to be stopped
  horaedb.cluster.meta_leader:
    topology: "{{ checked.topology }}"
    state: away
    host: "{{ inventory_hostname }}"

- name: The shards of a static data node that stays down for long are kept
  horaedb.cluster.meta_leader:
    topology: "{{ checked.topology }}"
    state: moved
"""

RETURN = r"""
leader:
  description: Inventory host that leads now, or in check mode would. V(null) where nobody could be asked.
  returned: success
  type: str
previous:
  description: Inventory host that led before.
  returned: success
  type: str
elapsed:
  description: Seconds that it took.
  returned: success
  type: float
msg:
  description: What was done, or why nothing had to be.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.horaedb.cluster.plugins.module_utils import cluster_options, leadership
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import Refused


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            cluster_options.ARGUMENTS,
            state={"type": "str", "choices": ["away", "at", "moved"], "required": True},
            host={"type": "str"},
            timeout={"type": "float", "default": leadership.TIMEOUT},
        ),
        required_if=[("state", "away", ["host"]), ("state", "at", ["host"])],
        supports_check_mode=True,
    )
    params = module.params
    try:
        topology = cluster_options.topology_of(params)
        wish = leadership.Wish(topology, params["state"], params["host"], params["request_timeout"])
        moved = wish.predict() if module.check_mode else wish.fulfil(params["timeout"])
    except (ValueError, Refused) as error:
        module.fail_json(msg=str(error))
    changed = moved.before != moved.after
    diff = {"before": "leader: %s\n" % moved.before, "after": "leader: %s\n" % moved.after} if changed else {}
    module.exit_json(changed=changed, leader=moved.after, previous=moved.before, elapsed=round(moved.elapsed, 1), msg=moved.why, diff=diff)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_downtime
short_description: Notes that a data node is away on purpose, and that it is back
version_added: 0.2.0
description:
  - Keeps the note in the cluster's own etcd, under C(/ansible/horaedb.cluster/<cluster>/downtimes). While there is one, no other playbook of this
    collection changes the cluster, and M(horaedb.cluster.cluster_info) shows it.
  - It is only the note. The playbook C(downtime.yml) does what has to be done.
author:
  - the horaedb.cluster authors (@horaedb)
extends_documentation_fragment:
  - horaedb.cluster.cluster
  - horaedb.cluster.clock
options:
  state:
    description:
      - V(begun) notes the downtime; one that is noted already keeps its beginning. V(ended) removes the note.
    type: str
    choices: [begun, ended]
    required: true
  host:
    description: Inventory host of the data node.
    type: str
    required: true
  who:
    description: Who took it out.
    type: str
    default: somebody
attributes:
  check_mode:
    description: Looks, and writes nothing.
    support: full
  diff_mode:
    description: Shows the note before and after.
    support: full
  idempotent:
    description: What is noted already stays as it was noted.
    support: full
  platform:
    description: The hosts run Linux.
    platforms: linux
    support: full
seealso:
  - module: horaedb.cluster.operation
  - module: horaedb.cluster.cluster_info
"""

EXAMPLES = r"""
- name: Note that this data node is away
  horaedb.cluster.node_downtime:
    topology: "{{ checked.topology }}"
    host: "{{ inventory_hostname }}"
    state: begun
    who: "{{ checked.operation.who }}"
"""

RETURN = r"""
kind:
  description: What ended the task, for programs; the sentence is C(msg). One of V(option), or V(call.unreachable) and the like.
  returned: failure
  type: str
since:
  description: When the downtime began, UTC. V(null) when there is none.
  returned: success
  type: str
seconds:
  description: How long it has lasted, by O(now), or the clocks of the hosts that wrote and read the note. V(null) when there is none.
  returned: success
  type: float
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.horaedb.cluster.plugins.module_utils.api import options
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import result_of, wrong_option  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.records import downtime, journal


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            options.ARGUMENTS,
            **options.CLOCK,
            state={"type": "str", "choices": ["begun", "ended"], "required": True},
            host={"type": "str", "required": True},
            who={"type": "str", "default": "somebody"},
        ),
        supports_check_mode=True,
    )
    params = module.params
    begins = params["state"] == "begun"
    try:
        clock = journal.clock(params["now"])
        wanted = downtime.Downtime(journal.text_of(clock()), params["who"]) if begins else None
        topology = options.topology_of(params)
        if topology.node(params["host"]) is None:
            raise ValueError("host %s has no data node; they are on %s" % (params["host"], ", ".join(n.host for n in topology.nodes)))
        if module.check_mode:
            noted = downtime.noted(topology, params["host"], params["request_timeout"])
        else:
            noted = downtime.change(topology, params["host"], wanted, params["request_timeout"])
    except ValueError as error:
        module.fail_json(**wrong_option(error))
    except CallFailed as error:
        module.fail_json(**result_of(error))
    told = noted or wanted
    lines = ["%s: %s\n" % (params["host"], one) if one else "" for one in (noted, (noted or wanted) if begins else None)]
    module.exit_json(
        changed=lines[0] != lines[1],
        since=told.since if told else None,
        seconds=round((clock() - journal.time_of(told.since)).total_seconds(), 1) if told else None,
        diff={"before": lines[0], "after": lines[1]},
    )


if __name__ == "__main__":
    main()

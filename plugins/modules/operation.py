#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: operation
short_description: The lock and the journal of what is done to a HoraeDB cluster
version_added: 0.2.0
description:
  - Only one playbook at a time may change a cluster, from whatever controller. The lock is a key with a lease in the cluster's own etcd; while there is no
    cluster yet it is a file on the host that runs the task.
  - Each operation leaves one entry in the journal, which is kept in the same etcd. M(horaedb.cluster.cluster_info) reads it.
  - O(state=begun) is what M(horaedb.cluster.topology_check) does with its option C(operation), together with its look at the living cluster,
    and M(horaedb.cluster.cluster_ready) ends an operation in the same execution as its last proof. So a playbook needs this module for its
    steps and for its failure.
author:
  - the horaedb.cluster authors (@horaedb)
extends_documentation_fragment:
  - horaedb.cluster.cluster
  - horaedb.cluster.clock
options:
  state:
    description:
      - V(begun) reads the cluster, takes the lock and opens the entry. It fails when somebody else has the lock, and says who. A lock whose
        process ran on this controller and is gone is taken over.
      - V(step) gives the lock its whole time again and notes that the step O(name) begins. It fails when somebody else has taken the lock over.
      - V(ended) closes the entry as O(result) and lets go of the lock. With O(result=failed) RV(msg) is what the operator has to know, and an
        etcd that can't be reached is no failure.
      - V(dropped) removes the entry, for an operation that was refused before it changed anything, and lets go of the lock.
    type: str
    choices: [begun, step, ended, dropped]
    required: true
  operation:
    description: RV(operation) of V(begun), or that of M(horaedb.cluster.topology_check). Set by the action plugin for O(state=begun).
    type: dict
  name:
    description: What begins now, in words. Required for O(state=step).
    type: str
  result:
    description: How it ended.
    type: str
    choices: [ok, failed]
    default: ok
  reason:
    description: What went wrong, without secrets. Its first lines are kept.
    type: str
    default: ''
  before:
    description: What ran before, as inventory host to daemon to C(version) and C(generation).
    type: dict
    default: {}
  after:
    description: What runs now, in the same form.
    type: dict
    default: {}
  ttl:
    description: Seconds after which a lock that nobody keeps is free. The time until the next step has to be shorter.
    type: int
    default: 600
  settle:
    description: Seconds to look again while there are members enough for a quorum and no leader. See M(horaedb.cluster.cluster_info).
    type: float
    default: 20
  take_over:
    description:
      - Ids of operations whose locks are taken over. The message of a refusal has the id.
      - The playbooks take it from the variable C(horaedb_cluster_break_lock).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Nothing is taken and nothing written, and nothing is reported as changed. An operation that would be refused is a warning.
    support: full
  diff_mode:
    description: There is never a difference.
    support: none
  idempotent:
    description: Each step is an entry of the journal. To begin or to end twice is the same as once.
    support: partial
  platform:
    description: The hosts run Linux.
    platforms: linux
    support: full
seealso:
  - module: horaedb.cluster.topology_check
  - module: horaedb.cluster.cluster_ready
"""

EXAMPLES = r"""
- name: Begin
  horaedb.cluster.operation:
    state: begun
    topology: "{{ checked.topology }}"
  register: begun
  run_once: true

- name: This host is next
  horaedb.cluster.operation:
    state: step
    topology: "{{ checked.topology }}"
    operation: "{{ begun.operation }}"
    name: restart {{ inventory_hostname }}

- name: Done
  horaedb.cluster.operation:
    state: ended
    topology: "{{ checked.topology }}"
    operation: "{{ begun.operation }}"
  run_once: true
"""

RETURN = r"""
kind:
  description: What ended the task, for programs; the sentence is C(msg). One of V(option), V(lock.held), V(lock.lost), or V(call.unreachable) and the like.
  returned: failure
  type: str
operation:
  description: The operation, to be handed to its later tasks.
  returned: success
  type: dict
  contains:
    id:
      description: Its id.
      type: str
    what:
      description: The playbook and the limit that were typed.
      type: str
    who:
      description: User on the controller.
      type: str
    controller:
      description: Host name of the controller.
      type: str
    since:
      description: When it began, UTC.
      type: str
holder:
  description: The operation that has the lock instead, in the form of RV(operation).
  returned: when it is refused
  type: dict
observation:
  description: What M(horaedb.cluster.cluster_info) returns under the same name.
  returned: for O(state=begun)
  type: dict
msg:
  description: What was done, or why not.
  returned: always
  type: str
"""

from datetime import datetime
from typing import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.horaedb.cluster.plugins.module_utils.api import options
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import result_of, wrong_option  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.health.read import settled
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import journal, operation_lock
from ansible_collections.horaedb.cluster.plugins.module_utils.records.journal import Operation
from ansible_collections.horaedb.cluster.plugins.module_utils.records.operation import Operations

FREE = "The cluster's lock is free."
TAKEN_OVER = "The cluster's lock is somebody else's by now: wait for that run to end first."
UNREACHED = (
    "The journal couldn't be written: %s. A lock that is still there is taken over by the next run from this controller; for other controllers "
    "it runs out by itself, %d minutes after its last step."
)


def begin(module: AnsibleModule, topology: Topology, operation: Operation) -> dict:
    params = module.params
    seen = settled(topology, params["request_timeout"], params["settle"])
    lives = seen.lives
    doing = Operations(topology, params["request_timeout"])
    if module.check_mode:
        try:
            doing.held_by_others(operation, lives, params["take_over"])
        except operation_lock.Held as held:
            module.warn("a real run would be refused now: %s" % held)
        return {"operation": operation.to_dict(), "observation": seen.to_dict(), "msg": "nothing is taken in check mode"}
    held = doing.begin(operation, lives, params["ttl"], params["take_over"])
    return {"operation": held.to_dict(), "observation": seen.to_dict(), "msg": "%s begins" % held.what}


def go_on(module: AnsibleModule, topology: Topology, operation: Operation, clock: Callable[[], datetime]) -> dict:
    params = module.params
    result = {"operation": operation.to_dict(), "msg": "nothing is written in check mode"}
    if module.check_mode:
        return dict(result, msg=ending(operation, params, "")) if params["result"] != journal.OK else result
    doing = Operations(topology, params["request_timeout"], clock)
    if params["state"] == "step":
        doing.step(operation, params["name"], params["ttl"])
        return dict(result, msg=params["name"])
    if params["state"] == "dropped":
        doing.drop(operation)
        return dict(result, msg="%s was refused" % operation.what)
    free = doing.end(operation, params["result"], params["reason"], params["before"], params["after"])
    return dict(result, msg=ending(operation, params, FREE if free else TAKEN_OVER))


def ending(operation: Operation, params: dict, lock: str) -> str:
    if params["result"] == journal.OK:
        return "%s is done" % operation.what
    return journal.epilogue(operation, params["reason"], params["before"], params["after"], lock)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            options.ARGUMENTS,
            **options.CLOCK,
            state={"type": "str", "choices": ["begun", "step", "ended", "dropped"], "required": True},
            operation={"type": "dict"},
            name={"type": "str"},
            result={"type": "str", "choices": ["ok", "failed"], "default": "ok"},
            reason={"type": "str", "default": ""},
            before={"type": "dict", "default": {}},
            after={"type": "dict", "default": {}},
            ttl={"type": "int", "default": operation_lock.TTL},
            settle={"type": "float", "default": 20},
            take_over={"type": "list", "elements": "str", "default": []},
        ),
        required_if=[("state", "step", ["name"])],
        supports_check_mode=True,
    )
    params = module.params
    try:
        topology = options.topology_of(params)
        operation = Operation.from_dict(params["operation"] or {})
        clock = journal.clock(params["now"])
    except ValueError as error:
        module.fail_json(**wrong_option(error))
    except TypeError:
        module.fail_json(**wrong_option(ValueError("option operation isn't what state=begun returned as `operation`")))
    try:
        result = begin(module, topology, operation) if params["state"] == "begun" else go_on(module, topology, operation, clock)
    except (operation_lock.Held, operation_lock.Lost) as error:
        module.fail_json(**result_of(error))
    except CallFailed as error:
        if params["result"] == journal.OK:
            module.fail_json(**result_of(error, "the lock and the journal in the cluster's etcd can't be reached: %s"))
        # What went wrong may be what keeps it from being written down.
        result = {"changed": False, "msg": ending(operation, params, UNREACHED % (error, params["ttl"] // 60))}
    module.exit_json(**{"changed": not module.check_mode, **result})


if __name__ == "__main__":
    main()

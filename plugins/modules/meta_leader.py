#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: meta_leader
short_description: Moves HoraeMeta's leadership, and sees it moved; ends a member that hangs
version_added: 0.1.0
description:
  - Moves the leadership among the HoraeMeta members, and waits until every healthy member agrees on the new leader, by HoraeMeta's own word and by etcd's.
  - The leadership goes to the first member of the inventory that is healthy, votes, and is in sync.
  - The leader is looked up anew for every try, so that an election that is in progress, or a leader that has died, only costs time.
  - A leader leads only when it has answered what only a leader answers. HoraeMeta can deadlock at an election, and such a member names itself the leader
    and answers nothing else. Its leadership is handed on at once, by every state of this module; only O(state=cured) ends its process.
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
      - V(cured) ends the member on O(host) where it hangs, and waits until it is back and the cluster has a leader that answers. The leadership goes to
        another member first, then the unit C(horaemeta) gets SIGKILL, because nothing less ends it, and is started again. It has to run on O(host), as
        root. Where it doesn't hang, or somebody was faster, nothing is done. It is noted in the cluster's etcd, for M(horaedb.cluster.cluster_info).
    type: str
    choices: [away, at, moved, cured]
    required: true
  host:
    description: Inventory host of a member. Required for all states but V(moved).
    type: str
  timeout:
    description:
      - Seconds in which the leadership has to be where it should, C(30) if not given. An election takes up to 6.
      - With O(state=cured) those in which the member has to be back, C(60) if not given.
    type: float
attributes:
  check_mode:
    description: Says who would lead, and refuses what would be refused. Where no member answers, nothing is predicted.
    support: full
  diff_mode:
    description: Shows the leader before and after.
    support: full
  idempotent:
    description: A leadership that is where it has to be stays there, and a member that answers is left alone.
    support: full
  platform:
    description: The hosts run Linux.
    platforms: linux
    support: full
seealso:
  - module: horaedb.cluster.cluster_info
  - module: horaedb.cluster.daemon
"""

EXAMPLES = r"""
- name: Nobody depends on the member that is about to be stopped
  horaedb.cluster.meta_leader:
    topology: "{{ checked.topology }}"
    state: away
    host: "{{ inventory_hostname }}"

- name: End a member that hangs
  horaedb.cluster.meta_leader:
    topology: "{{ checked.topology }}"
    state: cured
    host: meta2
  delegate_to: meta2

- name: The shards of a static data node that stays down for long are kept
  horaedb.cluster.meta_leader:
    topology: "{{ checked.topology }}"
    state: moved
"""

RETURN = r"""
kind:
  description: What ended the task, for programs; the sentence is C(msg). One of V(option), V(leadership.refused).
  returned: failure
  type: str
leader:
  description: Inventory host that leads now, or in check mode would. V(null) where nobody could be asked.
  returned: success
  type: str
previous:
  description: Inventory host that led before.
  returned: success
  type: str
hung:
  description:
    - Inventory hosts of the members that hang by then, and have to be ended on their own hosts.
    - On failure, those without which nobody can take over.
  returned: with O(state=cured), and on failure
  type: list
  elements: str
killed:
  description: How often the process on O(host) was killed, or in check mode would be.
  returned: with O(state=cured)
  type: int
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
from ansible_collections.horaedb.cluster.plugins.module_utils.api import options as api_options
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import result_of, wrong_option  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import hung_member, transfer
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.hung_member import HungMember
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.transfer import TransferRefused

UNIT = "horaemeta.service"


class SystemdUnit:
    """The member's unit. A container's processes are in it too, or are removed by its start."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module

    def invocation(self) -> str:
        return str(self._systemctl("show", "--property=InvocationID", "--value")).strip()

    def kill(self) -> None:
        self._systemctl("kill", "--signal=SIGKILL")
        # systemd does so by itself, unless somebody has stopped it.
        self._systemctl("start", "--no-block")

    def _systemctl(self, verb: str, *options: str) -> str:
        code, out, err = self._module.run_command(["systemctl", verb, *options, UNIT])
        if code:
            raise TransferRefused("`systemctl %s %s` failed with exit status %d: %s" % (verb, UNIT, code, err.strip() or out.strip()))
        return str(out)


def cured(module: AnsibleModule, hung: HungMember) -> dict:
    host = hung.host
    if module.check_mode:
        hangs = host in hung.look().hung
        said = "HoraeMeta on %s hangs, and would be killed" % host if hangs else "HoraeMeta on %s doesn't hang" % host
        return {"changed": hangs, "hung": [], "killed": int(hangs), "elapsed": 0.0, "msg": said}
    elapsed = hung.end(module.params["timeout"] or hung_member.TIMEOUT)
    said = "; ".join(hung.steps) or "HoraeMeta on %s doesn't hang" % host
    return {"changed": bool(hung.steps), "hung": list(hung.others), "killed": hung.killed, "elapsed": round(elapsed, 1), "msg": said}


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            api_options.ARGUMENTS,
            state={"type": "str", "choices": ["away", "at", "moved", "cured"], "required": True},
            host={"type": "str"},
            timeout={"type": "float"},
        ),
        required_if=[("state", state, ["host"]) for state in ("away", "at", "cured")],
        supports_check_mode=True,
    )
    params = module.params
    try:
        topology = api_options.topology_of(params)
        if params["state"] == "cured":
            module.exit_json(**cured(module, HungMember(topology, params["host"], SystemdUnit(module), params["request_timeout"])))
        wish = transfer.Wish(topology, params["state"], params["host"], params["request_timeout"])
        moved = wish.predict() if module.check_mode else wish.fulfil(params["timeout"] or transfer.TIMEOUT)
    except ValueError as error:
        module.fail_json(**wrong_option(error))
    except TransferRefused as error:
        module.fail_json(**result_of(error))
    changed = moved.before != moved.after
    diff = {"before": "leader: %s\n" % moved.before, "after": "leader: %s\n" % moved.after} if changed else {}
    module.exit_json(changed=changed, leader=moved.after, previous=moved.before, elapsed=round(moved.elapsed, 1), msg=moved.why, diff=diff)


if __name__ == "__main__":
    main()

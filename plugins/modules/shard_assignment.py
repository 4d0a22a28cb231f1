#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shard_assignment
short_description: Finds the shards that HoraeMeta has forgotten, and puts them back
version_added: 0.2.0
description:
  - A static HoraeDB cluster forgets the shards of a data node that it hasn't heard for 10 seconds, and nothing in it ever puts them back. This module does,
    as long as the node's disk is intact.
  - What is lost is found by comparing HoraeMeta's view, the record in the cluster's etcd, and what each data node says of itself. HoraeMeta's
    diagnosis isn't asked, because it is empty while every table is lost.
  - A shard goes back to the data node that has its data and to no other. Whatever leaves a doubt about that is refused.
  - In a dynamic cluster what gets lost is only HoraeMeta's map, while the data nodes go on to serve. There the leadership is moved, because a new leader takes
    what the data nodes report.
author:
  - the horaedb.cluster authors (@horaedb)
extends_documentation_fragment:
  - horaedb.cluster.cluster
options:
  state:
    description:
      - V(planned) says what is lost and what would be done. It changes nothing, and doesn't fail because a repair would be refused.
      - V(static) ends a repair that was cut off (RV(dynamic_left)), and nothing more. The topology type is put back, and the leadership is moved once, because
        whoever led meanwhile may run the dynamic scheduler.
      - V(restored) puts back what is lost. While it does so the cluster's metadata say C(dynamic); they are put back whatever happens, also when the
        module is stopped by a signal. A repair that was cut off by a SIGKILL is ended first.
    type: str
    choices: [planned, static, restored]
    default: planned
  shards:
    description:
      - Where shards belong, as shard to inventory host or node name. The JSON of a record is taken too.
      - It is used for the shards it names, where there is no record, and instead of it.
    type: dict
    default: {}
  evidence:
    description: Which shards' files lie on which host's disk, as inventory host to list of shards. M(horaedb.cluster.shard_evidence) returns it for one host.
    type: dict
    default: {}
  from_evidence:
    description: Use RV(proposal) for the shards of which neither the record nor O(shards) has a word, if it is sure.
    type: bool
    default: false
  timeout:
    description: Seconds in which all shards have to be back. A shard with a long log opens for minutes.
    type: float
    default: 300.0
attributes:
  check_mode:
    description: Says what would be done, and fails where it would be refused. That data nodes have to be restarted first is no failure then.
    support: full
  diff_mode:
    description: Shows HoraeMeta's view before and after.
    support: full
  idempotent:
    description: Where nothing is lost nothing is done.
    support: full
  platform:
    description: The hosts run Linux.
    platforms: linux
    support: full
seealso:
  - module: horaedb.cluster.shard_evidence
  - module: horaedb.cluster.cluster_ready
"""

EXAMPLES = r"""
- name: See what is lost
  horaedb.cluster.shard_assignment:
    topology: "{{ checked.topology }}"
  register: plan
  run_once: true

- name: Show it
  ansible.builtin.debug:
    msg: "{{ plan.plan }}"
  run_once: true

- name: Put it back
  horaedb.cluster.shard_assignment:
    topology: "{{ checked.topology }}"
    state: restored
  run_once: true

- name: Put it back where no record exists, by a list that somebody kept
  horaedb.cluster.shard_assignment:
    topology: "{{ checked.topology }}"
    state: restored
    shards:
      0: db1
      1: db2
      2: db1
  run_once: true
"""

RETURN = r"""
kind:
  description: What ended the task, for programs; the sentence is C(msg). One of V(option), V(repair.not_restored).
  returned: failure
  type: str
lost:
  description: Shard to the inventory host that it belongs to, for the shards that are lost and whose place is known.
  returned: success
  type: dict
  sample: {"0": db1, "3": db1}
unplaced:
  description: Shards that are lost, and neither the record nor O(shards) has a word of them.
  returned: success
  type: list
  elements: int
restart:
  description:
    - Inventory hosts whose HoraeDB has to be restarted before, one at a time, because it still has shards that HoraeMeta has forgotten. HoraeMeta only follows
      a change in what a data node reports.
  returned: success
  type: list
  elements: str
kept:
  description: Inventory host to the shards that HoraeMeta still maps to it, which is what the host has after a restart.
  returned: success
  type: dict
refusals:
  description: Why nothing can be put back now, one sentence each, with the remedy.
  returned: success
  type: list
  elements: str
dynamic_left:
  description:
    - Whether HoraeMeta takes a static cluster for a dynamic one, as a repair leaves it that was cut off. Its metadata say C(dynamic), or its leader runs the
      dynamic scheduler.
  returned: success
  type: bool
pending:
  description: Whether there is anything to do.
  returned: success
  type: bool
plan:
  description: All of this for people, one line for each thing.
  returned: success
  type: list
  elements: str
proposal:
  description: Where the RV(unplaced) shards probably belong, V(null) when there are none.
  returned: success
  type: dict
  contains:
    shards:
      description: Shard to inventory host.
      type: dict
    sure:
      description:
        - Whether nothing speaks against it. Each shard is served by exactly one data node, or its files lie on the disk of exactly one, all data nodes'
          disks were looked at, and what is still mapped lies where it is mapped. A shard without tables may go anywhere.
      type: bool
    why:
      description: What was seen, one sentence for each shard and each doubt.
      type: list
      elements: str
restored:
  description: Shard to inventory host, for what was put back, or in check mode would be.
  returned: success
  type: dict
msg:
  description: What was done, or why not.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.horaedb.cluster.plugins.module_utils.api import options
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import result_of, wrong_option  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import Observation
from ansible_collections.horaedb.cluster.plugins.module_utils.repair import disk_shards, execute
from ansible_collections.horaedb.cluster.plugins.module_utils.repair import plan as repair_plan
from ansible_collections.horaedb.cluster.plugins.module_utils.repair.execute import NotRestored, Repair
from ansible_collections.horaedb.cluster.plugins.module_utils.repair.plan import Plan


def by_host(raw: dict) -> dict:
    try:
        return {host: [int(shard) for shard in shards] for host, shards in raw.items()}
    except (TypeError, ValueError):
        raise ValueError("option evidence has to be inventory host to list of shard numbers, e.g. {db1: [0, 3]}") from None


def proposed(module: AnsibleModule, doing: Repair, seen: Observation, plan: Plan):
    """None when every lost shard's place is known."""
    if not plan.unplaced:
        return None
    timeout = module.params["request_timeout"]
    try:
        known = disk_shards.tables(doing.topology, seen, plan.unplaced, timeout)
    except CallFailed as error:
        module.warn("it isn't known which shards have tables: %s" % error)
        known = {}
    return disk_shards.propose(doing.topology, seen, plan.unplaced, by_host(module.params["evidence"]), known)


def planned(module: AnsibleModule, doing: Repair):
    """The view, the plan, and the proposal, which has gone into the plan if that was asked for."""
    seen, plan = doing.plan()
    proposal = proposed(module, doing, seen, plan)
    if proposal is not None and proposal.sure and module.params["from_evidence"]:
        named = repair_plan.given(doing.topology, proposal.shards)
        doing.given = {**(doing.given or {}), **named}
        seen, plan = doing.plan()
    return seen, plan, proposal


def told(doing: Repair, plan: Plan, proposal) -> dict:
    lines = plan.lines(doing.topology)
    if proposal is not None:
        lines += ["proposed, %s:" % ("and sure" if proposal.sure else "but not sure"), *("  " + why for why in proposal.why)]
    return {
        "lost": {str(shard): host for shard, host in plan.lost.items()},
        "unplaced": list(plan.unplaced),
        "restart": list(plan.restart),
        "kept": {host: list(shards) for host, shards in (plan.kept or {}).items()},
        "refusals": list(plan.refusals),
        "dynamic_left": plan.dynamic_left,
        "pending": plan.pending,
        "plan": lines,
        "proposal": proposal.to_dict() if proposal is not None else None,
        "restored": {},
    }


def view_of(seen: Observation) -> str:
    view = (seen.cluster.view if seen.cluster else None) or {}
    entry = seen.cluster.entry if seen.cluster else None
    head = "topology type: %s\n" % (entry.topology_type if entry else "unknown")
    return head + "".join("shard %d: %s\n" % (shard, ", ".join(names)) for shard, names in sorted(view.items()))


def predicted(seen: Observation, plan: Plan) -> str:
    lost = "".join("shard %d: %s\n" % (shard, plan.wanted.get(shard, host)) for shard, host in plan.lost.items())
    lines = sorted((view_of(seen) + lost).splitlines()[1:], key=lambda line: int(line.split()[1].rstrip(":")))
    return "\n".join(["topology type: %s" % plan.topology_type, *lines, ""])


def run(module: AnsibleModule, doing: Repair) -> dict:
    state = module.params["state"]
    seen, plan, proposal = planned(module, doing)
    result = dict(told(doing, plan, proposal), changed=False, msg="; ".join(plan.lines(doing.topology)))
    if state == "planned":
        return result
    wanted = plan.pending if state == "restored" else plan.dynamic_left
    if module.check_mode:
        if state == "restored" and plan.refusals:
            raise NotRestored("\n  ".join(["nothing could be put back:", *plan.refusals]))
        after = predicted(seen, plan) if state == "restored" else view_of(seen).replace("dynamic", "static", 1)
        put_back = result["lost"] if state == "restored" else {}
        return dict(result, changed=wanted, restored=put_back, diff=_diff(view_of(seen), after, wanted))
    if state == "static":
        changed = doing.end_cut_off()
        said = "; ".join(doing.notes) or "no repair was cut off"
        return dict(result, changed=changed, msg=said, **_after(doing, seen, changed))
    restored = doing.restore()
    changed = bool(restored.shards or restored.notes)
    names = {str(shard): host for shard, host in restored.shards.items()}
    back = ["%s back after %.0f s" % (repair_plan.are(list(restored.shards)), restored.elapsed)] if restored.shards else []
    said = "; ".join([*back, *restored.notes]) or "nothing is lost"
    return dict(result, changed=changed, restored=names, msg=said, **_after(doing, seen, changed))


def _after(doing: Repair, seen: Observation, changed: bool) -> dict:
    return {"diff": _diff(view_of(seen), view_of(doing.plan()[0]), changed)} if changed else {}


def _diff(before: str, after: str, changed: bool) -> dict:
    return {"before_header": "HoraeMeta's view", "after_header": "HoraeMeta's view", "before": before, "after": after} if changed else {}


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            options.ARGUMENTS,
            state={"type": "str", "choices": ["planned", "static", "restored"], "default": "planned"},
            shards={"type": "dict", "default": {}},
            evidence={"type": "dict", "default": {}},
            from_evidence={"type": "bool", "default": False},
            timeout={"type": "float", "default": execute.TIMEOUT},
        ),
        supports_check_mode=True,
    )
    params = module.params
    try:
        topology = options.topology_of(params)
        given = repair_plan.given(topology, params["shards"])
        by_host(params["evidence"])
    except ValueError as error:
        module.fail_json(**wrong_option(error))
    doing = Repair(topology, given, params["timeout"], params["request_timeout"])
    try:
        result = run(module, doing)
    except NotRestored as error:
        module.fail_json(**result_of(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()

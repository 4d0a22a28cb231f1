#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_ready
short_description: Waits until a HoraeDB cluster is whole, proves that it works, records who holds what
version_added: 0.1.0
description:
  - Waits on the host, in one execution, until nothing is wrong with the cluster any more, several times in a row. What has to be right depends on O(scope).
  - HoraeMeta's own words are not enough. Its health is V(success) without a quorum, its diagnosis is empty while all tables are lost, and its
    view names dead nodes for seconds.
  - So a cluster is whole when every shard is mapped to exactly one data node, that node itself says that the shard is C(Ready), HoraeMeta's
    diagnosis is empty, all members are healthy, vote, are in sync and agree on one leader, all data nodes answer, and no shard is missing
    that was recorded.
  - When the time is up it fails and names every shard, node and member with what it is missing.
author:
  - the horaedb.cluster authors (@horaedb)
extends_documentation_fragment:
  - horaedb.cluster.cluster
  - horaedb.cluster.clock
options:
  scope:
    description:
      - V(members) looks at the HoraeMeta members alone, V(nodes) at whether the data nodes answer, V(cluster) at everything.
    type: str
    choices: [members, nodes, cluster]
    default: cluster
  timeout:
    description: Seconds to wait, for the gate and the proof together. A look that has begun is ended.
    type: float
    default: 120.0
  stable:
    description: How many times in a row nothing may be wrong. During a change everything may look well for a moment.
    type: int
    default: 3
  interval:
    description: Seconds from the start of one look to the start of the next.
    type: float
    default: 0.5
  expect:
    description: Shards that data nodes must have, and no others, as inventory host to list of shards. Only with O(scope=cluster).
    type: dict
    default: {}
  without:
    description:
      - Inventory host of a data node whose own state doesn't count, because it is about to be restarted and that may be what mends it.
      - What HoraeMeta has forgotten of it counts, because a restart doesn't bring that back.
    type: str
  prove:
    description:
      - Once the cluster is whole, run the write-read test. Write one row into the table C(horaedb_cluster_smoke), flush the memory of every data
        node to storage, and read the row through every data node. Only with O(scope=cluster).
      - The table is created by the first run and stays. It is always the same row that is overwritten, so nothing grows, and this is not counted as
        a change.
      - A table that can't be routed to yet is tried again until O(timeout). A flush that fails for any table is an error at once.
      - When the cluster is whole and the table can neither be found nor created for 15 s, a CREATE or DROP of it was interrupted. Then its metadata
        are deleted in HoraeMeta and it is created again, or C(horaedb_cluster_smoke_2) and C(horaedb_cluster_smoke_3) are used instead, with a warning.
    type: bool
    default: false
  record:
    description:
      - Once the cluster is whole, and proved if that was asked for, write which data node has which shard into the cluster's own etcd, under
        C(/ansible/horaedb.cluster/<cluster>/assignment), unless it is there already. A static cluster that has forgotten a shard can only be repaired with it.
      - Only with O(scope=cluster).
    type: bool
    default: false
  operation:
    description:
      - RV(horaedb.cluster.topology_check#module:operation). With it, and once everything else that was asked for has succeeded, the operation
        ends as V(ok). Its entry in the journal is closed and the lock is free. See M(horaedb.cluster.operation).
    type: dict
  before:
    description: With O(operation), what ran before, as inventory host to daemon to C(version) and C(generation).
    type: dict
    default: {}
  after:
    description: With O(operation), what runs now, in the same form.
    type: dict
    default: {}
attributes:
  check_mode:
    description:
      - Looks and waits as always, but writes and flushes nothing; whether the record would change is told.
      - A host that doesn't answer at all is a warning and not a failure, because it may be one that the real run deploys.
    support: full
  diff_mode:
    description: Shows the record before and after.
    support: full
  idempotent:
    description: Each proof writes a row of its own. Nothing else is written that is there already, and only that is reported as changed.
    support: partial
  platform:
    description: The hosts run Linux.
    platforms: linux
    support: full
seealso:
  - module: horaedb.cluster.topology_check
  - module: horaedb.cluster.cluster_info
  - module: horaedb.cluster.operation
"""

EXAMPLES = r"""
- name: The cluster is whole, works, and is recorded
  horaedb.cluster.cluster_ready:
    topology: "{{ checked.topology }}"
    prove: true
    record: true
  run_once: true

- name: Nothing else is missing before db1 goes down
  horaedb.cluster.cluster_ready:
    topology: "{{ checked.topology }}"
    without: db1
  register: gate

- name: It has its shards back
  horaedb.cluster.cluster_ready:
    topology: "{{ checked.topology }}"
    expect:
      db1: "{{ gate.assignment.db1 }}"

- name: The members have a leader
  horaedb.cluster.cluster_ready:
    topology: "{{ checked.topology }}"
    scope: members
    timeout: 60
  run_once: true
"""

RETURN = r"""
kind:
  description:
    - What ended the task, for programs; the sentence is C(msg). One of V(option), V(cluster.not_ready), V(lock.lost), or V(call.unreachable) and the like.
  returned: failure
  type: str
assignment:
  description: Inventory host of each data node to the shards that HoraeMeta maps to it. Empty lists where nothing could be asked.
  returned: success with O(scope=cluster)
  type: dict
  sample: {db1: [0, 3, 6], db2: [1, 4, 7], db3: [2, 5]}
leader:
  description: Inventory host of HoraeMeta's leader.
  returned: success with O(scope=cluster) or O(scope=members)
  type: str
elapsed:
  description: Seconds that were waited, the proof included.
  returned: success
  type: float
proved:
  description: Whether a row was written, flushed and read through every data node.
  returned: success
  type: bool
record_written:
  description: Whether the assignment was recorded, or in check mode would be.
  returned: success
  type: bool
hung:
  description:
    - Inventory hosts of the members that hang, and that no shard keeper has ended meanwhile. Their leadership is handed on already. What ends them is
      M(horaedb.cluster.meta_leader) with C(state=cured) on their own hosts; then this is to be asked again. Empty after a success.
  returned: always, unless an option is wrong
  type: list
  elements: str
forgotten:
  description: Whether shards that HoraeMeta has forgotten are all that is in the way. Waiting doesn't bring them back.
  returned: failure
  type: bool
problems:
  description: What is wrong, one sentence for each problem. After a success in check mode, the hosts that don't answer.
  returned: always, unless an option is wrong
  type: list
  elements: str
"""

from datetime import datetime
from typing import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.horaedb.cluster.plugins.module_utils.api import options
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import result_of, wrong_option  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.health.observation import shards_by_host
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import assignment, journal
from ansible_collections.horaedb.cluster.plugins.module_utils.records.journal import Operation
from ansible_collections.horaedb.cluster.plugins.module_utils.records.operation import Operations
from ansible_collections.horaedb.cluster.plugins.module_utils.records.operation_lock import Lost
from ansible_collections.horaedb.cluster.plugins.module_utils.verification import verify


def gate_of(params: dict, topology: Topology, dry: bool) -> verify.Gate:
    """Raises ValueError with a sentence."""
    if params["scope"] != verify.CLUSTER:
        for option in ("expect", "prove", "record"):
            if params[option]:
                raise ValueError("option %s needs scope: cluster, and scope is %s" % (option, params["scope"]))
    if params["timeout"] < 0 or params["stable"] < 1 or params["interval"] <= 0:
        raise ValueError("timeout may not be negative, stable has to be 1 or more, interval more than 0 seconds")
    for host in [*params["expect"], *([params["without"]] if params["without"] else [])]:
        if topology.node(host) is None:
            nodes = ", ".join(node.host for node in topology.nodes)
            raise ValueError("host %s (in expect or without) has no data node; the data nodes are %s" % (host, nodes))
    try:
        expect = {host: [int(shard) for shard in shards] for host, shards in params["expect"].items()}
    except (TypeError, ValueError):
        raise ValueError("option expect has to be inventory host to list of shard numbers, e.g. {db1: [0, 3]}") from None
    return verify.Gate(topology, params["scope"], expect, params["without"], params["request_timeout"], dry)


def run(module: AnsibleModule, wish: verify.Gate, clock: Callable[[], datetime]) -> dict:
    params, topology = module.params, wish.topology
    passed = verify.passed(wish, params["timeout"], params["stable"], params["interval"])
    result = {"changed": False, "leader": passed.seen.leader, "proved": False, "record_written": False, "hung": [], "problems": list(passed.notes)}
    elapsed = passed.elapsed
    if params["prove"] and not module.check_mode:
        proof = verify.proved(topology, max(0.0, params["timeout"] - elapsed), params["interval"])
        elapsed += proof.elapsed
        result["proved"] = True
        for note in proof.notes:
            module.warn(note)
    if wish.scope == verify.CLUSTER:
        result["assignment"] = {host: list(shards) for host, shards in shards_by_host(topology, passed.seen).items()}
    if params["record"]:
        result.update(record(module, wish, passed))
    if params["operation"] and not module.check_mode:
        operation = Operation.from_dict(params["operation"])
        Operations(topology, params["request_timeout"], clock).end(operation, journal.OK, "", params["before"], params["after"])
    return dict(result, elapsed=round(elapsed, 1))


def record(module: AnsibleModule, wish: verify.Gate, passed: verify.Passed) -> dict:
    cluster = passed.seen.cluster
    wanted, found = verify.assignment_of(wish.topology, passed.seen), cluster.record if cluster else None
    if wanted == found:
        return {}
    if not module.check_mode:
        verify.write_record(wish.topology, passed.seen, wanted, wish.request_timeout)
    key = assignment.key(wish.topology.cluster)
    before, after = ("" if a is None else a.to_json(indent=1) + "\n" for a in (found, wanted if cluster else None))
    return {
        "changed": True,
        "record_written": True,
        "diff": {"before_header": key, "after_header": key, "before": before, "after": after},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            options.ARGUMENTS,
            **options.CLOCK,
            scope={"type": "str", "choices": ["members", "nodes", "cluster"], "default": "cluster"},
            timeout={"type": "float", "default": verify.TIMEOUT},
            stable={"type": "int", "default": verify.STABLE},
            interval={"type": "float", "default": verify.INTERVAL},
            expect={"type": "dict", "default": {}},
            without={"type": "str"},
            prove={"type": "bool", "default": False},
            record={"type": "bool", "default": False},
            operation={"type": "dict"},
            before={"type": "dict", "default": {}},
            after={"type": "dict", "default": {}},
        ),
        supports_check_mode=True,
    )
    try:
        wish = gate_of(module.params, options.topology_of(module.params), module.check_mode)
        clock = journal.clock(module.params["now"])
    except ValueError as error:
        module.fail_json(**wrong_option(error))
    try:
        result = run(module, wish, clock)
    except verify.Failed as error:
        module.fail_json(**result_of(error))
    except Lost as error:
        module.fail_json(**result_of(error, "the cluster is whole, and %s"))
    except CallFailed as error:
        module.fail_json(**result_of(error, "the cluster is whole, but the end of the operation couldn't be noted in its etcd: %s"))
    for note in result["problems"]:
        module.warn("%s; a real run would wait for it" % note)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

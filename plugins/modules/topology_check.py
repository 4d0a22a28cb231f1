#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: topology_check
short_description: Judges the topology of a HoraeDB cluster before anything is touched
version_added: 0.1.0
description:
  - Builds the model of the cluster from the variables of all its hosts, judges it, and holds it against the living cluster and against
    what lies on the hosts' disks. Fails with every finding at once, each with its rule, its hosts, the values that clash and the variable
    to change.
  - What is judged is what the daemons will really use. Their environment wins over their file, so C(horaemeta_environment) wins over
    C(horaemeta_settings), and that over the variable.
  - The variables are those of the roles horaemeta, horaedb and meta_proxy, with the roles' defaults. Every host is asked as if this task
    ran there, hosts outside of the play and of C(--limit) too. Addresses come from variables and C(ansible_host), never from facts.
  - docs/topology.md explains every rule and its reason.
author:
  - the horaedb.cluster authors (@horaedb)
extends_documentation_fragment:
  - horaedb.cluster.hosts
options:
  live:
    description:
      - Whether the living cluster is read and compared. It is read from the host that runs the task, in one module execution.
      - Without it the task runs on the controller alone and needs no connection.
    type: bool
    default: true
  states:
    description:
      - What the hosts said of themselves, RV(horaedb.cluster.host_check#module:state) by inventory host. Hosts that this run can't see are left out.
      - Without it nothing is said about data on disks, about one machine under two names, and about members or nodes that a new cluster would miss.
    type: dict
    default: {}
  deploy:
    description:
      - Whether the roles are going to run on the hosts of this play. Then their variables are judged by the roles' argument_specs too, required
        ones included, and the binaries on the controller, for all hosts at once and before the first one is touched.
    type: bool
    default: false
  operation:
    description:
      - Whether this begins an operation, that is, something that changes the cluster. Then the operation lock is taken in the same execution as the look at the
        living cluster; when somebody else has it, this fails and says who. See M(horaedb.cluster.operation), which ends it.
      - A refusal lets go of the lock again. With the variable C(horaedb_cluster_break_lock) a lock is taken over.
    type: bool
    default: false
  downtimes:
    description: Inventory hosts whose planned downtime is no finding, because this is what the operation is about.
    type: list
    elements: str
    default: []
  repair:
    description:
      - Whether this run is a repair. A topology type that a repair has left behind is no finding then, because this run puts it back
        (M(horaedb.cluster.shard_assignment)). Nor is a program that can't be had, or a node count or shard total that the living
        cluster can't take over. Nothing of it is applied.
    type: bool
    default: false
  seen_again:
    description: Hosts of RV(unseen) that were looked at since, and of which O(states) has what was seen then.
    type: list
    elements: str
    default: []
    version_added: 0.5.0
  storage:
    description:
      - What the data nodes found at their remote storage, RV(horaedb.cluster.storage_check#module:storage) by inventory host. It is judged too, with
        whose the storage is. What belongs to another cluster is refused, unless the variable C(horaedb_cluster_take_storage) names it.
    type: dict
    default: {}
attributes:
  action:
    description: Runs on the controller; only the living cluster is read from the host.
    support: full
  check_mode:
    description: Does the same, since it changes nothing.
    support: full
  diff_mode:
    description: There is nothing to show a difference of.
    support: none
  idempotent:
    description: It changes nothing but the operation lock, which a run takes once.
    support: full
  platform:
    description: The controller may be any POSIX system, the hosts run Linux.
    platforms: linux
    support: full
notes:
  - Run it with C(run_once). With O(live) the host that runs the task must reach the HTTP ports and HoraeMeta's client port of all hosts.
  - Values that are set in C(vars) of a play count in that play only. Set what describes the cluster in the inventory, so that every play
    judges the same.
seealso:
  - module: horaedb.cluster.host_check
  - module: horaedb.cluster.cluster_info
  - module: horaedb.cluster.storage_check
"""

EXAMPLES = r"""
- name: Refuse a topology that can't work, in a play of one's own, with groups of other names
  hosts: metadata:timeseries
  gather_facts: false
  any_errors_fatal: true
  vars:
    horaemeta_group: metadata
    horaedb_group: timeseries
  tasks:
    - name: Look at every host
      horaedb.cluster.host_check:
      register: looked

    - name: Validate the topology and the living cluster
      horaedb.cluster.topology_check:
        states: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, ['looked', 'state']))) }}"
      register: checked
      run_once: true

- name: Judge an inventory without touching any host
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Validate the topology
      horaedb.cluster.topology_check:
        members: [meta1, meta2, meta3]
        nodes: [db1, db2, db3]
        live: false
      register: checked

    - name: Show the names of the data nodes
      ansible.builtin.debug:
        msg: "{{ item.server_addr }}:{{ item.grpc_port }}"
      loop: "{{ checked.topology.nodes }}"
"""

RETURN = r"""
topology:
  description:
    - The model of the cluster, which the other modules and filters of this collection take as their option C(topology).
    - Of a member and a node the values are those that win there.
  returned: when nothing is refused
  type: dict
  contains:
    cluster:
      description: Name of the cluster.
      type: str
    topology_type:
      description: V(static) or V(dynamic).
      type: str
    shard_total:
      description: Number of shards.
      type: int
    node_count:
      description: DEFAULT_CLUSTER_NODE_COUNT.
      type: int
    root_path:
      description: Where HoraeMeta keeps its keys in etcd.
      type: str
    meta_endpoint:
      description: V(proxy), V(direct) or a URL.
      type: str
    proxy_port:
      description: Port of the proxies on loopback.
      type: int
    members:
      description:
        - The HoraeMeta members, in the order of the inventory, each with C(host), C(name), C(address), C(http_port), C(client_port), C(peer_port),
          C(client_url), C(peer_url), C(data_dir), C(node_count), C(shard_total), C(topology_type), C(cluster_name) and C(root_path).
      type: list
      elements: dict
    nodes:
      description:
        - The data nodes, in the order of the inventory, each with C(host), C(address), C(server_addr), C(bind_addr), C(http_port), C(grpc_port),
          C(mysql_port), C(postgresql_port), C(data_dir), C(cluster_name), C(root_path), C(meta_addr), C(etcd_addrs), C(store), C(store_dir), C(wal),
          C(wal_dir), C(lease) and C(lock_ttl). Lease is a text such as C(3s), lock_ttl is in seconds.
      type: list
      elements: dict
findings:
  description: Everything that was found, warnings too. Where a value can't be read the rules are not asked, because they would guess.
  returned: when the variables could be evaluated
  type: list
  elements: dict
  contains:
    rule:
      description: Name of the rule, as in docs/topology.md.
      type: str
    hosts:
      description: Inventory hosts that it is about, empty for the cluster as a whole.
      type: list
      elements: str
    what:
      description: What is wrong, with the values that clash.
      type: str
    change:
      description: The variable to change, or what to do.
      type: str
    severity:
      description: V(error), which fails the task, or V(warning).
      type: str
lives:
  description: Whether there is a living cluster, one leader that all healthy members agree on. V(false) with O(live=false).
  returned: when the variables could be evaluated
  type: bool
leader:
  description: Inventory host of that leader, or V(null).
  returned: when the variables could be evaluated
  type: str
hung:
  description:
    - Inventory hosts of the members that hang. They are to be ended (M(horaedb.cluster.meta_leader) with C(state=cured)) before this is asked again, because
      what the cluster says of itself could not be read.
  returned: when the variables could be evaluated
  type: list
  elements: str
operation:
  description: The operation that has begun, for the later tasks of M(horaedb.cluster.operation). V(null) without O(operation).
  returned: always
  type: dict
down:
  description: Inventory hosts of which a daemon doesn't answer, or that are in a planned downtime.
  returned: always
  type: list
  elements: str
lost:
  description: Shards that HoraeMeta has forgotten and M(horaedb.cluster.shard_assignment) could put back.
  returned: always
  type: list
  elements: int
unseen:
  description:
    - Hosts whose disks have to be looked at before the topology can be judged, because nothing lives and O(states) lacks them.
    - With O(deploy) also those of members that had an empty directory and answered a moment later, as what a dead run left at work may start one.
  returned: when the variables could be evaluated
  type: list
  elements: str
remote:
  description: Inventory hosts of the data nodes whose object store or WAL is not on their own disk.
  returned: when nothing is refused
  type: list
  elements: str
claim:
  description: The mark that has to be written to the object store, see M(horaedb.cluster.storage_check). V(null) where it is there, or has no place.
  returned: with O(storage)
  type: dict
msg:
  description: The refusal, one line for each error, or which variable of which host can't be evaluated.
  returned: failure
  type: str
"""

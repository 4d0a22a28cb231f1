#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_check
short_description: Looks at a host with one shell line, and refuses one to which nothing could be deployed
version_added: 0.1.0
description:
  - Runs one command of a POSIX shell on the host, and nothing else. It needs no Python there, so it is what can tell that Python is missing.
  - Fails when commands don't run as root, when Python is older than 3.8 or missing, or when systemd is older than 247 or missing.
  - Tells whether data lies in the directories of the daemons that the inventory puts on this host, which
    M(horaedb.cluster.topology_check) needs to know before members may be started.
author:
  - the horaedb.cluster authors (@horaedb)
extends_documentation_fragment:
  - horaedb.cluster.hosts
options:
  host:
    description:
      - Inventory host to look at, together with C(delegate_to) of the same name.
      - Not given, it is the host of the task.
    type: str
attributes:
  action:
    description: Runs on the controller, with one command on the host.
    support: full
  check_mode:
    description: Does the same, since it changes nothing.
    support: full
  diff_mode:
    description: There is nothing to show a difference of.
    support: none
  idempotent:
    description: It changes nothing.
    support: full
  platform:
    description: The controller may be any POSIX system, the hosts run Linux.
    platforms: linux
    support: full
notes:
  - Caches and traces are not data, nor are empty files.
seealso:
  - module: horaedb.cluster.topology_check
"""

EXAMPLES = r"""
- name: Look at every host before the first one is touched
  hosts: horaemeta:horaedb
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Look at this host
      horaedb.cluster.host_check:
      register: looked

    - name: Show what it has
      ansible.builtin.debug:
        msg: "systemd {{ looked.state.systemd }}, holds data: {{ looked.state.node_holds }}"
"""

RETURN = r"""
state:
  description: What the host said of itself, as the option C(states) of M(horaedb.cluster.topology_check) takes it by host.
  returned: when the command ran
  type: dict
  contains:
    host:
      description: Inventory host.
      type: str
    uid:
      description: User id that commands run with.
      type: int
    machine:
      description: The machine id, which a cloned disk repeats.
      type: str
    boot:
      description: The id of this boot, which no two machines share.
      type: str
    systemd:
      description: Version of systemd, 0 when it is missing.
      type: int
    python:
      description: Version of the Python that Ansible would use, as major and minor number, empty when it is missing.
      type: list
      elements: int
    member_holds:
      description: Whether there are etcd data in this HoraeMeta member's directory.
      type: bool
    node_holds:
      description: Whether there are data in the local directories of this HoraeDB node. Remote storage is not asked.
      type: bool
  sample:
    host: db1
    uid: 0
    machine: 4b1f6a0d6c5e4a0f9a3c2b7d8e9f0a1b
    boot: 0f9d1c52-8f0e-4f0b-9a5d-2f6c7f1f7f11
    systemd: 252
    python: [3, 11]
    member_holds: false
    node_holds: true
msg:
  description: What is wrong with the host, one line for each finding.
  returned: failure
  type: str
"""

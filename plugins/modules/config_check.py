#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_check
short_description: Holds a TOML file of HoraeDB or HoraeMeta against the keys that its version has
version_added: 0.3.0
description:
  - HoraeDB says nothing about a key that it doesn't know below the root table, and HoraeMeta says nothing about any. This says it of any
    file, such as one of upstream's samples before it is taken over, or one on a host that was installed by hand.
  - Judges as M(horaedb.cluster.topology_check) does with the files that this collection would write, by docs/configuration.md. Unknown keys at any
    depth with the nearest valid one, types, ranges, choices, durations and sizes, keys that are missing, and keys that contradict each other.
  - The file is read from the host that runs the task and judged on the controller. No value of a secret is shown.
author:
  - the horaedb.cluster authors (@horaedb)
options:
  daemon:
    description: Whose file it is.
    type: str
    required: true
    choices: [horaedb, horaemeta]
  path:
    description: Absolute path of the file on the host. Either this or O(content).
    type: path
  content:
    description: The TOML text itself.
    type: str
  version:
    description:
      - Version of the daemon, as V(2.1.0). Of one that isn't known, the nearest lower one's keys are taken.
      - Not given, it is the newest one that is known.
    type: str
  environment:
    description:
      - Environment variables of the process, name to text.
      - They win over the file, so they are judged as well, and a key that one of them sets may be missing in it.
    type: dict
    default: {}
  features:
    description: What the build has beyond the release, such as V(wal-rocksdb).
    type: list
    elements: str
    default: []
  refuse:
    description: Whether the task fails when there are errors. Warnings never make it fail.
    type: bool
    default: true
attributes:
  action:
    description: Runs on the controller; one module on the host reads the file.
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
  - A controller with Python older than 3.11 needs the library tomli.
seealso:
  - module: horaedb.cluster.topology_check
"""

EXAMPLES = r"""
- name: Hold a file that was written by hand against the keys of 2.1.0
  horaedb.cluster.config_check:
    daemon: horaedb
    path: /etc/horaedb/horaedb.toml
    version: 2.1.0

- name: Look at a sample on the controller without failing
  horaedb.cluster.config_check:
    daemon: horaemeta
    content: "{{ lookup('ansible.builtin.file', 'sample.toml') }}"
    refuse: false
  register: sample

- name: Show what is wrong with it
  ansible.builtin.debug:
    msg: "{{ sample.lines }}"
"""

RETURN = r"""
findings:
  description: Everything that was found, warnings too, in the order of the file's keys.
  returned: when the file could be read
  type: list
  elements: dict
  contains:
    rule:
      description: Name of the rule, as in docs/topology.md.
      type: str
    path:
      description: The key with all of its tables, or the name of the environment variable.
      type: str
    line:
      description: Line of the key, or of the nearest table around it; 0 where the file has none.
      type: int
    what:
      description: What is wrong.
      type: str
    change:
      description: What to do about it, empty where correcting the value is all.
      type: str
    severity:
      description: V(error) or V(warning).
      type: str
lines:
  description: The same as one sentence each.
  returned: when the file could be read
  type: list
  elements: str
msg:
  description: The errors, one line each, or why the file can't be judged.
  returned: failure
  type: str
"""

#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_adopt
short_description: Says which inventory variables make the configuration of a daemon that was installed by hand
version_added: 0.3.0
description:
  - Reads the daemon's TOML file, its unit and the environment of its process with one command of a POSIX shell, and changes nothing.
  - The file's path is taken from the command line of the running process, else from that of its unit, unless it is given. The file of a process in a
    container is read through the process's own root.
  - The environment wins over the file, so what a variable of the process sets is what the answer has.
  - Keys that are at the daemon's default are left out, and so is what the collection derives from the inventory, as addresses of other
    members. Whether the same file comes out is for C(site.yml --check --diff) to show.
author:
  - the horaedb.cluster authors (@horaedb)
options:
  daemon:
    description: Which daemon.
    type: str
    required: true
    choices: [horaedb, horaemeta]
  unit:
    description:
      - The systemd unit of the daemon.
      - Not given, it is that of the running process, else the first one that names the program. With O(config) none is looked for.
    type: str
  config:
    description:
      - Path of the daemon's file on the host.
      - Not given, it is the one on the command line.
    type: path
  version:
    description:
      - Version of the daemon, by whose keys the file is judged.
      - Not given, it is the newest one that is known.
    type: str
  show_secrets:
    description: Whether secrets are shown. Otherwise there is an expression in the place of each, and a note of what to put into a vault.
    type: bool
    default: false
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
  - Needs root on the host, for the environment of a process of another user and for files that only that user reads.
  - A controller with Python older than 3.11 needs the library tomli.
seealso:
  - module: horaedb.cluster.config_check
"""

EXAMPLES = r"""
- name: Read a data node that was installed by hand
  horaedb.cluster.config_adopt:
    daemon: horaedb
  register: found

- name: Show the variables for the inventory
  ansible.builtin.debug:
    msg: "{{ found.text }}"
"""

RETURN = r"""
variables:
  description: The inventory variables of this host, without those that are at their default.
  returned: always
  type: dict
  sample:
    horaedb_server_addr: 192.0.2.21
    horaedb_settings: {logger: {level: warn}}
text:
  description: The same as YAML.
  returned: always
  type: str
notes:
  description: What can't be said as a variable, one sentence each.
  returned: always
  type: list
  elements: str
findings:
  description: What is wrong with the file, as RV(horaedb.cluster.config_check#module:findings).
  returned: always
  type: list
  elements: dict
lines:
  description: The same as one sentence each.
  returned: always
  type: list
  elements: str
unit:
  description: The unit that was found, empty without one.
  returned: always
  type: str
config:
  description: The path of the file.
  returned: always
  type: str
msg:
  description: Why nothing could be read.
  returned: failure
  type: str
"""

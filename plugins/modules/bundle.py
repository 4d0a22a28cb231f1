#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Makes one archive of everything that a site without a network needs
version_added: 0.3.0
description:
  - Puts into one tar archive the collection, Ansible as wheels, both programs from wherever C(horaemeta_binary) and C(horaedb_binary) of the
    inventory say, their checksums, a script that installs it all without a network, and the names of the distribution packages that hosts need.
  - The same contents give the same archive, byte by byte. A second run changes nothing.
  - The wheels are those of the versions that run this task. pip's own variables say where they come from, such as C(PIP_INDEX_URL), or
    C(PIP_NO_INDEX) and C(PIP_FIND_LINKS).
  - Runs on the controller alone, and reaches no host. Inventories of yours are not put into the archive.
  - docs/artifacts.md tells how to install from it.
author:
  - the horaedb.cluster authors (@horaedb)
options:
  dest:
    description: Where the archive is written, in a folder that exists.
    type: path
    required: true
  python_version:
    description:
      - The Python of the site's controller, such as V(3.11). Some wheels are made for one version.
      - Not given, it is that of this controller.
    type: str
attributes:
  check_mode:
    description: Everything is fetched and put together, and nothing is written to O(dest).
    support: full
  diff_mode:
    description: The changed file is an archive.
    support: none
  idempotent:
    description: An archive that would be the same is left as it is.
    support: full
  platform:
    description: The controller may be any POSIX system, the hosts run Linux.
    platforms: linux
    support: full
seealso:
  - module: horaedb.cluster.daemon
"""

EXAMPLES = r"""
- name: An archive for a site without a network
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Make it
      horaedb.cluster.bundle:
        dest: "{{ playbook_dir }}/horaedb-bundle.tar"
        python_version: "3.11"
"""

RETURN = r"""
dest:
  description: Where the archive is.
  returned: success
  type: str
files:
  description: What is in it, below the folder C(horaedb-bundle).
  returned: success
  type: list
  elements: str
  sample: [README.md, SHA256SUMS, artifacts.yml, artifacts/horaedb-server]
msg:
  description: What couldn't be had, and what to change.
  returned: failure
  type: str
"""

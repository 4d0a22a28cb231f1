#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_check
short_description: Tries the object store and the WAL from a data node, as HoraeDB is going to use them
version_added: 0.3.0
description:
  - HoraeDB under HoraeMeta starts on an object store that is unreachable, or that has no such bucket, and acknowledges rows; the first flush loses
    them. So this runs on each data node before anything is deployed there.
  - S3 (whoever serves it) and Aliyun OSS. The name resolves, TCP connects, the certificate is trusted, the clocks agree, and the credentials may
    list below the prefix, write one small object there, read it back and delete it.
  - Kafka. The brokers answer HoraeDB's own question for metadata, and each is reached by the address that it advertises.
  - OceanBase. The name in C(param_url) resolves, and TCP connects.
  - Local directories. They can be made, have room, and lie neither in memory nor on a network file system.
  - Tells what is there already, the mark of a cluster, objects, and topics of a HoraeDB, for M(horaedb.cluster.topology_check) to judge.
  - docs/storage.md explains every finding and its remedy.
author:
  - the horaedb.cluster authors (@horaedb)
options:
  object_store:
    description:
      - The table C([analytic.storage.object_store]) as in HoraeDB's file.
      - If neither this nor O(wal) is given, both are what the variables of the role horaedb say for this host.
    type: dict
  wal:
    description: The table C([analytic.wal]) as in HoraeDB's file.
    type: dict
  refuse:
    description: Whether findings that are errors make the task fail. Without it they are only returned.
    type: bool
    default: true
  claim:
    description:
      - The mark that tells whose the prefix is, RV(horaedb.cluster.topology_check#module:claim). With it nothing is tried, and the mark is written to
        the object C(.horaedb-cluster-owner) below the prefix and read back.
    type: dict
  timeout:
    description: Seconds that each step may take, a connection as well as an answer.
    type: float
    default: 5.0
attributes:
  action:
    description: The variables are read on the controller, everything else happens on the host.
    support: full
  check_mode:
    description: Lists and reads as always, and writes nothing, so that rights to write and to delete are not seen.
    support: full
  diff_mode:
    description: Shows the mark that is written.
    support: full
  idempotent:
    description: What it writes to try the storage it takes away again. The mark of an owner that is there stays.
    support: full
  platform:
    description: The controller may be any POSIX system, the hosts run Linux.
    platforms: linux
    support: full
notes:
  - Secrets are in no result, no diff and no journal.
  - Works on Python 3.8 and newer with nothing but the standard library. Proxies of the environment are not used, as HoraeDB doesn't use them.
  - Which certificates are trusted is asked of the system's store, through Python's OpenSSL. HoraeDB itself uses another library.
seealso:
  - module: horaedb.cluster.topology_check
"""

EXAMPLES = r"""
- name: Try the storage of every data node, without deploying anything
  hosts: horaedb
  gather_facts: false
  tasks:
    - name: Try what the inventory says
      horaedb.cluster.storage_check:

- name: Try a bucket before it gets into an inventory
  hosts: horaedb
  gather_facts: false
  tasks:
    - name: Try it
      horaedb.cluster.storage_check:
        object_store:
          type: S3
          endpoint: https://s3.example.com
          region: eu-central-1
          bucket: horaedb
          prefix: production
          key_id: "{{ vault_key_id }}"
          key_secret: "{{ vault_key_secret }}"
"""

RETURN = r"""
storage:
  description: What was found, by host as the option C(storage) of M(horaedb.cluster.topology_check) takes it.
  returned: without O(claim)
  type: dict
  contains:
    store:
      description: Type, endpoint, bucket and prefix of a remote object store, empty with a local one.
      type: str
    wal:
      description: Type and addresses of a remote WAL, empty with a local one.
      type: str
    holds:
      description: Whether objects lie below the prefix, not counting the collection's own. V(null) when it wasn't seen.
      type: bool
    owner:
      description: The mark of the cluster that the prefix belongs to, V(null) without one.
      type: dict
    topics:
      description: Topics on the brokers that have names of HoraeDB's. V(null) when no broker answered.
      type: list
      elements: str
    offset:
      description: Seconds by which the host's clock is ahead of the controller's, the way back included.
      type: float
    findings:
      description: What is wrong, in the form of RV(horaedb.cluster.topology_check#module:findings).
      type: list
      elements: dict
  sample:
    store: S3 https://s3.example.com horaedb/production
    wal: Kafka kafka1.example.com:9092
    holds: false
    owner: null
    topics: []
    offset: 0.1
    findings: []
msg:
  description: What is wrong, one line for each error.
  returned: failure
  type: str
"""

import platform
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Finding, errors, report, warnings
from ansible_collections.horaedb.cluster.plugins.module_utils.storage import directory_checks, object_store_checks, owner_mark, wal_checks

# Ansible's own would carry every option back, secrets included.
QUIET = {"invocation": {}}


def remote(table: dict, *local: str) -> bool:
    return bool(table.get("type")) and table["type"] not in local


def look(module: AnsibleModule) -> dict:
    store, wal, timeout = module.params["object_store"] or {}, module.params["wal"] or {}, module.params["timeout"]
    found = {"store": "", "wal": "", "holds": None, "owner": None, "topics": None}
    findings = []
    if remote(store, "Local"):
        tried = object_store_checks.attempt(store, not module.check_mode, timeout)
        findings += tried.findings
        found.update(store=tried.place or object_store_checks.place_of(store), holds=tried.holds, owner=tried.owner)
    if remote(wal, "Local", "RocksDB"):
        asked = wal_checks.attempt(wal, timeout)
        findings += asked.findings
        found.update(wal=wal_checks.place_of(wal), topics=asked.topics)
    for table, name in ((store, "horaedb_object_store.data_dir"), (wal, "horaedb_wal.data_dir")):
        if table.get("data_dir") and not remote(table, "Local", "RocksDB"):
            findings += directory_checks.attempt(str(table["data_dir"]), name)
    return dict(found, findings=[finding.to_dict() for finding in findings])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "object_store": {"type": "dict"},
            "wal": {"type": "dict"},
            "refuse": {"type": "bool", "default": True},
            "claim": {"type": "dict"},
            "timeout": {"type": "float", "default": 5.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    if params["timeout"] <= 0:
        module.fail_json(msg="option timeout has to be more than 0 seconds", **QUIET)
    if params["claim"] is not None:
        claim(module)
    storage = look(module)
    here = (platform.node(),)
    found = [Finding(**dict(one, hosts=here)) for one in storage["findings"]]
    if params["refuse"]:
        for warning in warnings(found):
            module.warn(warning.sentence())
        if errors(found):
            module.fail_json(msg=report(errors(found)), storage=storage, **QUIET)
    module.exit_json(changed=False, storage=storage, time=time.time(), **QUIET)


def claim(module: AnsibleModule) -> None:
    store = module.params["object_store"] or {}
    place = object_store_checks.place_of(store)
    after = owner_mark.to_bytes(module.params["claim"]).decode()
    if not module.check_mode:
        refused = object_store_checks.claim(store, module.params["claim"], module.params["timeout"])
        if refused:
            module.fail_json(msg="%s %s" % (refused.what, refused.change), **QUIET)
    module.exit_json(changed=True, diff={"before": "", "after": after, "before_header": place, "after_header": place}, **QUIET)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: daemon
short_description: One daemon on one host, as one transaction
version_added: 0.1.0
description:
  - Takes the whole desired state of one daemon on one host (binary, configuration, environment, unit, readiness) and makes the host
    be like that, or leaves it as it was.
  - Binary, configuration, environment and unit make up a generation, named by a digest over all of them. It is staged beside the one in
    use, proved on the host (the binary says its version, systemd accepts the unit, the O(checks) succeed), and put to use by renaming one
    file, the unit. The generation before it is kept.
  - A process that is running is never restarted by O(state=started). A new generation is only staged under it, and RV(stale) says so;
    O(state=restarted) applies it, one host at a time if the play has C(serial=1).
  - When the service doesn't get ready after a switch, the generation before is put back, and the message carries the panics and errors
    of its log, each once, with their cause.
  - An interrupted run, killed at whatever point, is completed by the next one. Runs exclude each other by a lock on the host.
author:
  - the horaedb.cluster authors (@horaedb)
options:
  name:
    description: Name of the unit, without C(.service).
    type: str
    required: true
  root:
    description: Directory of this daemon's own, for its generations.
    type: path
    required: true
  user:
    description: User that the unit runs as. The binary is proved as this user where it exists.
    type: str
  group:
    description: Group that may read the configuration and run the binary. Everything belongs to root.
    type: str
  binary:
    description: Executable that is put into the generation. One of this, O(executable) and O(image) is wanted.
    type: dict
    suboptions:
      name:
        description: Name of the file in the generation.
        type: str
        required: true
      src:
        description:
          - A path on the controller, looked up from the current directory first, then like the C(src) of M(ansible.builtin.copy).
          - Or an address (http, https or file), or an image (C(docker://registry/name:tag@sha256:digest), C(oci-archive:/path) or
            C(docker-archive:/path)). The controller fetches it once, and only when a host lacks the binary or its digest isn't known.
          - Or a list of these, tried in their order until one has it.
          - How registries are asked is set by the variables C(horaedb_cluster_registry_username), C(horaedb_cluster_registry_password),
            C(horaedb_cluster_registry_tls_verify) and C(horaedb_cluster_image_architecture).
        type: raw
      checksum:
        description:
          - C(sha256:) followed by the digest of the binary in hex. Verified whenever given.
          - Required with an address, unless the variable C(horaedb_cluster_unchecked_downloads) is true.
        type: str
      image_path:
        description: Path of the binary in an image. Not set, it is C(/usr/bin/) and the name.
        type: str
      hint:
        description: Where these options are set, such as the names of variables. It ends the message when the binary can't be had.
        type: str
      version_command:
        description: Arguments that make the binary say its version. It is run on the host before the binary is used; without, it is not proved.
        type: list
        elements: str
        default: []
      path:
        description: Where the binary was sent to on the host. Set by the action plugin.
        type: path
      size:
        description: Size of the binary in bytes. Set by the action plugin.
        type: int
  image:
    description:
      - Image that a container engine on the host runs, instead of O(binary) and O(executable). O(unit) calls the engine, and names the image C(@image@).
      - It is fetched and proved before anything is switched, is a part of the generation, and is removed with the last generation that has it.
    type: dict
    suboptions:
      engine:
        description: The engine. It is installed from the distribution where it is missing.
        type: str
        choices: [podman, docker]
        required: true
      src:
        description:
          - C(docker://registry/name:tag@sha256:<digest>), pulled by the engine of the host; without a digest it is refused.
          - Or C(docker-archive:/path) or C(oci-archive:/path), a file on the controller, sent to a host that lacks its image.
        type: str
      checksum:
        description: C(sha256:) followed by the digest of the archive in hex, verified when given.
        type: str
      program:
        description: Absolute path of the executable in the image.
        type: str
        required: true
      version_command:
        description: Arguments that make the program say its version. It is run on the host before the image is used; without, it is not proved.
        type: list
        elements: str
        default: []
      username:
        description: User name for the registry.
        type: str
        default: ''
      password:
        description: Password for the registry. It is in a file of root's own while the image is being pulled, and nowhere afterwards.
        type: str
        default: ''
      tls_verify:
        description: Whether podman demands a valid certificate of the registry. With docker the host's own C(daemon.json) says so.
        type: bool
        default: true
      hint:
        description: Where these options are set, such as the names of variables. It ends the message when the image can't be had.
        type: str
      reference:
        description: What the engine is told to run, pinned by a digest. Set by the action plugin.
        type: str
      archive:
        description: Whether the image comes from an archive. Set by the action plugin.
        type: bool
        default: false
      path:
        description: Where the archive was sent to on the host. Set by the action plugin.
        type: path
      size:
        description: Size of the archive in bytes. Set by the action plugin.
        type: int
  executable:
    description: Executable of a distribution package, run where it is.
    type: path
  packages:
    description: Distribution packages to install when what they provide is missing.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the package.
        type: str
        required: true
      provides:
        description: Path of a file that tells whether the package is there.
        type: path
        required: true
  configs:
    description: Configuration files of the generation, mode 0640. Their contents are never shown with secrets in them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Plain name of the file.
        type: str
        required: true
      content:
        description: Content of the file.
        type: str
        required: true
  environment:
    description: Written to the file C(environment) of the generation, which the unit names with C(EnvironmentFile=@dir@/environment).
    type: dict
    default: {}
  unit:
    description:
      - Text of the unit. C(@dir@) stands for the directory of the generation, C(@generation@) for its name.
      - It has to carry the line C(Environment=HORAE_GENERATION=@generation@).
    type: str
  checks:
    description: Commands, each a list of words, that have to succeed on a new generation before it is used. C(@dir@) stands for its directory.
    type: list
    elements: list
    default: []
  files:
    description: Files outside of the generation. A change of one doesn't make the process stale.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: Content of the file.
        type: str
        required: true
      mode:
        description: Mode in octal digits.
        type: str
        default: '0644'
      apply:
        description: Run systemd-sysusers or systemd-tmpfiles on the file after it has been written.
        type: str
        choices: [none, sysusers, tmpfiles]
        default: none
  links:
    description: Symbolic links for humans. C(@current@) in the target stands for the link to the generation in use.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path of the link.
        type: path
        required: true
      target:
        description: What it points to.
        type: str
        required: true
  state:
    description:
      - V(started) installs or stages, and starts the service when it isn't running. It never restarts a running process.
      - V(restarted) makes the running process be of the desired generation.
      - V(rerun) restarts the running process from the files that it runs from, whatever is desired or staged. It is for emergencies. A process that doesn't get
        ready is left to systemd, because there is nothing else to go back to.
      - V(stopped) stops the service and changes nothing else, except that with O(at_boot=false) a boot doesn't start it either.
      - V(absent) stops and disables the service and removes its unit, O(files), O(links) and O(root). Data, logs and the user stay.
    type: str
    choices: [started, restarted, rerun, stopped, absent]
    default: started
  force:
    description: With O(state=restarted), restart even a process that is of the desired generation.
    type: bool
    default: false
  downgrade:
    description:
      - Whether a binary may be staged that says a lower version of itself than the one in use. Its data may be of a newer format, so it has to be meant.
    type: bool
    default: false
  ready:
    description:
      - What has to be true for the service to be ready. C(kind) is C(http) with C(url), C(tcp) with C(host) and C(port), or one of C(member),
        C(node) and C(node_shards) with C(topology) and C(host), the last with C(expect), the numbers of its shards, as well.
      - Without it a process that stays up for a moment counts as ready.
    type: dict
  protection:
    description:
      - Of the shards of a data node. In a static cluster with several members HoraeMeta's leadership is moved, because a leader forgets the
        shards of a node that it has not heard for 10 s, and one that has never heard it doesn't.
      - With O(state=stopped) it is moved once, as soon as the node is silent, and the module returns when that is seen.
      - With O(state=restarted) and O(state=started) it is moved when the node is silent for O(protection.silent_after).
    type: dict
    version_added: 0.5.0
    suboptions:
      topology:
        description: What M(horaedb.cluster.topology_check) returns as RV(horaedb.cluster.topology_check#module:topology).
        type: dict
        required: true
      host:
        description: Inventory name of the data node's host.
        type: str
        required: true
      silent_after:
        description: Seconds since the stop after which a node that is still silent is protected. Without it nothing is moved.
        type: float
      in_step:
        description:
          - Stop the node 3.5 s before HoraeMeta's scheduler ticks, which bounds its outage. The leadership is moved first where it isn't known
            when that is.
        type: bool
        default: false
  ready_timeout:
    description: Seconds the service may take to get ready.
    type: float
    default: 60
  rollback_timeout:
    description: Seconds the generation before may take to get ready again after a rollback.
    type: float
    default: 90
  crashes:
    description: Give up early when the process died this often without ever being ready. V(0) waits for O(ready_timeout) in any case.
    type: int
    default: 3
  ports:
    description: Ports that the daemon is going to listen on. Refused when another process holds one before a start.
    type: list
    elements: int
    default: []
  bind:
    description: Address that it listens on.
    type: str
    default: 0.0.0.0
  space:
    description: Bytes that have to be free on the filesystems of O(root) (besides the size of the binary) and of O(paths).
    type: int
    default: 268435456
  paths:
    description: Directories for data and logs, whose filesystems are checked for O(space) before a start.
    type: list
    elements: path
    default: []
  at_boot:
    description: With O(state=stopped), whether the next boot may start it. V(started) and V(restarted) enable it again.
    type: bool
    default: true
    version_added: 0.4.0
  min_age:
    description: Seconds that the running process must have lived before O(state=restarted) or O(state=stopped) stops it. Waited for.
    type: float
    default: 0
  keep:
    description: Generations to keep besides those in use, staged, and the one before.
    type: int
    default: 3
  log:
    description:
      - Log file of the daemon. Its panics and errors since the start are shown when it doesn't get ready, without stacks, configuration and what
        repeats itself; without a log file, the journal's last lines.
    type: path
  lines:
    description: How many of those at most.
    type: int
    default: 20
  secrets:
    description: Values that must not be shown anywhere. Values of keys that sound secret (password, token, key_secret and so on) are masked without it.
    type: list
    elements: str
    default: []
  lock_timeout:
    description: Seconds to wait for another run that is at work on the same daemon.
    type: float
    default: 300
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: linux
    support: full
  idempotent:
    description: A daemon that is as desired is left alone.
    support: full
notes:
  - The host has to run systemd, and the module has to run as root.
  - At most two executions of the module per host, and exactly one when there is nothing to do.
seealso:
  - module: horaedb.cluster.config_check
  - module: horaedb.cluster.cluster_ready
"""

EXAMPLES = r"""
- name: HoraeMeta is installed and running
  horaedb.cluster.daemon:
    name: horaemeta
    root: /opt/horaemeta
    user: horaemeta
    group: horaemeta
    binary:
      name: horaemeta-server
      src: horaemeta-server
      version_command: [--version]
    configs:
      - name: horaemeta.toml
        content: "{{ horaemeta_toml }}"
    unit: |
      [Unit]
      Description=HoraeMeta
      [Service]
      User=horaemeta
      Environment=HORAE_GENERATION=@generation@
      EnvironmentFile=@dir@/environment
      ExecStart=@dir@/horaemeta-server --config @dir@/horaemeta.toml
      StandardOutput=append:/var/log/horaemeta/horaemeta.log
      Restart=always
      [Install]
      WantedBy=multi-user.target
    files:
      - path: /etc/sysusers.d/horaemeta.conf
        content: "u horaemeta - \"HoraeMeta\" /var/lib/horaemeta\n"
        apply: sysusers
    ports: [8080, 2379, 2380]
    ready:
      kind: http
      url: http://192.0.2.11:2379/health
    log: /var/log/horaemeta/horaemeta.log

- name: A staged generation is applied, one host at a time (the play has serial 1)
  horaedb.cluster.daemon:
    state: restarted
    name: haproxy-example
    root: /opt/haproxy-example
    user: haproxy
    group: haproxy
    executable: /usr/sbin/haproxy
    packages: [{name: haproxy, provides: /usr/sbin/haproxy}]
    configs:
      - name: haproxy.cfg
        content: "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"
    checks: [[/usr/sbin/haproxy, -c, -f, "@dir@/haproxy.cfg"]]
    unit: "{{ lookup('ansible.builtin.template', 'haproxy.service.j2') }}"

- name: HoraeMeta is gone; its data stays
  horaedb.cluster.daemon:
    state: absent
    name: horaemeta
    root: /opt/horaemeta
"""

RETURN = r"""
kind:
  description: What ended the task, for programs; the sentence is C(msg). One of V(daemon.refused) and V(daemon.rolled_back).
  returned: failure
  type: str
generation:
  description: Name of the desired generation, a digest. V(null) for O(state=stopped) and O(state=absent).
  type: str
  returned: always
running:
  description: Generation that the process was started from, V(null) without a process, V(unknown) when it was started by another unit.
  type: str
  returned: always
current:
  description: Generation that was last seen ready.
  type: str
  returned: always
previous:
  description: The one before RV(current).
  type: str
  returned: always
staged:
  description: Generation that waits for a restart.
  type: str
  returned: always
stale:
  description: The running process has to be restarted to be what is desired.
  type: bool
  returned: always
started:
  description: The service was started by this run.
  type: bool
  returned: always
restarted:
  description: The running process was restarted by this run.
  type: bool
  returned: always
rolled_back:
  description: After a failure, whether the generation before is in place and ready again. V(null) when there was nothing to roll back.
  type: bool
  returned: always
version:
  description: What the binary says of itself.
  type: str
  returned: always
before:
  description: What was in use before this run, with C(generation) and C(version). Empty when nothing was.
  type: dict
  returned: always
after:
  description: What is in use now, in the same form.
  type: dict
  returned: always
steps:
  description: What was done, or in check mode would be done, in words.
  type: list
  elements: str
  returned: always
"""

import os  # noqa: E402

from ansible.module_utils.basic import AnsibleModule  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import result_of  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.service import lock as service_lock  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.module_utils.service import (
    options,  # noqa: E402
    run,  # noqa: E402
    spec,  # noqa: E402
)
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import TargetHost  # noqa: E402


def main() -> None:
    required = ("user", "group", "unit")
    module = AnsibleModule(
        argument_spec=options.argument_spec(),
        supports_check_mode=True,
        required_if=[("state", "started", required), ("state", "restarted", required)],
    )
    result = {}
    try:
        result = locked_run(module)
    except spec.Refused as refused:
        result.update(result_of(refused), failed=True)
    except OSError as error:
        where = error.filename or "the host"
        result.update(failed=True, msg="%s: %s. What was in use before is still in place; run it again." % (where, error.strerror))
    # Ansible's own would carry every option back, contents of configurations included.
    result["invocation"] = {}
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


def locked_run(module: AnsibleModule) -> dict:
    if os.geteuid() != 0:
        raise spec.Refused("the daemon can only be managed by root: set become to true for this host.")
    params = module.params
    lock = spec.Layout(params["name"], spec.root_of(params)).lock
    create = not module.check_mode and params["state"] not in ("stopped", "absent")
    with service_lock.locked(lock, params["lock_timeout"], create=create, trace=not module.check_mode):
        return run.run(TargetHost(module), params, module.check_mode, module._diff)


if __name__ == "__main__":
    main()

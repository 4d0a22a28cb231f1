"""Somebody else's repository: their playbooks, their group names, no ansible.cfg of ours, and the collection as it is published."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from lab.inventory import PRIVATE_USERS
from tests.support import playbook
from tests.support.playbook import ROOT

PLAYBOOKS = {
    "check.yml": """
- name: What would a cluster with one of the stores be
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Judge it without touching it
      horaedb.cluster.topology_check:
        members: "{{ groups['tsdb_meta'] }}"
        nodes: "{{ groups['tsdb_data'][:1] }}"
        live: false
      register: judged
    - name: Keep what it computed
      ansible.builtin.copy:
        content: "{{ judged.topology | to_json }}"
        dest: "{{ playbook_dir }}/topology.json"
        mode: "0600"
""",
    "deploy.yml": """
- name: Keepers
  hosts: tsdb_meta
  vars_files: [tsdb.yml]
  roles:
    - horaedb.cluster.horaemeta
    - horaedb.cluster.shard_keeper

- name: Stores
  hosts: tsdb_data
  vars_files: [tsdb.yml]
  roles:
    - horaedb.cluster.meta_proxy
    - horaedb.cluster.horaedb
""",
    "role.yml": """
- name: One role alone
  hosts: "{{ 'tsdb_meta' if role == 'horaemeta' else 'tsdb_data' }}"
  gather_facts: false
  vars_files: [tsdb.yml]
  tasks:
    - name: Pull it in
      ansible.builtin.include_role:
        name: "horaedb.cluster.{{ role }}"
""",
}
VARIABLES = {
    "horaemeta_group": "tsdb_meta",
    "horaedb_group": "tsdb_data",
    "horaemeta_binary": "artifacts/horaemeta-server",
    "horaedb_binary": "artifacts/horaedb-server",
    "horaemeta_default_cluster_node_count": 2,
    **PRIVATE_USERS,
}
# site.yml has plays on groups of these names, whatever the roles' variables say.
OUR_GROUPS = {"horaemeta": {"children": {"tsdb_meta": {}}}, "horaedb": {"children": {"tsdb_data": {}}}}


@dataclass(frozen=True)
class Repository:
    folder: pathlib.Path
    archive: pathlib.Path

    def run(self, name: str, variables: Mapping[str, object] | None = None, *arguments: str) -> playbook.Run:
        inventory = self.folder / "hosts.json"
        return playbook.run(name, inventory, *arguments, variables=variables, environment=_surroundings(self.folder), cwd=self.folder)


@pytest.fixture(scope="session")
def repository(inventory: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "empty.cfg").touch()
    _galaxy(folder, "build", str(ROOT))
    [archive] = folder.glob("horaedb-cluster-*.tar.gz")
    _galaxy(folder, "install", archive.name, "--offline", "--collections-path", "collections")
    for name, text in PLAYBOOKS.items():
        (folder / name).write_text("---" + text)
    (folder / "tsdb.yml").write_text(json.dumps(VARIABLES))
    (folder / "artifacts").mkdir()
    for daemon, variable in (("horaemeta-server", "HORAE_META_BIN"), ("horaedb-server", "HORAE_DB_BIN")):
        shutil.copy(os.environ.get(variable) or ROOT / "build" / daemon, folder / "artifacts" / daemon)
    (folder / "hosts.json").write_text(json.dumps(_hosts(inventory)))
    (folder / "our_groups.json").write_text(json.dumps(OUR_GROUPS))
    return Repository(folder, archive)


def _surroundings(folder: pathlib.Path) -> dict[str, str]:
    """All of Ansible's own defaults, whatever the machine and the checkout have."""
    return {"ANSIBLE_CONFIG": str(folder / "empty.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections")}


def _galaxy(folder: pathlib.Path, *arguments: str) -> None:
    surroundings = dict(os.environ, **_surroundings(folder))
    command = ["ansible-galaxy", "collection", *arguments]
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _hosts(inventory: pathlib.Path) -> dict[str, object]:
    """Their inventory: how to reach the hosts, and their own groups."""
    listed = subprocess.run(["ansible-inventory", "-i", str(inventory), "--list"], check=True, capture_output=True, text=True, timeout=60)
    hostvars = json.loads(listed.stdout)["_meta"]["hostvars"]

    def group(start: str) -> dict[str, object]:
        kept = {
            host: {name: value for name, value in values.items() if name.startswith("ansible_")}
            for host, values in hostvars.items()
            if host.startswith(start)
        }
        return {"hosts": kept}

    return {"tsdb_meta": group("keeper"), "tsdb_data": group("store")}

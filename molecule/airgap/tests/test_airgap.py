"""A bundle is made where there is a network, and installs where there is none. The tests run in the order of this file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import environment, recipe
from lab.inventory import PRIVATE_USERS
from tests.support import oci, playbook
from tests.support.cluster import Cluster
from tests.support.inventory import hostvars
from tests.support.playbook import Run
from tests.support.rows import Rows

PATH = "/usr/bin/horaedb-server"
# Nothing is listening on any of the machine's networks either: the kernel has to say that there is no way.
ELSEWHERE = "192.0.2.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundle")


def made(inventory: Path, folder: Path) -> Run:
    """By the playbook, the data node's program out of an archive; pip takes its wheels from what the lab has fetched."""
    layout = folder / "layout"
    if not layout.exists():
        program = Path(os.environ.get("HORAE_DB_BIN") or playbook.ROOT / "build" / "horaedb-server")
        image = oci.Layout(layout)
        image.image([oci.layer(oci.member(PATH, program.read_bytes()))])
        image.archive(folder / "horaedb.tar")
    surroundings = {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(environment.wheels_path(recipe.default_distro())),
    }
    variables = {
        "horaedb_cluster_bundle": str(folder / "horaedb-bundle.tar"),
        "horaedb_cluster_bundle_python": environment.PYTHONS[recipe.default_distro()],
        "horaedb_binary": "oci-archive:%s" % (folder / "horaedb.tar"),
    }
    return playbook.run("playbooks/bundle.yml", inventory, variables=variables, environment=surroundings)


def test_a_bundle_is_made_once(inventory: Path, folder: Path) -> None:
    """Breaks when it lacks something, or when a second run makes another archive of the same contents."""
    run = made(inventory, folder)
    assert (run.rc, run.changed) == (0, 1), run.output
    again = made(inventory, folder)
    assert (again.rc, again.changed) == (0, 0), again.output


@pytest.fixture(scope="module")
def alone(inventory: Path, folder: Path, on: Callable[[str], Any]) -> Any:
    """The host, with the archive and an inventory of itself, and cut off."""
    host = on("alone")
    address = hostvars(inventory)["alone"]["ansible_host"]
    here = {"ansible_connection": "local", "ansible_host": address, "ansible_python_interpreter": "/usr/bin/python3"}
    groups = {group: {"hosts": {"alone": {}}} for group in ("horaemeta", "horaedb")}
    (folder / "hosts.json").write_text(json.dumps({"all": {"vars": {**here, **PRIVATE_USERS}, "children": groups}}))
    for name in ("horaedb-bundle.tar", "hosts.json"):
        copied(inventory, folder / name)
    host.check_output("ip route del default")
    return host


def copied(inventory: Path, path: Path) -> None:
    known = hostvars(inventory)["alone"]
    options = known["ansible_ssh_common_args"].split()
    target = "%s@%s:/root/" % (known["ansible_user"], known["ansible_host"])
    subprocess.run(["scp", "-q", *options, "-i", known["ansible_ssh_private_key_file"], str(path), target], check=True, timeout=60)


def test_the_network_is_cut(alone: Any) -> None:
    """The control of the tests below: with a way out they would prove nothing."""
    tried = alone.run("python3 -c 'import socket; socket.create_connection((\"%s\", 80), 3)'", ELSEWHERE)
    assert tried.rc != 0 and "Network is unreachable" in tried.stderr, tried
    assert alone.run("getent hosts example.com").rc != 0


def test_three_commands_make_a_cluster(alone: Any, cluster: Cluster) -> None:
    """Breaks when anything is fetched on the way: a wheel, a role, a binary, a package."""
    alone.check_output("tar -xf horaedb-bundle.tar")
    alone.check_output("horaedb-bundle/install.sh")
    first = deployed(alone)
    assert first.rc == 0, first.stdout + first.stderr
    cluster.assert_whole()
    rows = Rows(cluster)
    rows.write()
    rows.assert_kept()


def test_the_same_again_changes_nothing(alone: Any) -> None:
    again = deployed(alone)
    assert again.rc == 0 and "changed=0" in again.stdout, again.stdout


def deployed(alone: Any) -> Any:
    return alone.run("cd horaedb-bundle && venv/bin/ansible-playbook -i /root/hosts.json -e @artifacts.yml horaedb.cluster.site")

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The archive for a site without a network: what is in it, and its writing, which gives the same bytes for the same contents."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pathlib
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.horaedb.cluster.plugins.module_utils.common.atomic_write import unnamed
from ansible_collections.horaedb.cluster.plugins.module_utils.common.digest import sha256_of

FOLDER = "horaedb-bundle"
SUMS = "SHA256SUMS"
# 1980: the archives of Python, which wheels and Ansible's modules are, know no earlier time.
MTIME = 315532800

ANSIBLE_CFG = """\
[defaults]
collections_path = collections
forks = 50
gathering = explicit
callback_result_format = yaml
interpreter_python = auto_silent
retry_files_enabled = false

[ssh_connection]
pipelining = true
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=10 -o ServerAliveCountMax=3
"""

PACKAGES = """\
# Packages of the distribution that a site needs, from its own mirror or its installation medium. Nothing of them is in this archive.
# where       | Debian, Ubuntu       | RHEL and relatives | what for
controller    | python3 (%(python)s) | python3 (%(python)s) | Ansible; the package python3-venv isn't needed
controller    | openssh-client       | openssh-clients    | reaching the hosts
every host    | python3              | python3            | Ansible's modules, 3.8 or newer
every host    | openssh-server, sudo | openssh-server, sudo | being reached
every host    | logrotate            | logrotate          | the daemons' logs
data nodes    | haproxy              | haproxy            | one address for several members; not with a single member
data nodes    | liblzma5, zlib1g     | xz-libs, zlib      | horaedb-server is linked against them
"""

INSTALL = """\
#!/bin/sh
# Installs Ansible and the collection below the folder of this file. Nothing is fetched, and nothing outside of the folder is changed.
# PYTHON names another Python than python3.
set -eu
cd "$(dirname "$0")"
sha256sum --check --quiet SHA256SUMS
python="${PYTHON:-python3}"
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (%(major)s, %(minor)s))' || {
  echo "The wheels in this bundle are for Python %(major)s.%(minor)s, and $python isn't one: set PYTHON to it." >&2
  exit 1
}
"$python" -m venv --without-pip venv
pip="$(echo wheels/pip-*.whl)"
venv/bin/python "$pip/pip" install --quiet --no-index --find-links wheels --requirement requirements.txt pip
venv/bin/ansible-galaxy collection install --offline --force --collections-path collections collection/*.tar.gz
echo "Installed. Next, in $(pwd), with the inventory of your hosts:"
echo "  venv/bin/ansible-playbook -i INVENTORY -e @artifacts.yml horaedb.cluster.site"
"""

README = """\
# HoraeDB for a site without a network

On the controller of the site, where this archive has been carried to:

    tar -xf horaedb-bundle.tar
    horaedb-bundle/install.sh
    cd horaedb-bundle && venv/bin/ansible-playbook -i INVENTORY -e @artifacts.yml horaedb.cluster.site

`install.sh` first compares every file with SHA256SUMS. It needs Python %(python)s (set PYTHON when it isn't python3), and changes nothing
outside of its folder.
INVENTORY is that of the site; examples are in collections/ansible_collections/horaedb/cluster/inventories.
artifacts.yml names the programs in artifacts/ with their checksums. packages.txt lists what the hosts need of their distribution.
The other playbooks are called in the same way: horaedb.cluster.status, horaedb.cluster.upgrade, and so on.

A newer bundle is unpacked over this one, and the same three commands upgrade the collection; the cluster is upgraded by horaedb.cluster.upgrade.
"""


@dataclass(frozen=True)
class Item:
    """A file of the archive: its text, or where it lies on the controller."""

    name: str
    content: bytes | pathlib.Path
    mode: int = 0o644

    def sha256(self) -> str:
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        return sha256_of(str(self.content))


def items_of(
    programs: Mapping[str, pathlib.Path], wheels: Sequence[pathlib.Path], collection: Item, requirements: bytes, python: str
) -> list[Item]:
    """Everything, the checksums last. `programs`: variable of a role without `_binary` -> the program it names."""
    words = {"python": python, "major": python.partition(".")[0], "minor": python.partition(".")[2]}
    files = {role: Item("artifacts/%s-server" % role, path, 0o755) for role, path in programs.items()}
    lines = ["# The programs of this bundle: ansible-playbook -e @artifacts.yml, in the folder of this file.", "---"]
    for role, item in files.items():
        lines += ["%s_binary: %s" % (role, item.name), "%s_checksum: sha256:%s" % (role, item.sha256())]
    items = [
        Item("README.md", (README % words).encode()),
        Item("ansible.cfg", ANSIBLE_CFG.encode()),
        Item("artifacts.yml", ("\n".join(lines) + "\n").encode()),
        Item("install.sh", (INSTALL % words).encode(), 0o755),
        Item("packages.txt", (PACKAGES % words).encode()),
        Item("requirements.txt", requirements),
        collection,
        *files.values(),
        *(Item("wheels/" + wheel.name, wheel) for wheel in wheels),
    ]
    sums = "".join("%s  %s\n" % (item.sha256(), item.name) for item in sorted(items, key=lambda item: item.name))
    return [*items, Item(SUMS, sums.encode())]


def write(items: Sequence[Item], dest: pathlib.Path, check: bool) -> bool:
    """Whether the archive is another one than before. With `check` the old one stays."""
    with unnamed(str(dest.parent)) as (stream, name):
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for item in sorted(items, key=lambda item: item.name):
                _add(archive, item)
        stream.flush()
        changed = not dest.exists() or sha256_of(str(dest)) != sha256_of(name)
        if changed and not check:
            os.chmod(name, 0o644)
            os.replace(name, dest)
        else:
            os.unlink(name)
    return changed


def _add(archive: tarfile.TarFile, item: Item) -> None:
    info = _info("%s/%s" % (FOLDER, item.name))
    info.mode = item.mode
    if isinstance(item.content, bytes):
        info.size = len(item.content)
        archive.addfile(info, io.BytesIO(item.content))
        return
    with item.content.open("rb") as stream:
        info.size = os.fstat(stream.fileno()).st_size
        archive.addfile(info, stream)


def _info(name: str) -> tarfile.TarInfo:
    """Of root, and of one time, whoever makes it and whenever."""
    info = tarfile.TarInfo(name)
    info.mtime = MTIME
    return info


def repacked(path: pathlib.Path) -> Item:
    """A built collection, without the times at which its files were written."""
    buffer = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            info = _info(member.name)
            info.type, info.size, info.mode, info.linkname = member.type, member.size, member.mode, member.linkname
            new.addfile(info, old.extractfile(member) if member.isreg() else None)
    return Item("collection/" + path.name, gzip.compress(buffer.getvalue(), mtime=0))

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What a bundle takes from this controller: the collection that runs, and the Python packages that run it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence

from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.bundle.archive import Item, repacked

# Seconds. Some 15 wheels, of 10 MB together.
PIP_LIMIT = 900
BUILD_LIMIT = 120
# Of a checkout, what an operator needs, and nothing that somebody has put beside it, such as an inventory with its secrets.
PARTS = (
    "CHANGELOG.rst",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "REUSE.toml",
    "SECURITY.md",
    "ansible.cfg",
    "bindep.txt",
    "galaxy.yml",
    "requirements.txt",
    "site.yml",
)
FOLDERS = ("LICENSES", "changelogs", "docs", "meta", "playbooks", "plugins", "roles")
INVENTORIES = ("standalone", "cluster", "dynamic")


def collection(root: pathlib.Path, scratch: pathlib.Path) -> Item:
    """The archive that ansible-galaxy installs: built from a checkout, or put together again from what was installed."""
    if (root / "MANIFEST.json").exists():
        return repacked(_installed(root, scratch))
    source = scratch / "source"
    for name in FOLDERS:
        shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in INVENTORIES:
        shutil.copytree(root / "inventories" / name, source / "inventories" / name)
    for name in PARTS:
        shutil.copy2(root / name, source / name)
    _run([sys.executable, "-m", "ansible.cli.galaxy", "collection", "build", str(source), "--output-path", str(scratch)], BUILD_LIMIT)
    [archive] = scratch.glob("*.tar.gz")
    return repacked(archive)


def _installed(root: pathlib.Path, scratch: pathlib.Path) -> pathlib.Path:
    """Only what FILES.json lists, as it lists it."""
    info = json.loads((root / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]
    listed = json.loads((root / "FILES.json").read_text(encoding="utf-8"))["files"]
    path = scratch / ("%(namespace)s-%(name)s-%(version)s.tar.gz" % info)
    names = ["MANIFEST.json", "FILES.json", *(entry["name"] for entry in listed if entry["name"] != ".")]
    missing = [name for name in names if not (root / name).exists()]
    if missing:
        raise Refused("the installed collection in %s lacks %s: install it again." % (root, ", ".join(missing[:3])))
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.add(root / name, name, recursive=False)
    return path


def wheels(requirements: pathlib.Path, python: str, scratch: pathlib.Path) -> list[pathlib.Path]:
    """Ansible and pip in the versions that run here, for that Python. From wherever pip is told to take them."""
    if importlib.util.find_spec("pip") is None:
        raise Refused("pip fetches Ansible's wheels, and %s has none: install it (apt-get install python3-pip)." % sys.executable)
    folder, pins = scratch / "wheels", scratch / "constraints.txt"
    pins.write_text("".join("%s==%s\n" % pair for pair in sorted(_versions().items())), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--dest", str(folder)]
    command += ["--only-binary=:all:", "--python-version", python, "--constraint", str(pins), "--requirement", str(requirements), "pip"]
    _run(command, PIP_LIMIT)
    return sorted(folder.glob("*.whl"))


def _versions() -> dict[str, str]:
    return {re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower(): found.version for found in importlib.metadata.distributions()}


def _run(command: Sequence[str], limit: int) -> None:
    # Its verb tells enough: a module, and what it is asked for.
    what = " ".join(word for word in command[1:6] if not word.startswith("-"))
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        raise Refused("%s didn't end within %d s." % (what, limit)) from None
    if done.returncode != 0:
        last = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()][-3:]
        raise Refused("%s: %s" % (what, " ".join(last) or "it said nothing, exit status %d" % done.returncode))

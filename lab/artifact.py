"""The collection as its users get it: built, looked into, installed, and found by name."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lab.console import LabError
from lab.context import Context
from lab.paths import ROOT

# Of use to a developer of the collection only.
LEFT_OUT = ("lab/", "tests/", "molecule/", "build/", ".collections/", ".ci/", "inventories/lab/", "Makefile")
MUST_HAVE = ("README.md", "LICENSE", "MANIFEST.json", "playbooks/site.yml", "plugins/modules/", "roles/horaemeta/", "roles/horaedb/")


def wrong_contents(names: Iterable[str]) -> list[str]:
    listed = list(names)
    extra = [f"{name} must not be in it" for name in LEFT_OUT if any(entry.startswith(name) for entry in listed)]
    missing = [f"{name} is missing" for name in MUST_HAVE if not any(entry.startswith(name) for entry in listed)]
    return extra + missing


def check(context: Context) -> None:
    with tempfile.TemporaryDirectory(prefix="artifact-") as name:
        folder = Path(name)
        context.call("ansible-galaxy", "collection", "build", "--force", "--output-path", str(folder))
        [archive] = folder.glob("*.tar.gz")
        with tarfile.open(archive) as content:
            wrong = wrong_contents(content.getnames())
        if wrong:
            raise LabError(f"{archive.name}: {'; '.join(wrong)}; see build_ignore in {ROOT / 'galaxy.yml'}")
        installed = folder / "installed"
        # With the checkout's own ansible.cfg the checkout would be found instead, now and below.
        outside = {"ANSIBLE_CONFIG": str(folder / "none.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(installed)}
        install = ("ansible-galaxy", "collection", "install", str(archive), "--offline", "--collections-path", str(installed))
        context.call(*install, cwd=folder, extra=outside)
        context.call("ansible-doc", "--type", "module", "horaedb.cluster.topology_check", cwd=folder, extra=outside, quiet=True)
        playbook = ("ansible-playbook", "--syntax-check", "--inventory", str(ROOT / "inventories" / "cluster"), "horaedb.cluster.site")
        context.call(*playbook, cwd=folder, extra=outside)

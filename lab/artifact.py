"""The collection as its users get it: built, looked into, and for each ansible-core installed and found by name."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lab import cores
from lab.console import LabError
from lab.context import Context
from lab.paths import ROOT

# Of use to a developer of the collection only.
LEFT_OUT = ("lab/", "tests/", "molecule/", "build/", ".collections/", ".ci/", "inventories/lab/", "Makefile", "noxfile.py", "antsibull-nox.toml")
MUST_HAVE = ("README.md", "LICENSE", "LICENSES/", "MANIFEST.json", "playbooks/site.yml", "plugins/modules/", "roles/horaemeta/", "roles/horaedb/")


def wrong_contents(names: Iterable[str]) -> list[str]:
    listed = list(names)
    extra = [f"{name} must not be in it" for name in LEFT_OUT if any(entry.startswith(name) for entry in listed)]
    missing = [f"{name} is missing" for name in MUST_HAVE if not any(entry.startswith(name) for entry in listed)]
    return extra + missing


def _built(context: Context, folder: Path) -> Path:
    context.call("ansible-galaxy", "collection", "build", "--force", "--output-path", str(folder))
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        wrong = wrong_contents(content.getnames())
    if wrong:
        raise LabError(f"{archive.name}: {'; '.join(wrong)}; see build_ignore in {ROOT / 'galaxy.yml'}")
    return archive


def playbooks(installed: Path) -> list[str]:
    return [f"horaedb.cluster.{path.stem}" for path in sorted((installed / "ansible_collections/horaedb/cluster/playbooks").glob("*.yml"))]


def _install_and_load(context: Context, archive: Path, folder: Path) -> None:
    installed = folder / "installed"
    # With the checkout's own ansible.cfg the checkout would be found instead; of ansible-core's memory of what it has seen each has its own.
    outside = {"ANSIBLE_CONFIG": str(folder / "none.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_HOME": str(folder / "home")}
    context.call("ansible", "--version", cwd=folder, extra=outside)
    install = ("ansible-galaxy", "collection", "install", str(archive), "--offline", "--collections-path", str(installed))
    context.call(*install, cwd=folder, extra=outside)
    context.call("ansible-doc", "--type", "module", "horaedb.cluster.topology_check", cwd=folder, extra=outside, quiet=True)
    playbook = ("ansible-playbook", "--inventory", str(ROOT / "inventories" / "cluster"))
    # All playbooks at once: three commands for each take ten times as long.
    for wanted in (["--syntax-check"], ["--list-hosts", "--list-tasks", "--list-tags"]):
        context.tell(f"{' '.join(wanted)} of {', '.join(playbooks(installed))}")
        context.call(*playbook, *wanted, *playbooks(installed), cwd=folder, extra=outside, quiet=True)


def check(context: Context) -> None:
    with tempfile.TemporaryDirectory(prefix="artifact-") as name:
        archive = _built(context, Path(name))
        for number, one in enumerate((context, *cores.contexts(context))):
            folder = Path(name) / str(number)
            folder.mkdir()
            _install_and_load(one, archive, folder)

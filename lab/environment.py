"""Makes sure that everything a demo or a test needs is there; quick when it is."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from lab import dockerd, image, kafka, packages, recipe
from lab.console import LabError, run, say
from lab.paths import CACHE, ROOT, TOOLS, TOOLS_BIN, locked

REQUIREMENTS = {"demo": ROOT / "requirements.txt", "test": ROOT / "requirements-test.txt"}
OLDEST_PYTHON = (3, 11)
PIP_TIMEOUT = 1200
TOOL_PACKAGES = ("etcd-server", "etcd-client")
# What can be asked for; a linter needs no hosts and shall not wait for an engine.
VENV, ENGINE, TOOL = "venv", "engine", "tools"
EVERYTHING = (VENV, ENGINE, TOOL)
KAFKA = "kafka"


def _suitable_python() -> str:
    if sys.version_info >= OLDEST_PYTHON:
        return sys.executable
    for minor in range(13, OLDEST_PYTHON[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    wanted = ".".join(map(str, OLDEST_PYTHON))
    raise LabError(f"ansible-core needs Python {wanted} or newer on this machine; {sys.executable} is {sys.version.split()[0]}: install python{wanted}")


def venv_path(purpose: str) -> Path:
    """Named after what is in it, so that changed requirements are another environment and nothing has to be updated."""
    content = REQUIREMENTS[purpose].read_bytes() + _suitable_python().encode() + sys.version.encode()
    return CACHE / f"venv-{purpose}-{hashlib.sha256(content).hexdigest()[:10]}"


def _is_complete(venv: Path) -> bool:
    return (venv / ".complete").exists()


def _can_make_venvs(python: str) -> bool:
    return run([python, "-c", "import ensurepip, venv"], check=False).returncode == 0


def _make_venv(venv: Path, requirements: Path) -> None:
    python = _suitable_python()
    say(f"installing what {requirements.name} lists into {venv}")
    if venv.exists():
        shutil.rmtree(venv)
    run([python, "-m", "venv", str(venv)])
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run([*pip, "install", "--requirement", str(requirements)], timeout=PIP_TIMEOUT)
    (venv / ".complete").touch()


def _has_etcd() -> bool:
    return all((TOOLS_BIN / name).exists() or shutil.which(name) for name in ("etcd", "etcdctl"))


def _fetch_tools() -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise LabError("the tests need etcd and etcdctl: put them on PATH")
    say(f"unpacking {' and '.join(TOOL_PACKAGES)} into {TOOLS}, for the simulator; nothing of it is installed on this machine")
    with tempfile.TemporaryDirectory(prefix="tools-", dir=CACHE) as folder:
        download = ["apt-get", "download", "--quiet", *TOOL_PACKAGES]
        # apt drops to a user of its own, which cannot write into a private folder.
        Path(folder).chmod(0o755)
        if run(download, cwd=Path(folder), check=False, timeout=300).returncode != 0:
            if os.geteuid() != 0:
                raise LabError("no package lists on this machine; type: sudo apt-get update")
            packages.refresh()
            run(download, cwd=Path(folder), timeout=300)
        for package in Path(folder).glob("*.deb"):
            run(["dpkg", "-x", str(package), str(TOOLS)])


def _missing_packages(purpose: str, parts: Collection[str], distro: str) -> dict[str, str]:
    missing = {}
    if VENV in parts and not _is_complete(venv_path(purpose)) and not _can_make_venvs(_suitable_python()):
        missing["python3-venv"] = "Ansible goes into an environment of its own"
    if ENGINE in parts:
        if shutil.which("ssh-keygen") is None:
            missing["openssh-client"] = "Ansible reaches the hosts by ssh"
        if shutil.which("mmdebstrap") is None and not image.exists(distro):
            missing["mmdebstrap"] = "makes the image of the hosts from Debian packages"
    return missing


def ensure(purpose: str, parts: Collection[str] = EVERYTHING) -> Path:
    """Make what is missing of `parts`, each announced before it is done; returns the environment's bin folder."""
    distro = recipe.default_distro()
    # First of all, as it refuses machines on which no part would be of use.
    venv = venv_path(purpose)
    CACHE.mkdir(parents=True, exist_ok=True)
    if ENGINE in parts:
        dockerd.ensure()
    packages.install(_missing_packages(purpose, parts, distro))
    if VENV in parts and not _is_complete(venv):
        with locked(venv.name):
            if not _is_complete(venv):
                _make_venv(venv, REQUIREMENTS[purpose])
    if TOOL in parts and not _has_etcd():
        with locked("tools"):
            if not _has_etcd():
                _fetch_tools()
    if KAFKA in parts:
        kafka.ensure()
    if ENGINE in parts:
        image.ensure(distro)
    return venv / "bin"


def variables(bin_folder: Path) -> Mapping[str, str]:
    """The process environment in which the tools of a venv find each other, the collection and etcd."""
    path = os.pathsep.join((str(bin_folder), os.environ.get("PATH", os.defpath), str(TOOLS_BIN)))
    return {
        **os.environ,
        "PATH": path,
        "VIRTUAL_ENV": str(bin_folder.parent),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        "MOLECULE_COMMAND_BORDERS": "false",
    }

"""Makes sure that everything a demo or a test needs is there; quick when it is."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from lab import cores, dockerd, image, kafka, packages, recipe, venvs
from lab.console import LabError, run, say
from lab.paths import CACHE, ROOT, TOOLS, TOOLS_BIN, locked

REQUIREMENTS = {"demo": ROOT / "requirements.txt", "test": ROOT / "requirements-test.txt"}
OLDEST_PYTHON = (3, 11)
# What can be asked for; a linter needs no hosts and shall not wait for an engine.
VENV, ENGINE, TOOL, REGISTRY, WHEELS = "venv", "engine", "tools", "registry", "wheels"
EVERYTHING = (VENV, ENGINE, TOOL)
# Packages that are unpacked and not installed, so that no service of them starts: what for, and the programs that tell they are there.
TOOL_PACKAGES = {
    TOOL: ("for the simulator", {"etcd-server": "etcd", "etcd-client": "etcdctl"}),
    REGISTRY: ("for the tests of images", {"docker-registry": "docker-registry"}),
}
# The Python of a lab host, which is the controller where there is no network.
PYTHONS = {"bookworm": "3.11", "bullseye": "3.9", "trixie": "3.13"}
KAFKA = "kafka"
CORES = "cores"


def _suitable_python() -> str:
    found = venvs.find_python(OLDEST_PYTHON)
    if found:
        return found
    wanted = ".".join(map(str, OLDEST_PYTHON))
    raise LabError(f"ansible-core needs Python {wanted} or newer on this machine; {sys.executable} is {sys.version.split()[0]}: install python{wanted}")


def venv_path(purpose: str) -> Path:
    """Named after what is in it, so that changed requirements are another environment and nothing has to be updated."""
    content = REQUIREMENTS[purpose].read_bytes() + _suitable_python().encode() + sys.version.encode()
    return CACHE / f"venv-{purpose}-{hashlib.sha256(content).hexdigest()[:10]}"


def wheels_path(distro: str) -> Path:
    """Ansible's wheels for a lab host, fetched beforehand: the tests themselves fetch nothing. Named after what asks for them."""
    content = b"".join(path.read_bytes() for path in REQUIREMENTS.values())
    return CACHE / f"wheels-{distro}-{hashlib.sha256(content).hexdigest()[:10]}"


def _make_wheels(distro: str) -> None:
    target = wheels_path(distro)
    say(f"fetching Ansible's wheels for Python {PYTHONS[distro]} into {target}, for a host without a network")
    pip = venvs.pip(venv_path("test"))
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=CACHE) as folder:
        pins = Path(folder) / "constraints"
        pins.write_text(run([*pip, "list", "--format=freeze"], timeout=60).stdout)
        wheels = Path(folder) / "wheels"
        kind = ["--only-binary=:all:", "--python-version", PYTHONS[distro], "--constraint", str(pins)]
        run([*pip, "download", "--dest", str(wheels), *kind, "--requirement", str(REQUIREMENTS["demo"]), "pip"], timeout=venvs.PIP_TIMEOUT)
        wheels.rename(target)


def _has(tool: str) -> bool:
    return all((TOOLS_BIN / name).exists() or shutil.which(name) for name in TOOL_PACKAGES[tool][1].values())


def _fetch_tools(tool: str) -> None:
    reason, wanted = TOOL_PACKAGES[tool]
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise LabError(f"the tests need {' and '.join(wanted.values())}: put them on PATH")
    say(f"unpacking {' and '.join(wanted)} into {TOOLS}, {reason}; nothing of it is installed on this machine")
    with tempfile.TemporaryDirectory(prefix="tools-", dir=CACHE) as folder:
        download = ["apt-get", "download", "--quiet", *wanted]
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
    if VENV in parts and not venvs.is_complete(venv_path(purpose)) and not venvs.can_make(_suitable_python()):
        missing["python3-venv"] = "Ansible goes into an environment of its own"
    if ENGINE in parts:
        if shutil.which("ssh-keygen") is None:
            missing["openssh-client"] = "Ansible reaches the hosts by ssh"
        if shutil.which("mmdebstrap") is None and not image.exists(distro):
            missing["mmdebstrap"] = "makes the image of the hosts from Debian packages"
    if TOOL in parts and shutil.which("ip") is None:
        missing["iproute2"] = "the contract tests make a network of their own"
    if REGISTRY in parts and shutil.which("skopeo") is None:
        missing["skopeo"] = "the collection pulls images with it"
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
    if VENV in parts:
        venvs.ensure(venv, _suitable_python(), REQUIREMENTS[purpose])
    if CORES in parts:
        cores.ensure()
    for tool in [tool for tool in TOOL_PACKAGES if tool in parts and not _has(tool)]:
        with locked("tools"):
            if not _has(tool):
                _fetch_tools(tool)
    if WHEELS in parts and not wheels_path(distro).exists():
        with locked("wheels"):
            if not wheels_path(distro).exists():
                _make_wheels(distro)
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

"""The archive for a site without a network: the same bytes for the same contents, and nothing in it that isn't meant."""

from __future__ import annotations

import fnmatch
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from ansible_collections.horaedb.cluster.plugins.action.bundle import ActionModule
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.bundle import archive as bundle_archive
from ansible_collections.horaedb.cluster.plugins.plugin_utils.bundle import parts
from ansible_collections.horaedb.cluster.plugins.plugin_utils.bundle.archive import Item

ROOT = pathlib.Path(__file__).resolve().parents[4]


def items(folder: pathlib.Path, wheel: bytes = b"wheel") -> list[Item]:
    """As on some controller: a program, a wheel, a collection."""
    folder.mkdir(exist_ok=True)
    for name, content in (("db", b"program"), ("meta", b"other"), ("a-1-py3-none-any.whl", wheel)):
        (folder / name).write_bytes(content)
    programs = {"horaemeta": folder / "meta", "horaedb": folder / "db"}
    return bundle_archive.items_of(programs, [folder / "a-1-py3-none-any.whl"], Item("collection/c.tar.gz", b"c"), b"ansible-core\n", "3.11")


def test_the_same_contents_are_the_same_bytes(tmp_path: pathlib.Path) -> None:
    """Breaks when a time, an owner or an order of this machine gets into the archive, or a second run writes it again."""
    dest, other = tmp_path / "one.tar", tmp_path / "other.tar"
    assert bundle_archive.write(items(tmp_path / "here"), dest, check=False)
    assert bundle_archive.write(items(tmp_path / "there")[::-1], other, check=False)
    assert dest.read_bytes() == other.read_bytes()
    assert not bundle_archive.write(items(tmp_path / "here"), dest, check=False)
    changed = items(tmp_path / "here", b"newer")
    before = dest.read_bytes()
    assert bundle_archive.write(changed, dest, check=True) and dest.read_bytes() == before
    assert bundle_archive.write(changed, dest, check=False) and dest.read_bytes() != before
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"one.tar", "other.tar"}


def test_the_checksums_are_those_of_every_file(tmp_path: pathlib.Path) -> None:
    """Breaks when install.sh would not see that a file was damaged on its way."""
    bundle_archive.write(items(tmp_path / "here"), tmp_path / "b.tar", check=False)
    with tarfile.open(tmp_path / "b.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / bundle_archive.FOLDER
    check = ["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"]
    assert subprocess.run(check, cwd=folder, check=False).returncode == 0
    listed = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    variables = yaml.safe_load((folder / "artifacts.yml").read_text())
    assert variables["horaedb_binary"] == "artifacts/horaedb-server" and (folder / variables["horaedb_binary"]).read_bytes() == b"program"
    assert variables["horaedb_checksum"] == "sha256:" + Item("", b"program").sha256()
    (folder / "artifacts" / "horaedb-server").write_bytes(b"damaged")
    done = subprocess.run([folder / "install.sh"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "artifacts/horaedb-server: FAILED" in done.stdout and not (folder / "venv").exists()


def test_another_python_is_refused(tmp_path: pathlib.Path) -> None:
    made = bundle_archive.items_of({}, [], Item("collection/c.tar.gz", b"c"), b"", "3.7")
    bundle_archive.write(made, tmp_path / "b.tar", check=False)
    with tarfile.open(tmp_path / "b.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    done = subprocess.run([tmp_path / bundle_archive.FOLDER / "install.sh"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "wheels in this bundle are for Python 3.7" in done.stderr


def test_every_part_of_the_checkout_is_known() -> None:
    """Breaks when a new folder is forgotten in the bundle, but not in the published collection."""
    left_out = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    tops = {path.name for path in ROOT.iterdir() if not any(fnmatch.fnmatch(path.name, pattern) for pattern in left_out)}
    assert tops == {*parts.PARTS, *parts.FOLDERS, "inventories"}
    assert {path.name for path in (ROOT / "inventories").iterdir()} >= set(parts.INVENTORIES)


def test_the_collection_without_what_lies_beside_it_and_again_from_what_was_installed(tmp_path: pathlib.Path) -> None:
    """Breaks when an operator's inventory, which may hold secrets, gets into the archive; or when a bundle can't beget another one."""
    checkout = tmp_path / "checkout"
    for name in (*parts.FOLDERS, "inventories"):
        shutil.copytree(ROOT / name, checkout / name)
    for name in parts.PARTS:
        shutil.copy2(ROOT / name, checkout / name)
    (checkout / "inventories" / "mine").mkdir()
    (checkout / "inventories" / "mine" / "hosts.yml").write_text("canary")
    (checkout / "vault-password").write_text("canary")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    built = parts.collection(checkout, tmp_path / "one")
    assert isinstance(built.content, bytes)
    (tmp_path / "built.tar.gz").write_bytes(built.content)
    with tarfile.open(tmp_path / "built.tar.gz") as archive:
        names = archive.getnames()
        archive.extractall(tmp_path / "installed", filter="data")
    assert "playbooks/site.yml" in names and not [name for name in names if "mine" in name or "vault" in name or "__pycache__" in name]
    (tmp_path / "installed" / "left-behind").write_text("canary")
    again = parts.collection(tmp_path / "installed", tmp_path / "two")
    assert (again.name, again.content) == (built.name, built.content)
    (tmp_path / "installed" / "site.yml").unlink()
    with pytest.raises(Refused, match=r"lacks site.yml: install it again"):
        parts.collection(tmp_path / "installed", tmp_path / "two")


def wheel(folder: pathlib.Path, name: str, version: str) -> None:
    folder.mkdir(exist_ok=True)
    info = "%s-%s.dist-info" % (name, version)
    with zipfile.ZipFile(folder / ("%s-%s-py3-none-any.whl" % (name, version)), "w") as archive:
        archive.writestr(info + "/METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version))
        archive.writestr(info + "/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(info + "/RECORD", "")


def test_the_wheels_are_those_of_the_versions_that_run_here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a bundle gets whatever is newest, which nobody has tried. Nothing is fetched: pip is told where its wheels are."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setattr(parts, "_versions", lambda: {"tiny": "1.5", "pip": "9"})
    for name, version in (("tiny", "1.5"), ("tiny", "2.0"), ("pip", "9"), ("other", "1")):
        wheel(tmp_path / "index", name, version)
    (tmp_path / "requirements.txt").write_text("tiny>=1\n")
    found = parts.wheels(tmp_path / "requirements.txt", "3.9", tmp_path)
    assert [path.name for path in found] == ["pip-9-py3-none-any.whl", "tiny-1.5-py3-none-any.whl"]
    (tmp_path / "requirements.txt").write_text("nowhere\n")
    with pytest.raises(Refused, match="pip download: .*nowhere"):
        parts.wheels(tmp_path / "requirements.txt", "3.9", tmp_path)


def test_the_versions_are_this_pythons() -> None:
    assert parts._versions()["ansible-core"].startswith("2.")


class Site:
    """Stands for Variables: what each host of the groups is told."""

    def __init__(self, groups: Mapping[str, Mapping[str, Any]]) -> None:
        self._groups = groups

    def hosts(self, role: str, _given: object) -> list[str]:
        return list(self._groups[role])

    def of(self, host: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        there = {name: value for values in self._groups.values() for name, value in values.get(host, {}).items()}
        return {name: there.get(name, default) for name, default in wanted.items()}


class Task:
    check_mode = False


class Action(ActionModule):
    def __init__(self) -> None:
        self._task = Task()  # type: ignore[assignment]

    def _find_needle(self, _folder: str, name: str) -> str:
        return name


META = {"m1": {"horaemeta_binary": sys.executable}}


@pytest.mark.parametrize(
    ("more", "groups", "words"),
    [
        ({"dest": "/nonexistent/b.tar"}, {}, "choose a name in a folder that exists"),
        ({"dest": "/tmp"}, {}, "choose a name in a folder that exists"),
        ({"python_version": "2.7"}, {}, "not the version of a Python"),
        ({}, {"horaemeta": {}}, "horaemeta_binary is set for no host: give the inventory"),
        ({}, {"horaemeta": META, "horaedb": {"d1": {"horaedb_binary": "/a"}, "d2": {"horaedb_binary": "/b"}}}, "/a on d1; /b on d2"),
        (
            {},
            {"horaemeta": META, "horaedb": {"d1": {"horaedb_binary": "docker://a", "horaedb_install_method": "podman"}}},
            "horaedb_install_method: a bundle carries programs, and d1 would need the image",
        ),
        (
            {},
            {"horaemeta": META, "horaedb": {"d1": {"horaedb_binary": "docker://a"}}},
            "which version is meant.* It is set by horaedb_binary",
        ),
        (
            {},
            {"horaemeta": META, "horaedb": {"d1": {"horaedb_binary": "/nonexistent/db"}}},
            "/nonexistent/db on the controller: No such file",
        ),
    ],
)
def test_what_cannot_be_bundled(tmp_path: pathlib.Path, more: Mapping[str, str], groups: Mapping[str, Any], words: str) -> None:
    args = {"dest": str(tmp_path / "b.tar"), "python_version": None, **more}
    with pytest.raises(Refused, match=words):
        Action()._made(args, Site(groups))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []

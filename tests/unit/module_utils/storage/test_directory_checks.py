"""Directories on a data node's own disk."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.storage import directory_checks
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.directory_checks import MOUNTS, attempt, mount_of

NAME = "horaedb_wal.data_dir"


def mounts(tmp_path: pathlib.Path, *lines: str) -> str:
    path = tmp_path / "mounts"
    path.write_text("".join("dev %s rw 0 0\n" % line for line in lines))
    return str(path)


def rules(folder: object, table: str = MOUNTS) -> list[str]:
    return [finding.rule for finding in attempt(str(folder), NAME, table)]


def test_a_directory_that_can_be_made(tmp_path: pathlib.Path) -> None:
    assert rules(tmp_path / "not" / "yet", mounts(tmp_path, "/ ext4")) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "mounts"]


def test_a_file_is_in_its_way(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    [finding] = attempt(str(tmp_path / "file" / "data"), NAME)
    assert finding.rule == "disk.folder" and str(tmp_path / "file") in finding.what and NAME in finding.change


@pytest.mark.parametrize(("free", "flags", "rule"), [(10, 0, "disk.space"), (1 << 20, os.ST_RDONLY, "disk.folder")])
def test_no_room_or_no_writing(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, free: int, flags: int, rule: str) -> None:
    class State:
        f_bavail, f_frsize, f_flag = free, 4096, flags

    def statvfs(_path: Any) -> State:
        return State()

    monkeypatch.setattr(directory_checks.os, "statvfs", statvfs)
    assert rules(tmp_path, mounts(tmp_path, "/ ext4")) == [rule]


@pytest.mark.parametrize(("kind", "rule"), [("tmpfs", "disk.memory"), ("nfs4", "disk.shared"), ("xfs", None)])
def test_the_file_system(tmp_path: pathlib.Path, kind: str, rule: str | None) -> None:
    assert rules(tmp_path, mounts(tmp_path, "/ ext4", "%s %s" % (tmp_path.parent, kind))) == ([rule] if rule else [])


def test_the_last_mount_over_a_path_counts(tmp_path: pathlib.Path) -> None:
    table = mounts(tmp_path, "/ ext4", "/data nfs", "/data xfs", "/data\\040two tmpfs", "/database ext3")
    assert mount_of("/data/horaedb", table) == ("xfs", "/data")
    assert mount_of("/data two/x", table) == ("tmpfs", "/data two")
    assert mount_of("/", table) == ("ext4", "/")

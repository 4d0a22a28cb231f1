"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.common.atomic_write import beside, replacing, unnamed


class Killed(BaseException):
    """As SIGKILL: nothing of the process goes on."""


def test_it_appears_when_it_is_whole_and_only_its_owner_may_read_it(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"former")
    with replacing(str(path)) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"former"
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_it_has_its_mode_before_it_appears(tmp_path: pathlib.Path) -> None:
    """Breaks when the new file is there, for a moment, with other rights than it is to have."""
    path = tmp_path / "file"

    def prepare(temporary: str) -> None:
        assert not path.exists()
        os.chmod(temporary, 0o640)

    with replacing(str(path), prepare) as stream:
        stream.write(b"new")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_failure_leaves_the_former_one_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"former")
    with pytest.raises(OSError, match="full"), replacing(str(path)) as stream:
        stream.write(b"half")
        raise OSError("the disk is full")
    assert path.read_bytes() == b"former"
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_kill_left_is_written_over(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(Killed), replacing(str(path)) as stream:
        stream.write(b"half")
        raise Killed
    assert os.listdir(tmp_path) == [os.path.basename(beside(str(path)))]
    with replacing(str(path)) as stream:
        stream.write(b"new")
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_bytes() == b"new"


def test_a_file_whose_name_is_not_known_yet(tmp_path: pathlib.Path) -> None:
    with unnamed(str(tmp_path)) as (stream, name):
        stream.write(b"new")
        os.replace(name, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"
    with pytest.raises(ValueError, match="refused"), unnamed(str(tmp_path)) as (stream, name):
        raise ValueError("refused")
    assert os.listdir(tmp_path) == ["file"]

"""What a file's content is known by."""

from __future__ import annotations

import hashlib
import io
import pathlib

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.common.digest import sha256_of, sha256_of_stream

CONTENT = bytes(range(256)) * 10_000


def test_a_file_of_several_pieces(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert sha256_of(str(path)) == hashlib.sha256(CONTENT).hexdigest()


def test_what_is_written_is_what_was_counted_in() -> None:
    written = io.BytesIO()
    assert sha256_of_stream(io.BytesIO(CONTENT), written.write) == hashlib.sha256(CONTENT).hexdigest()
    assert written.getvalue() == CONTENT


def test_a_file_that_is_gone(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256_of(str(tmp_path / "gone"))

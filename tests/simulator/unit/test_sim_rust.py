from __future__ import annotations

import pathlib

import pytest
from horaedb import rust
from horaedb.config import load

TEXT = """
[node]
addr = "10.77.2.1"
[server]
timeout = "200ms"
[analytic.wal]
type = "Local"
data_dir = "/d"
[analytic.storage.object_store]
type = "S3"
region = "r"
key_id = "k"
key_secret = "s3cret"
endpoint = "e"
bucket = "b"
prefix = "p"
[cluster_deployment]
mode = "WithMeta"
"""


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    (tmp_path / "c.toml").write_text(TEXT)
    return str(tmp_path / "c.toml")


def test_one_line(path: str) -> None:
    printed = load(path, {}).printed()
    assert "\n" not in printed
    assert printed.startswith('Config { node: NodeInfo { addr: "10.77.2.1", zone: "", ')
    for part in (
        "timeout: Some(ReadableDuration(200ms))",
        "http_max_body_size: ReadableSize(67108864)",
        'object_store: S3(S3Options { region: "r", key_id: "k", key_secret: "s3cret", ',
        'wal: Config { storage: Local(LocalStorageConfig { data_dir: "/d", ',
        "cluster_deployment: Some(WithMeta(ClusterConfig { ",
        "ttl: ReadableDuration(604800s)",
        "scan_batch_size: None",
        "update_mode: Overwrite",
        "query_cap: Some(10000)",
        "auth_type: File",
        'level: "info"',
    ):
        assert part in printed


def test_many_lines(path: str) -> None:
    printed = load(path, {}).printed(many_lines=True)
    assert printed.startswith('Config {\n    node: NodeInfo {\n        addr: "10.77.2.1",\n')
    assert '\n                    key_secret: "s3cret",\n' in printed
    assert "timeout: Some(\n            ReadableDuration(\n                200ms,\n            ),\n        )," in printed
    assert "write_block_list: []," in printed
    assert printed.endswith("\n}")


def test_neither_is_toml(path: str) -> None:
    config = load(path, {})
    for printed in (config.printed(), config.printed(many_lines=True)):
        assert "[server]" not in printed and " = " not in printed


@pytest.mark.parametrize(("milliseconds", "shown"), [(0, "0ns"), (200, "200ms"), (3000, "3s"), (604800000, "604800s"), (1500, "1.5s")])
def test_durations_as_the_standard_library_shows_them(milliseconds: int, shown: str) -> None:
    assert rust.duration(milliseconds) == shown

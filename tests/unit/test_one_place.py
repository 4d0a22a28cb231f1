"""What has to stand in one place does: the paths of the daemons' URLs, each API's in its own file; locks, whole files and their digests."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The shard keeper runs by itself on a host, from its own three files.
PLUGINS = ROOT / "plugins"

PATHS = {
    "module_utils/api/etcd.py": re.compile(r"(^|\}|%s)/v3/"),
    "module_utils/api/horaemeta.py": re.compile(r"(^|\}|%s)/(api/v1|debug/(leader|diagnose|clusters|pprof))"),
    "module_utils/api/horaedb.py": re.compile(r"(^|\}|%s)/(sql|debug/(shards|flush_memtable|config|stats))"),
    "module_utils/api/simulator.py": re.compile(r"(^|\}|%s)/debug/simulator"),
}

CALLS = {"flock": "module_utils/common/file_lock.py", "fsync": "module_utils/common/atomic_write.py", "mkstemp": "module_utils/common/atomic_write.py"}


def paths(source: str) -> Iterator[tuple[str, str]]:
    """Each path of a URL in a string of `source`, with the file where it belongs. Docstrings and what is told to operators aren't URLs."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value.strip():
            yield from ((home, node.value) for home, pattern in PATHS.items() if pattern.search(node.value))


def test_the_paths_of_an_api_stand_in_its_file() -> None:
    found = [
        "%s: %s belongs into %s" % (path.relative_to(PLUGINS), text, home)
        for path in sorted(PLUGINS.rglob("*.py"))
        for home, text in paths(path.read_text(encoding="utf-8"))
        if str(path.relative_to(PLUGINS)) != home
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "home"),
    [
        ('ask(member.api + "/api/v1/clusters")', "horaemeta"),
        ('ask("%s/debug/diagnose/%s/shards" % (api, name))', "horaemeta"),
        ('ask(f"{base}/v3/kv/range")', "etcd"),
        ('ask(node.http + "/sql")', "horaedb"),
    ],
)
def test_one_elsewhere_is_seen(line: str, home: str) -> None:
    assert [where for where, _text in paths(line)] == ["module_utils/api/%s.py" % home]


def calls(source: str) -> Iterator[tuple[str, str]]:
    """Each call that belongs into one file, with that file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in CALLS:
                yield CALLS[name], name


def test_a_lock_and_a_whole_file_are_made_in_one_file() -> None:
    found = {(str(path.relative_to(PLUGINS)), home, name) for path in PLUGINS.rglob("*.py") for home, name in calls(path.read_text(encoding="utf-8"))}
    assert {(home, home, name) for name, home in CALLS.items()} == found


def test_a_lock_elsewhere_is_seen() -> None:
    assert list(calls("fcntl.flock(descriptor, fcntl.LOCK_EX)")) == [(CALLS["flock"], "flock")]

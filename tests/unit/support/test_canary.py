"""The search for secrets has to find what is planted: one that finds nothing anywhere would pass every test."""

from __future__ import annotations

import base64
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import canary

SECRET = canary.PREFIX + "planted"


class Told:
    """A host that answers from a table: a word of the command -> what is said."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self._answers = answers

    def run(self, command: str) -> Any:
        said = [text for word, text in self._answers.items() if word in command]
        return SimpleNamespace(stdout="\n".join(said + [canary._SEARCHED] * ("setpriv" in command)))

    def check_output(self, command: str) -> str:
        return str(self.run(command).stdout)


class Here:
    """This machine, as far as folders go."""

    def run(self, command: str) -> Any:
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    def check_output(self, command: str) -> str:
        return "" if command.startswith(("systemctl", "journalctl")) else str(self.run(command).stdout)


def test_nothing_is_found_where_nothing_is() -> None:
    assert canary.leaks_on(Told({"stat -c": "640 root /opt/horaedb/generations/x/horaedb.toml"})) == []


@pytest.mark.parametrize(
    ("place", "said", "finding"),
    [
        ("ps axww", "podman run --env=A=" + SECRET, "the process list"),
        ("systemctl show", "Environment=A=" + SECRET, "systemctl show"),
        ("journalctl", "MESSAGE=" + SECRET, "the journal"),
        ("-readable", "/var/log/x", "/var/log/x can be read by anybody"),
        ("find /proc", "/proc/7/environ", "/proc/7/environ can be read by anybody"),
        ("stat -c", "644 root /etc/x", "/etc/x holds a secret, and is root's with mode 644"),
        ("stat -c", "640 horaedb /etc/x", "is horaedb's"),
        ("stat -c", "660 root /etc/x", "mode 660"),
    ],
)
def test_what_is_planted_on_a_host_is_found(place: str, said: str, finding: str) -> None:
    assert finding in "\n".join(canary.leaks_on(Told({place: said})))


def test_a_search_that_did_not_run_is_no_pass() -> None:
    host = Told({})
    host.run = lambda _command: SimpleNamespace(stdout="")  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="couldn't search"):
        canary.leaks_on(host)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_the_commands_find_it_on_a_real_machine(tmp_path: pathlib.Path) -> None:
    top = pathlib.Path(tempfile.gettempdir())
    for folder in (tmp_path, *tmp_path.parents):
        if folder != top and folder.is_relative_to(top):
            folder.chmod(0o755)
    folder = tmp_path / "searched"
    folder.mkdir()
    for name, mode in (("open", 0o644), ("closed", 0o640)):
        (folder / name).write_text(SECRET)
        (folder / name).chmod(mode)
    process = subprocess.Popen([sys.executable, "-c", "input()", SECRET], stdin=subprocess.PIPE)
    try:
        found = canary.leaks_on(Here(), [str(folder)])
    finally:
        process.communicate(b"\n")
    assert len([leak for leak in found if leak.startswith("the process list")]) == 1, found
    assert "%s can be read by anybody" % (folder / "open") in found
    assert "%s holds a secret, and is root's with mode 644" % (folder / "open") in found
    assert not [leak for leak in found if str(folder / "closed") in leak]
    assert sorted(canary.holders(Here(), [str(folder)])) == [str(folder / "closed"), str(folder / "open")]


def test_etcd_and_what_runs_leave_are_searched(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pair(key: str, value: str) -> dict[str, str]:
        return {part: base64.b64encode(text.encode()).decode() for part, text in (("key", key), ("value", value))}

    kvs = [pair("/ansible/horaedb.cluster/c/assignment", "{}")]
    monkeypatch.setattr(canary, "post", lambda _url, _body: {"kvs": kvs})
    assert canary.leaks_in_etcd("192.0.2.1") == []
    kvs.append(pair("/ansible/horaedb.cluster/c/journal/1", SECRET))
    assert len(canary.leaks_in_etcd("192.0.2.1")) == 1
    del kvs[:]
    with pytest.raises(AssertionError, match="proves nothing"):
        canary.leaks_in_etcd("192.0.2.1")
    assert canary.leaks_below(tmp_path) == []
    (tmp_path / "figures.jsonl").write_text('{"x": "%s"}\n' % SECRET)
    assert len(canary.leaks_below(tmp_path)) == 1


def test_a_long_line_is_shown_where_the_secret_is() -> None:
    [leak] = canary.leaks("output", "x" * 5000 + SECRET + "y" * 5000)
    assert SECRET in leak and len(leak) < 250

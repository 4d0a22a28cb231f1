"""The one shell line: what it says on a real host, and what is made of it."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.host_rules import problems
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.host_state import (
    HostState,
    by_host,
    parse,
    same_machine,
    script,
)

from tests.unit.helpers.model_inventory import check
from tests.unit.plugin_utils.preflight.host_cases import ACCEPTED, CASES, HostCase
from tests.unit.plugin_utils.preflight.live_cases import state

PYTHON = "/usr/bin/python3"


def run(member_paths: Sequence[pathlib.Path], node_paths: Sequence[pathlib.Path], python: str = sys.executable) -> HostState:
    text = script(python, [str(path) for path in member_paths], [str(path) for path in node_paths])
    shell = subprocess.run(["/bin/sh"], input=text, capture_output=True, text=True, check=True, timeout=30)
    assert shell.stderr == ""
    return parse("db1", shell.stdout)


def write(path: pathlib.Path, text: str) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("case", CASES, ids=str)
def test_refused(case: HostCase) -> None:
    check(problems(case.state(), PYTHON), case.found, case.words)


@pytest.mark.parametrize("values", ACCEPTED, ids=str)
def test_accepted(values: Mapping[str, Any]) -> None:
    assert problems(state("db1", **values), PYTHON) == []


def test_the_script_tells_the_truth_about_this_machine(tmp_path: pathlib.Path) -> None:
    seen = run([], [tmp_path])
    assert seen.python == sys.version_info[:2]
    assert seen.uid == int(subprocess.run(["id", "-u"], capture_output=True, text=True, check=True).stdout)
    assert seen.boot == pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert (seen.member_holds, seen.node_holds) == (False, False)


def test_a_missing_python_is_told_by_a_shell(tmp_path: pathlib.Path) -> None:
    seen = run([], [], python=str(tmp_path / "no python here"))
    assert [finding.rule for finding in problems(seen, PYTHON) if finding.rule == "host.python"] == ["host.python"]


def test_data_is_seen_in_any_of_the_directories(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "second dir" / "store" / "1" / "2.sst", "rows")
    seen = run([tmp_path / "none"], [tmp_path / "none", tmp_path / "second dir"])
    assert (seen.member_holds, seen.node_holds) == (False, True)


def test_a_member_holds_only_what_is_its_own(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "etcd" / "member" / "snap" / "db", "metadata")
    seen = run([tmp_path / "etcd"], [])
    assert (seen.member_holds, seen.node_holds) == (True, False)


def test_caches_traces_and_empty_files_are_not_data(tmp_path: pathlib.Path) -> None:
    for name in ("cache/sst_cache/a", "sst_cache/b", "tracing/c"):
        write(tmp_path / name, "not data")
    write(tmp_path / "wal" / "empty", "")
    assert not run([], [tmp_path]).node_holds


def test_a_data_directory_may_be_called_cache(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "cache" / "wal" / "segment", "rows")
    assert run([], [tmp_path / "cache"]).node_holds


def test_a_path_is_never_a_command(tmp_path: pathlib.Path) -> None:
    trap = tmp_path / "trap"
    run([tmp_path / ("'; touch %s; echo '" % trap)], [tmp_path / ("$(touch %s)" % trap)])
    assert not trap.exists()


@pytest.mark.parametrize("answer", ["", "sudo: a password is required\n", "uid=0\n", "uid=root\nnode_holds=no\n"])
def test_other_output_is_not_a_state(answer: str) -> None:
    with pytest.raises(ValueError):
        parse("db1", answer)


def test_a_banner_around_the_answer_does_no_harm() -> None:
    seen = parse("db1", "Welcome to db1!\nuid=0\npython=3.9\nsystemd=\nmember_holds=no\nnode_holds=yes\nBye\n")
    assert (seen.uid, seen.python, seen.systemd, seen.node_holds) == (0, (3, 9), 0, True)


def test_round_trip_and_unknown_hosts() -> None:
    """Hosts outside of --limit have no state."""
    assert by_host({"db1": state("db1").to_dict(), "db2": None, "db3": {}}) == {"db1": state("db1")}


def test_same_machine_needs_both_ids() -> None:
    assert same_machine([state("a", machine="m", boot="b"), state("b", machine="m", boot="b"), state("c", machine="m")]) == [("a", "b")]

"""Both daemons as containers of podman. The tests run in the order of this file, each going on from what the one before left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.reports import ONLY_SIMULATORS
from tests.support import canary
from tests.support.cluster import Cluster, until
from tests.support.hangs import Hangs
from tests.support.keys import Keys
from tests.support.load import daemons_of
from tests.support.operator import Operator
from tests.support.rows import Rows
from tests.support.services import Process, process

DAEMONS = ("horaemeta", "horaedb")
# As long as a good start takes three times over, so that a bad one doesn't take the whole 60 s.
PATIENCE = {"horaedb_ready_timeout": 10}


def method(name: str, source: str) -> dict[str, str]:
    return {variable: value for daemon in DAEMONS for variable, value in ((daemon + "_install_method", name), (daemon + "_binary", source))}


def daemon_pid(host: Any, daemon: str) -> str:
    """The daemon itself, which runs below its container's client as the same user as without a container."""
    return str(host.check_output("pgrep --oldest --uid %s --full '[-]server --config'", daemon))


def status(host: Any, pid: str) -> dict[str, str]:
    lines = host.check_output("cat /proc/%s/status", pid).splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def runs_by_podman(host: Any, daemon: str) -> bool:
    return bool(host.check_output("cat /proc/%s/comm", str(process(host, daemon).pid)) == "podman")


def test_a_bare_host_gets_a_cluster_in_containers(operator: Operator, cluster: Cluster, image: str, on: Callable[[str], Any]) -> None:
    """Breaks when an archive isn't sent or loaded, when user, network, data or configuration in the container are others than on the host."""
    run = operator.done("site", "-vvv", "--diff", **method("podman", image))
    assert canary.leaks("the output", run.output) == []
    cluster.assert_whole()
    for daemon in DAEMONS:
        assert runs_by_podman(on("one"), daemon)
        assert on("one").file("/var/lib/%s" % daemon).user == daemon


def test_a_killed_daemon_and_a_killed_client_come_back(cluster: Cluster, rows: Rows, on: Callable[[str], Any]) -> None:
    """Breaks when the client outlives its daemon, or a daemon its client: then the next one can't start.

    Early: HoraeDB isn't stopped before it is 30 s old, and the next tests take that long.
    """
    rows.write()
    before = {daemon: process(on("one"), daemon) for daemon in DAEMONS}
    on("one").check_output("kill -KILL %s", daemon_pid(on("one"), "horaedb"))
    on("one").check_output("kill -KILL %s", str(before["horaemeta"].pid))
    until(lambda: _same(on("one"), before), 15)
    cluster.assert_whole(45)
    for daemon in DAEMONS:
        after = process(on("one"), daemon)
        assert (after.pid != before[daemon].pid, after.generation) == (True, before[daemon].generation)
        assert on("one").check_output("pgrep --count --uid %s --full '[-]server --config'", daemon) == "1"
    rows.assert_kept()


def _same(host: Any, before: Mapping[str, Process]) -> str | None:
    """Which process is still the one that was killed, or is away."""
    pids = {daemon: host.check_output("systemctl show --property=MainPID --value %s", daemon) for daemon in before}
    left = [daemon for daemon, pid in pids.items() if pid in ("0", str(before[daemon].pid))]
    return "%s didn't come back" % ", ".join(left) if left else None


def test_a_member_that_hangs_in_its_container_is_killed_there(cluster: Cluster, rows: Rows, on: Callable[[str], Any]) -> None:
    """Breaks when the keeper's kill reaches the container's client and not the member, which goes on hanging, or keeps the next one from its ports."""
    if daemons_of(cluster) == "real":
        pytest.skip(ONLY_SIMULATORS + ": a leader that hangs when it is asked to")
    rows.write()
    view, hangs = cluster.assert_whole(), Hangs(cluster, Keys(cluster), on)
    with hangs.met("one"):
        on("one").check_output("kill -KILL %s", daemon_pid(on("one"), "horaemeta"))
        until(hangs.uncured, 60)
        until(cluster.problem, 45)
    assert cluster.assert_whole() == view
    assert on("one").check_output("pgrep --count --uid %s --full '[-]server --config'", "horaemeta") == "1"
    rows.assert_kept()


def test_a_container_may_do_nothing_that_its_daemon_does_not_need(on: Callable[[str], Any]) -> None:
    """Breaks when a sandbox is lost on the way through shell, systemd and engine, or the daemon is not limited with its unit."""
    for daemon in DAEMONS:
        pid = daemon_pid(on("one"), daemon)
        found = status(on("one"), pid)
        assert {name: int(found[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {"CapEff": 0, "CapPrm": 0, "CapBnd": 0}
        assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
        assert "/system.slice/%s.service" % daemon in on("one").check_output("cat /proc/%s/cgroup", pid)
        mounts = [line.split() for line in on("one").check_output("cat /proc/%s/mountinfo", pid).splitlines()]
        # Mount point and options are the fifth and the sixth field.
        assert [mount[5].split(",")[0] for mount in mounts if mount[4] == "/"] == ["ro"], "the image can be written to"


def test_its_output_is_in_the_unit_s_log(on: Callable[[str], Any]) -> None:
    """Breaks when the engine keeps the daemon's output, which carries secrets, or the log becomes the daemon's own."""
    for daemon in DAEMONS:
        log = on("one").file("/var/log/%s/%s.log" % (daemon, daemon))
        assert log.size > 0
        assert (log.user, log.group, log.mode) == ("root", daemon, 0o640)
        assert on("one").check_output("podman inspect --format '{{.HostConfig.LogConfig.Type}}' %s", daemon) == "none"


def test_a_second_run_changes_nothing_and_sends_nothing(operator: Operator) -> None:
    """Breaks when the look by a shell line doesn't ask the engine, or when the archive is sent again."""
    run = operator.done("site")
    assert run.changed == 0, run.output
    assert run.executions["one", "horaedb.cluster.daemon"] == 0, run.executions


def test_secrets_are_root_s_and_the_daemon_s(on: Callable[[str], Any], cluster: Cluster) -> None:
    """Breaks when a value of the environment is on the engine's command line, or the engine notes it where others can read it."""
    for daemon in DAEMONS:
        environment = on("one").check_output("tr '\\0' '\\n' < /proc/%s/environ", daemon_pid(on("one"), daemon))
        assert "HORAE_TEST_PASSWORD=canary-in-the-environment" in environment.splitlines(), "the daemon doesn't get it"
    assert canary.leaks_on(on("one")) == []
    assert canary.leaks_in_etcd(cluster.members["one"]) == []


def test_an_image_that_never_gets_ready_is_taken_back(
    operator: Operator, cluster: Cluster, rows: Rows, on: Callable[[str], Any], broken: Callable[[str], str]
) -> None:
    """Breaks when the image of the generation before is gone, or its container's name is still taken."""
    view, before = cluster.assert_whole(), process(on("one"), "horaedb")
    operator.refused("site", says=("simulated crash of this build",), horaedb_binary=broken("crash"), **PATIENCE)
    after = process(on("one"), "horaedb")
    assert (after.generation, after.pid != before.pid) == (before.generation, True)
    assert cluster.assert_whole() == view
    rows.assert_kept()


def test_the_method_is_switched_on_a_living_host_and_the_rows_stay(
    operator: Operator, cluster: Cluster, rows: Rows, on: Callable[[str], Any], image: str, binaries: dict[str, Path]
) -> None:
    """Breaks when user, folders or ports differ between the methods, or a container is left beside the daemon."""
    for name, sources in (("binary", binaries), ("podman", dict.fromkeys(binaries, image))):
        rows.write()
        view = cluster.assert_whole()
        operator.done("site", **{**method(name, ""), "horaemeta_binary": str(sources["horaemeta-server"]), "horaedb_binary": str(sources["horaedb-server"])})
        assert [runs_by_podman(on("one"), daemon) for daemon in DAEMONS] == [name == "podman"] * 2
        assert sorted(on("one").check_output("podman ps --format '{{.Names}}'").split()) == (sorted(DAEMONS) if name == "podman" else [])
        assert cluster.assert_whole() == view
        rows.assert_kept()

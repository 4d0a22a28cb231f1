"""What the role puts beside the program: its file, the units of a single member, and the systemd unit."""

from __future__ import annotations

import ast
import dataclasses
import json
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.horaedb.cluster.plugins.filter.cluster import FilterModule
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import cures, operation_lock
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.cluster_model import build
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import MEMBER_ROLES, NODE_ROLES, defaults

from tests.unit.helpers.keeper_world import PROGRAM, sk

ROLE = PROGRAM.parents[1]
FILTERS = FilterModule().filters()
SPEC = {"port": 12380, "silence": 2.5, "silence_locked": 6.0, "user": "k", "state_dir": "/var/lib/k", "log_dir": "/var/log/k"}


def topology(members: int = 3, nodes: int = 3, **of_nodes: Any) -> Topology:
    def hosts(prefix: str, count: int, roles: tuple[str, ...], **changes: Any) -> dict[str, dict[str, Any]]:
        base = {name: value for role in roles for name, value in defaults(role).items()}
        octet = 10 if prefix == "meta" else 20
        return {"%s%d" % (prefix, n): {**base, "ansible_host": "192.0.2.%d" % (octet + n), **changes} for n in range(1, count + 1)}

    built = build(hosts("meta", members, MEMBER_ROLES), hosts("db", nodes, NODE_ROLES, **of_nodes))
    assert built.unreadable == []
    return built.topology


def derived(model: Topology, **changes: Any) -> dict[str, Any]:
    return dict(FILTERS["keeper_config"](model.to_dict(), "meta1", {**SPEC, **changes}))


def units_of(made: dict[str, Any]) -> dict[str, str]:
    return {pathlib.PurePath(file["path"]).name: file["content"] for file in made["files"] if file["path"].startswith("/etc/systemd/")}


def lease(duration: str) -> dict[str, Any]:
    return {"horaedb_settings": {"cluster_deployment": {"meta_client": {"lease": duration}}}}


@pytest.mark.parametrize("members", [1, 3])
def test_the_program_reads_what_the_model_writes(members: int) -> None:
    """Breaks when one of the two is changed alone."""
    settings = sk.Settings.read(json.dumps(derived(topology(members))["config"]))
    assert settings.member.api == "http://192.0.2.11:8080" and len(settings.others) == members - 1
    assert settings.nodes["192.0.2.21:8831"] == "http://192.0.2.21:5440"
    assert settings.lock_key == operation_lock.key("defaultCluster")
    assert settings.leader_key == "/horaedb/members/leader" and settings.cures_prefix == cures.prefix("defaultCluster")
    assert (settings.silence, settings.silence_locked) == (2.5, 6.0)


@pytest.mark.parametrize(
    ("duration", "wanted", "got"),
    [
        ("3s", (2.5, 6.0), (2.5, 6.0)),
        ("3s", (2.5, 60.0), (2.5, 6.0)),
        ("6s", (2.5, 6.0), (2.5, 4.0)),
        ("9s", (2.5, 6.0), (2.0, 2.0)),
        ("10s", (2.5, 6.0), (1.5, 1.5)),
        ("3s", (0.1, 0.1), (1.5, 1.5)),
    ],
)
def test_the_silence_fits_between_a_healthy_node_and_the_10_seconds(
    duration: str, wanted: tuple[float, float], got: tuple[float, float]
) -> None:
    """Breaks when a longer lease, or a variable, makes the keeper act after the shards are gone or on nodes that are well."""
    config = derived(topology(**lease(duration)), silence=wanted[0], silence_locked=wanted[1])["config"]
    assert (config["silence"], config["silence_locked"]) == pytest.approx(got)
    sk.Settings.read(json.dumps(config))


def test_a_member_among_others_may_not_be_restarted() -> None:
    """Breaks when a keeper could restart HoraeMeta where a move is enough."""
    made = derived(topology())
    assert made["config"]["restart_file"] == ""
    assert set(units_of(made)) == {"horaedb-shard-keeper-kill.path", "horaedb-shard-keeper-kill.service"}


def test_the_only_member_is_restarted_by_systemd() -> None:
    """Breaks when the path that systemd watches isn't the one that the keeper makes, or when the wish is never taken away."""
    made = derived(topology(1))
    lines = units_of(made)["horaedb-shard-keeper-restart.service"].splitlines()
    request = made["config"]["restart_file"]
    assert lines.index("ExecStartPre=/bin/rm -f " + request) < lines.index("ExecStart=/bin/systemctl try-restart horaemeta.service")


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("helper", ["restart", "kill"])
def test_a_wish_is_seen_by_systemd_and_taken_away(members: int, helper: str) -> None:
    """Breaks when the path that systemd watches isn't the one that the keeper makes, or when a wish is fulfilled for ever."""
    made = derived(topology(members))
    units, request = units_of(made), made["config"][helper + "_file"]
    name = "horaedb-shard-keeper-%s" % helper
    if not request:
        assert (members, helper) == (3, "restart") and name + ".path" not in units
        return
    assert "PathExists=%s\n" % request in units[name + ".path"] and "Unit=%s.service\n" % name in units[name + ".path"]
    assert "PartOf=horaedb-shard-keeper.service\n" in units[name + ".path"]
    lines = units[name + ".service"].splitlines()
    assert lines.index("ExecStartPre=/bin/rm -f " + request) < next(n for n, line in enumerate(lines) if line.startswith("ExecStart="))
    folder = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__shard_keeper_unit"]["extra"]["RuntimeDirectory"]
    assert str(pathlib.PurePath(request).parent) == "/run/" + folder
    wanted = "/etc/systemd/system/horaedb-shard-keeper.service.wants/%s.path" % name
    assert {"path": wanted, "target": "/etc/systemd/system/%s.path" % name} in made["links"]


SYSTEMCTL = """#!/bin/sh
case "$*" in
  "show --property=MainPID --value horaemeta.service") cat "$HERE/pid" ;;
  "kill --signal=SIGKILL horaemeta.service") kill -9 "$(cat "$HERE/pid")" ;;
  *) echo "unexpected: $*" >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize(("age", "killed"), [(10.0, True), (0.0, False), (None, False)])
def test_only_a_process_that_is_old_enough_is_killed(tmp_path: pathlib.Path, age: float | None, killed: bool) -> None:
    """Breaks when one that was started after the wish is killed, when SIGTERM is sent, or when a stopped member makes the unit fail."""
    text = units_of(derived(topology()))["horaedb-shard-keeper-kill.service"].replace("\\\n", "")
    # As systemd reads it; the age by which a process counts as old is made as short as a test waits.
    command = next(line for line in text.splitlines() if line.startswith("ExecStart=")).split("=", 1)[1].replace("$$", "$")
    assert "-ge 300 ]" in command
    command = command.replace("-ge 300 ]", "-ge %d ]" % (300 if age == 0.0 else 20))
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    # A name with brackets and a blank, as nobody would have but anybody could.
    sleep = tmp_path / "a ) b"
    shutil.copy("/bin/sleep", sleep)
    with subprocess.Popen([str(sleep), "60"]) as member:
        try:
            (tmp_path / "pid").write_text("%d" % (0 if age is None else member.pid))
            if killed:
                time.sleep(0.3)
            environment = {"PATH": "%s:/usr/bin:/bin" % tmp_path, "HERE": str(tmp_path)}
            done = subprocess.run(shlex.split(command), env=environment, capture_output=True, text=True, timeout=20, check=False)
            assert (done.returncode, done.stderr) == (0, "")
            if killed:
                assert member.wait(5) == -signal.SIGKILL
            else:
                assert member.poll() is None
        finally:
            member.kill()


def test_changed_units_of_the_restart_make_the_keeper_another_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when systemd would go on with the old units after an upgrade of the collection."""
    from ansible_collections.horaedb.cluster.plugins.plugin_utils.render import keeper_config

    before = derived(topology(1))["environment"]
    monkeypatch.setattr(keeper_config, "KILL_REQUEST", "/run/elsewhere")
    assert before and derived(topology(1))["environment"] != before


def test_a_host_without_a_member_is_refused_in_a_sentence() -> None:
    """Breaks when somebody puts the role on a data node."""
    with pytest.raises(AnsibleFilterError, match="keeper_config: db1 is not a HoraeMeta member"):
        FILTERS["keeper_config"](topology().to_dict(), "db1", SPEC)


def test_the_unit_has_the_sandbox_and_bounds() -> None:
    """Breaks when the keeper may take more of a member's host than it needs, or write anywhere else."""
    spec = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__shard_keeper_unit"]
    spec.update(description="d", user="k", group="k", writable=["/var/lib/k"], private_users=True)
    spec["extra"] = {name: str(value) for name, value in spec["extra"].items()}
    lines = FILTERS["service_unit"](spec).splitlines()
    assert {"ProtectSystem=strict", "MemoryDenyWriteExecute=yes", "NoNewPrivileges=yes", "ReadWritePaths=/var/lib/k"} <= set(lines)
    assert {line.split("=")[0] for line in lines} >= {"MemoryMax", "CPUQuota", "TasksMax", "RuntimeDirectory"}


def test_the_program_needs_nothing_but_an_old_python() -> None:
    """Breaks when it uses syntax that Debian 11's or an older Python doesn't know, or a library."""
    files = sorted(PROGRAM.parent.glob("*.py"))
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 8)))]
    imported = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module).split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported <= set(sys.stdlib_module_names) | {file.stem for file in files}


def test_the_files_of_the_program_are_what_the_role_installs() -> None:
    """Breaks when a file is added that a member doesn't get."""
    (task,) = yaml.safe_load((ROLE / "tasks" / "daemon.yml").read_text())
    names = {config["name"] for config in task["horaedb.cluster.daemon"]["configs"]}
    assert names == {file.name for file in PROGRAM.parent.glob("*.py")} | {"keeper.json"}


def test_every_setting_of_the_program_comes_from_the_model() -> None:
    """Breaks when a setting has a default that nobody wrote down."""
    config = derived(topology())["config"]
    assert set(config) == {field.name for field in dataclasses.fields(sk.Settings)} - {"others"} | {"members"}

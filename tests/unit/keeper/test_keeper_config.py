"""What the role puts beside the program: its file, the units of a single member, and the systemd unit."""

from __future__ import annotations

import ast
import dataclasses
import json
import pathlib
import sys
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.horaedb.cluster.plugins.filter.cluster import FilterModule
from ansible_collections.horaedb.cluster.plugins.module_utils import oplock
from ansible_collections.horaedb.cluster.plugins.module_utils.inventory import build
from ansible_collections.horaedb.cluster.plugins.module_utils.topology import Topology
from ansible_collections.horaedb.cluster.plugins.plugin_utils.variables import MEMBER_ROLES, NODE_ROLES, defaults
from keeper_world import PROGRAM, sk

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


def lease(duration: str) -> dict[str, Any]:
    return {"horaedb_settings": {"cluster_deployment": {"meta_client": {"lease": duration}}}}


@pytest.mark.parametrize("members", [1, 3])
def test_the_program_reads_what_the_model_writes(members: int) -> None:
    """Breaks when one of the two is changed alone."""
    settings = sk.Settings.read(json.dumps(derived(topology(members))["config"]))
    assert settings.member.api == "http://192.0.2.11:8080" and len(settings.others) == members - 1
    assert settings.nodes["192.0.2.21:8831"] == "http://192.0.2.21:5440"
    assert settings.lock_key == oplock.key("defaultCluster")
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
    assert made["config"]["restart_file"] == "" and made["links"] == [] and made["environment"] == {}
    assert not [file for file in made["files"] if file["path"].startswith("/etc/systemd/")]


def test_the_only_member_is_restarted_by_systemd() -> None:
    """Breaks when the path that systemd watches isn't the one that the keeper makes, or when the wish is never taken away."""
    made = derived(topology(1))
    units = {pathlib.PurePath(file["path"]).name: file["content"] for file in made["files"] if file["path"].startswith("/etc/systemd/")}
    request = made["config"]["restart_file"]
    assert "PathExists=%s\n" % request in units["horaedb-shard-keeper-restart.path"]
    assert "PartOf=horaedb-shard-keeper.service\n" in units["horaedb-shard-keeper-restart.path"]
    lines = units["horaedb-shard-keeper-restart.service"].splitlines()
    assert lines.index("ExecStartPre=/bin/rm -f " + request) < lines.index("ExecStart=/bin/systemctl try-restart horaemeta.service")
    folder = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__shard_keeper_unit"]["extra"]["RuntimeDirectory"]
    assert str(pathlib.PurePath(request).parent) == "/run/" + folder
    (link,) = made["links"]
    assert link["path"].endswith("/horaedb-shard-keeper.service.wants/horaedb-shard-keeper-restart.path")
    assert link["target"] == "/etc/systemd/system/horaedb-shard-keeper-restart.path"


def test_changed_units_of_the_restart_make_the_keeper_another_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when systemd would go on with the old units after an upgrade of the collection."""
    from ansible_collections.horaedb.cluster.plugins.module_utils import keeper

    before = derived(topology(1))["environment"]
    monkeypatch.setattr(keeper, "REQUEST", "/run/elsewhere")
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

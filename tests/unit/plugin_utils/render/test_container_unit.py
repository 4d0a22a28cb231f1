"""The unit that runs a daemon as a container: what it hands over, what it keeps away, and what a shell and systemd make of it."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service import container as service_container
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render.systemd_unit import service_unit

GOLDEN = pathlib.Path(__file__).parent / "golden"
CONTAINER = {"engine": "podman", "name": "horaedb", "environment": ["RUST_LOG", "A_SECRET"], "options": []}


def unit(engine: str = "podman", **change: Any) -> str:
    container = {**CONTAINER, "engine": engine, **change.pop("container", {})}
    given: dict[str, Any] = {
        "description": "HoraeDB data node of defaultCluster",
        "user": "horaedb",
        "group": "horaedb",
        "command": "/usr/bin/horaedb-server --config @dir@/horaedb.toml",
        "writable": ["/var/lib/horaedb", "/fast/wal"],
        "log": "/var/log/horaedb/horaedb.log",
        "success_exit_status": [1],
        "extra": {"MemoryMax": "8G"},
    }
    return service_unit(**{**given, **change}, container=container)


def words(text: str) -> list[str]:
    joined = text.replace("\\\n", "")
    return next(line for line in joined.splitlines() if line.startswith("ExecStart=")).split()


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_golden(engine: str) -> None:
    assert unit(engine) == (GOLDEN / ("horaedb-%s.service" % engine)).read_text(encoding="utf-8")


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_what_the_container_may_not(engine: str) -> None:
    wanted = {"--cap-drop=all", "--security-opt=no-new-privileges", "--read-only", "--pull=never", "--rm", "--network=host"}
    assert wanted <= set(words(unit(engine)))
    assert "--volume=@dir@:@dir@:ro" in words(unit(engine))


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_the_output_is_in_the_unit_s_log_and_in_no_other(engine: str) -> None:
    assert "--log-driver=none" in words(unit(engine)) and "StandardOutput=append:/var/log/horaedb/horaedb.log" in unit(engine)


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_upstream_s_entrypoint_is_bypassed(engine: str) -> None:
    """It starts Grafana, and makes the data everybody's."""
    assert words(unit(engine))[-4:] == ["--entrypoint=/usr/bin/horaedb-server", "@image@", "--config", "@dir@/horaedb.toml"]


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_the_environment_is_named_and_its_values_are_nowhere(engine: str) -> None:
    text = unit(engine)
    assert [word for word in words(text) if word.startswith("--env")] == ["--env=HORAE_GENERATION", "--env=A_SECRET", "--env=RUST_LOG"]
    assert "EnvironmentFile=@dir@/environment" in text


def test_the_client_is_the_main_process_and_gets_the_signal_alone() -> None:
    for engine in service_container.ENGINES:
        lines = unit(engine).splitlines()
        assert "KillMode=mixed" in lines and "Type=exec" in lines and "Restart=always" in lines
        assert not [line for line in lines if line.startswith(("User=", "NoNewPrivileges=", "PrivateUsers="))], "the client is root's"


def test_podman_keeps_the_daemon_among_the_processes_of_the_unit() -> None:
    assert {"--cgroups=disabled", "--replace", "--sdnotify=ignore", "--ulimit=host"} <= set(words(unit()))


def test_a_killed_client_of_docker_leaves_no_container_behind() -> None:
    lines = unit("docker").splitlines()
    remove = "-/bin/sh -c '/usr/bin/docker rm --force horaedb >/dev/null 2>&1'"
    assert {"ExecStartPre=" + remove, "ExecStopPost=" + remove} <= set(lines)
    assert "Wants=network-online.target docker.service" in lines
    assert {"--ulimit=nofile=65536:65536"} <= set(words(unit("docker")))


def test_numbers_of_user_and_group_are_looked_up_on_the_host() -> None:
    line = unit(user="horae", group="data").split("ExecStart=")[1].splitlines()[0]
    assert line.startswith("""/bin/sh -c 'exec "$$0" run --user="$$(id -u horae):$$(getent group data | cut -d: -f3)" "$$@"' /usr/bin/podman""")


def test_further_options_come_before_the_image_and_are_one_word_each() -> None:
    text = unit(container={"options": ["--volume=/my certs:/etc/ssl:ro", "--label=a=50%", "--label=$HOME", '--label="q"']})
    assert '"--volume=/my certs:/etc/ssl:ro"' in text and "--label=a=50%%" in text and '"--label=$$HOME"' in text
    assert '"--label=\\"q\\""' in text
    assert text.index("50%%") < text.index("@image@")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"container": {"engine": "rkt"}}, "there are: docker, podman"),
        ({"container": {"environment": ["A B"]}}, "environment variable"),
        ({"user": "a; rm -rf /"}, "name of a user"),
        ({"group": "$(id)"}, "name of a user or a group"),
        ({"writable": ["/a:b"]}, "can't be mounted"),
        ({"writable": ["relative"]}, "can't be mounted"),
    ],
)
def test_what_a_shell_or_an_engine_would_misread_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        unit(**change)

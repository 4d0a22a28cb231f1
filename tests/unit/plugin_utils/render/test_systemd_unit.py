"""The units and the files around them."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render.systemd_unit import SANDBOX, host_files, service_unit

GOLDEN = pathlib.Path(__file__).parent / "golden"
LEAST = {"description": "A daemon", "user": "u", "group": "g", "command": "@dir@/daemon"}


def section(unit: str, name: str) -> list[str]:
    return unit.split("[%s]\n" % name)[1].split("\n\n")[0].splitlines()


def test_golden() -> None:
    unit = service_unit(
        description="HoraeDB data node of defaultCluster",
        user="horaedb",
        group="horaedb",
        command="@dir@/horaedb-server --config @dir@/horaedb.toml",
        writable=["/var/lib/horaedb", "/fast/wal"],
        log="/var/log/horaedb/horaedb.log",
        after=["horaedb-meta-proxy.service"],
        success_exit_status=[1],
        stop_timeout=31,
        limit_nofile=65537,
        private_users=True,
        extra={"MemoryMax": "8G"},
    )
    assert unit == (GOLDEN / "horaedb.service").read_text(encoding="utf-8")


def test_the_process_tells_its_generation_and_comes_back_for_ever() -> None:
    """HORAE_GENERATION is how a stale process is recognised; HoraeMeta gives up with exit code 0; a third crash must not be the last."""
    unit = service_unit(**LEAST)
    assert "Environment=HORAE_GENERATION=@generation@" in section(unit, "Service")
    assert {"Restart=always", "RestartSec=1s"} <= set(section(unit, "Service"))
    assert "StartLimitIntervalSec=0" in section(unit, "Unit")


def test_secrets_on_stdout_go_to_the_file_and_nothing_is_forgotten_without_one() -> None:
    logged = section(service_unit(**LEAST, log="/var/log/x/x.log"), "Service")
    assert {"StandardOutput=append:/var/log/x/x.log", "StandardError=append:/var/log/x/x.log", "UMask=0027"} <= set(logged)
    assert not [line for line in section(service_unit(**LEAST), "Service") if line.startswith("Standard")]


@pytest.mark.parametrize(("private", "line"), [(True, "PrivateUsers=yes"), (False, "PrivateUsers=no")])
def test_private_users(private: bool, line: str) -> None:
    assert line in section(service_unit(**LEAST, private_users=private), "Service")


def test_further_lines_come_last_so_that_they_win() -> None:
    lines = section(service_unit(**LEAST, writable=["/data"], extra={"ProtectHome": "no", "MemoryMax": "1G"}), "Service")
    assert lines[-2:] == ["ProtectHome=no", "MemoryMax=1G"]
    assert "ProtectHome=yes" in SANDBOX


def test_host_files() -> None:
    """User before directories before the log file, which belongs to root so that the daemon can't rewrite it."""
    sysusers, tmpfiles, logrotate = host_files("horaedb", "horae", ["/var/lib/horaedb", "/fast/wal"], "/var/log/horaedb")
    assert [file["apply"] for file in (sysusers, tmpfiles, logrotate)] == ["sysusers", "tmpfiles", "none"]
    assert sysusers["path"] == "/etc/sysusers.d/horaedb.conf"
    assert sysusers["content"] == 'u horae - "horaedb" /var/lib/horaedb\n'
    assert tmpfiles["path"] == "/etc/tmpfiles.d/horaedb.conf"
    assert tmpfiles["content"].splitlines() == [
        "d /var/lib/horaedb 0750 horae horae -",
        "d /fast/wal 0750 horae horae -",
        "d /var/log/horaedb 0750 horae horae -",
        "f /var/log/horaedb/horaedb.log 0640 root horae -",
    ]
    assert logrotate["path"] == "/etc/logrotate.d/horaedb"
    lines = [line.strip() for line in logrotate["content"].splitlines()]
    assert lines[0] == "/var/log/horaedb/horaedb.log {"
    # The daemon keeps its file open: moved away, it would go on writing to the old one.
    assert {"copytruncate", "su root horae"} <= set(lines)


def test_a_daemon_without_data_lives_in_its_log_directory() -> None:
    sysusers, tmpfiles, _logrotate = host_files("horaedb-meta-proxy", "p", [], "/var/log/p")
    assert sysusers["content"].endswith(" /var/log/p\n")
    assert tmpfiles["content"].splitlines()[0] == "d /var/log/p 0750 p p -"

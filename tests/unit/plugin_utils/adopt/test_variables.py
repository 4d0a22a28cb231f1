"""Daemons that were installed by hand: what is read of them, and the variables that make the same file."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import tomli_w
import tomllib
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt import installed_daemon
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt.installed_daemon import InstalledDaemon, parse, script
from ansible_collections.horaedb.cluster.plugins.plugin_utils.adopt.variables import adopted
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import defaults
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render.daemon_config import horaedb_config, horaemeta_config

from tests.unit.helpers.guarded import judged
from tests.unit.helpers.model_inventory import Case

DB = """\
[node]
addr = "192.0.2.21"

[server]
bind_addr = "0.0.0.0"
http_port = 6440
deploy_mode = "Cluster"
timeout = "30s"

[server.auth]
enable = false
auth_type = "file"
source = ""

[logger]
level = "info"

[analytic.wal]
type = "Local"
data_dir = "/data/horaedb"

[analytic.storage]
mem_cache_capacity = "1GiB"
disk_cache_dir = "/data/horaedb/cache"

[analytic.storage.object_store]
type = "S3"
region = "r"
key_id = "canary-id"
key_secret = "canary-secret"
endpoint = "https://user:canary-url@s3.example.com"
bucket = "b"
prefix = "p"

[cluster_deployment]
mode = "WithMeta"

[cluster_deployment.meta_client]
cluster_name = "defaultCluster"
meta_addr = "http://192.0.2.99:2379"
lease = "5s"

[cluster_deployment.etcd_client]
server_addrs = ["192.0.2.11:2379"]
"""
META = """\
node-name = "m1"
addr = "192.0.2.11"
data-dir = "/data/horaemeta"
default-http-port = 8080
initial-cluster = "m1=http://192.0.2.11:2380"
advertise-client-urls = "http://192.0.2.11:12379"
advertise-peer-urls = "http://192.0.2.11:12380"
default-cluster-node-count = 1
etcd-start-timeout-ms = 30000
"""


def made(daemon: str, text: str, show: bool = False, **found: Any) -> Any:
    base = {"config": "/etc/x.toml", "hostname": "host1", "text": text}
    return adopted(daemon, InstalledDaemon(**{**base, **found}), "2.1.0", defaults(daemon), show)


def test_a_data_node() -> None:
    environment = {
        "HORAEDB_SERVER_ADDR": "192.0.2.31",
        "HORAEDB_DEFAULT_CATALOG": "ceresdb",
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "canary-env",
    }
    answer = made(
        "horaedb",
        DB,
        environment=environment,
        given=frozenset({"AWS_SECRET_ACCESS_KEY"}),
        user="horae",
        limit_nofile="100000",
        unit="horaedb-server.service",
    )
    assert answer.variables == {
        "horaedb_server_addr": "192.0.2.31",
        "horaedb_http_port": 6440,
        "horaedb_meta_endpoint": "http://192.0.2.99:2379",
        "horaedb_data_dir": "/data/horaedb",
        "horaedb_object_store": {
            "type": "S3",
            "region": "r",
            "key_id": "{{ vault_horaedb_analytic_storage_object_store_key_id }}",
            "key_secret": "{{ vault_horaedb_analytic_storage_object_store_key_secret }}",
            "endpoint": "https://********@s3.example.com",
            "bucket": "b",
            "prefix": "p",
        },
        "horaedb_user": "horae",
        "horaedb_limit_nofile": 100000,
        "horaedb_settings": {
            "server": {"timeout": "30s", "auth": {"enable": False, "auth_type": "file", "source": ""}},
            "analytic": {"storage": {"mem_cache_capacity": "1GiB"}},
            "cluster_deployment": {"meta_client": {"lease": "5s"}},
        },
        "horaedb_environment": {"HORAEDB_DEFAULT_CATALOG": "ceresdb", "AWS_SECRET_ACCESS_KEY": "{{ vault_horaedb_aws_secret_access_key }}"},
    }
    assert "canary" not in str(answer)
    assert [finding["path"] for finding in answer.findings] == ["server.deploy_mode"]
    assert "Left out, because the daemon doesn't know them: server.deploy_mode." in answer.notes
    assert (
        "Put the value of analytic.storage.object_store.key_secret into a vault as vault_horaedb_analytic_storage_object_store_key_secret."
        in answer.notes
    )


def test_secrets_are_shown_when_that_is_asked_for() -> None:
    store = made("horaedb", DB, show=True).variables["horaedb_object_store"]
    assert (store["key_secret"], store["endpoint"]) == ("canary-secret", "https://user:canary-url@s3.example.com")


def test_a_member() -> None:
    answer = made("horaemeta", META, environment={"HTTP_PORT": "9090"}, user="root")
    assert answer.variables == {
        "horaemeta_address": "192.0.2.11",
        "horaemeta_client_port": 12379,
        "horaemeta_peer_port": 12380,
        "horaemeta_node_name": "m1",
        "horaemeta_data_dir": "/data/horaemeta",
        "horaemeta_http_port": 9090,
        "horaemeta_default_cluster_node_count": 1,
        "horaemeta_user": "root",
        "horaemeta_settings": {"etcd-start-timeout-ms": 30000},
    }
    assert any("runs as root" in note for note in answer.notes)


def test_what_the_collection_installed_itself_is_said() -> None:
    """Breaks when it tells an operator to stop the collection's own unit, or to set what its units set."""
    found = made("horaemeta", 'data-dir = "/srv/meta"\n', unit="horaemeta.service", environment={"HORAE_GENERATION": "0123456789ab"})
    assert "horaemeta_environment" not in found.variables
    assert any("there is nothing to adopt" in note for note in found.notes) and not any("Stop and disable" in note for note in found.notes)


def test_defaults_of_upstream_that_are_not_the_collection_s_are_said() -> None:
    answer = made("horaemeta", "")
    assert answer.variables == {
        "horaemeta_node_name": "horaemeta-host1",
        "horaemeta_data_dir": "/tmp/horaemeta",
        "horaemeta_default_cluster_node_count": 2,
    }


def test_the_variables_make_the_same_file_again() -> None:
    """The collection's own, read back: what it would write for these variables is what it was read from."""
    variables = {
        "horaedb_http_port": 6440,
        "horaedb_data_dir": "/data/db",
        "horaedb_meta_endpoint": "http://192.0.2.99:2379",
        "horaedb_settings": {
            "logger": {"level": "warn"},
            "limiter": {"rules": [{"type": "AnyQuery"}]},
            "cluster_deployment": {"meta_client": {"lease": "4s"}},
        },
    }
    for daemon, host, given in (
        ("horaedb", "db1", variables),
        ("horaemeta", "meta1", {"horaemeta_settings": {"lease-sec": 9, "log": {"level": "warn"}}}),
    ):
        before = file_of(daemon, host, given)
        answer = made(daemon, tomli_w.dumps(before))
        assert file_of(daemon, host, answer.variables) == before
        assert tomllib.loads(tomli_w.dumps(before)) == before
        side = {"nodes": {host: answer.variables}} if daemon == "horaedb" else {"members": {host: answer.variables}}
        assert [finding.rule for finding in judged(**side) if finding.rule.startswith(("settings.", "environment."))] == []


def file_of(daemon: str, host: str, variables: dict[str, Any]) -> dict[str, Any]:
    if daemon == "horaemeta":
        topology = Case("", {}, members={host: variables}).built().topology
        return horaemeta_config(topology, host, variables.get("horaemeta_settings"))
    topology = Case("", {}, nodes={"*": {"horaedb_meta_endpoint": variables["horaedb_meta_endpoint"]}, host: variables}).built().topology
    names = ("horaedb_settings", "horaedb_object_store", "horaedb_wal")
    return horaedb_config(topology, host, *(variables.get(name) for name in names))


TOOLS = {
    "pgrep": 'cat "$STATE/pid" 2>/dev/null',
    "systemctl": 'case $1 in cat) cat "$STATE/$2" ;; show) cat "$STATE/pid" 2>/dev/null || echo 0 ;; esac',
    "hostname": "echo host1",
}


@pytest.fixture
def tools(tmp_path: pathlib.Path) -> dict[str, str]:
    """PATH with a pgrep and a systemctl that know only what lies in STATE."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in TOOLS.items():
        (folder / name).write_text("#!/bin/sh\n%s\n" % text)
        (folder / name).chmod(0o755)
    return {"PATH": "%s:%s" % (folder, os.environ["PATH"]), "STATE": str(tmp_path)}


@pytest.fixture
def process(tmp_path: pathlib.Path, tools: dict[str, str]) -> Iterator[None]:
    """A process that looks like a data node of somebody."""
    (tmp_path / "by hand.toml").write_text(DB)
    (tmp_path / "program").write_text('echo $$ > "$STATE/pid"\nread never\n')
    program = ["sh", str(tmp_path / "program"), "--config", str(tmp_path / "by hand.toml")]
    running = subprocess.Popen(program, stdin=subprocess.PIPE, env={**tools, "ETCD_ADDRS": "192.0.2.1:2379"}, start_new_session=True)
    try:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            os.sched_yield()
        yield
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def run(tools: dict[str, str], daemon: str = "horaedb", unit: str = "", config: str = "") -> InstalledDaemon:
    done = subprocess.run(
        ["/bin/sh", "-c", script(daemon, unit, config)], env=tools, capture_output=True, text=True, timeout=30, check=False
    )
    return parse(done.stdout)


@pytest.mark.usefixtures("process")
def test_a_running_process_is_read(tools: dict[str, str], tmp_path: pathlib.Path) -> None:
    found = run(tools)
    assert (found.config, found.text, found.hostname) == (str(tmp_path / "by hand.toml"), DB, "host1")
    assert found.environment["ETCD_ADDRS"] == "192.0.2.1:2379"
    assert found.user and found.command.startswith("sh /")


def test_a_unit_whose_process_does_not_run_is_read(tools: dict[str, str], tmp_path: pathlib.Path) -> None:
    (tmp_path / "meta.toml").write_text(META)
    (tmp_path / "more").write_text("# a comment\nHTTP_PORT='9090'\n")
    (tmp_path / "old.service").write_text(
        '[Service]\nUser=horae\nEnvironment="A=b c" LEASE_SEC=9\nEnvironmentFile=-%s\nLimitNOFILE=4096\n'
        "ExecStart=/usr/bin/horaemeta-server --config=%s\n" % (tmp_path / "more", tmp_path / "meta.toml")
    )
    found = run(tools, "horaemeta", unit="old.service")
    assert found.text == META
    assert found.environment == {"A": "b c", "LEASE_SEC": "9", "HTTP_PORT": "9090"} and found.given == set(found.environment)
    assert (found.user, found.limit_nofile, found.unit) == ("horae", "4096", "old.service")


def test_a_path_that_is_given_is_all_that_is_looked_at(tools: dict[str, str], tmp_path: pathlib.Path) -> None:
    (tmp_path / "it's.toml").write_text("a = 1")
    found = run(tools, config=str(tmp_path / "it's.toml"))
    assert (found.text, found.unit, found.environment) == ("a = 1", "", {})


def test_nothing_is_there(tools: dict[str, str]) -> None:
    found = run(tools, unit="none.service")
    assert (found.text, found.config) == ("", "")


def test_other_output_is_no_answer() -> None:
    for output in ("", "sudo: a password is required\n", "hostname !!!"):
        with pytest.raises(ValueError):
            installed_daemon.parse(output)

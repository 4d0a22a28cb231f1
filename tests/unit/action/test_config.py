"""The modules config_check and config_adopt and the playbook adopt.yml, run by ansible itself on this machine."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from tests.unit.plugin_utils.adopt.test_variables import DB, META

ROOT = pathlib.Path(__file__).resolve().parents[3]


def ansible(folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "ansible.cfg").write_text("[defaults]\n")
    (folder / "hosts.yml").write_text(
        "horaemeta: {hosts: {m1: }}\nhoraedb: {hosts: {d1: }}\n"
        "all: {vars: {ansible_connection: local, ansible_python_interpreter: %s}}\n" % sys.executable
    )
    return subprocess.run(
        [sys.executable, "-m", "ansible", arguments[0], "-i", "hosts.yml", *arguments[1:]],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def check(folder: pathlib.Path, arguments: str) -> subprocess.CompletedProcess[str]:
    return ansible(folder, "adhoc", "d1", "-vvv", "--check", "-m", "horaedb.cluster.config_check", "-a", arguments)


def test_a_file_with_mistakes_is_refused_and_shows_no_secret(tmp_path: pathlib.Path) -> None:
    (tmp_path / "db.toml").write_text(DB)
    done = check(tmp_path, "daemon=horaedb path=%s/db.toml" % tmp_path)
    assert done.returncode != 0
    assert "[settings.unknown] %s/db.toml:7: server.deploy_mode is no key of HoraeDB 2.1.0." % tmp_path in done.stdout
    assert "canary" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert (tmp_path / "db.toml").read_text() == DB


def test_a_file_without_mistakes_passes_and_errors_can_be_let_through(tmp_path: pathlib.Path) -> None:
    (tmp_path / "db.toml").write_text(DB.replace('deploy_mode = "Cluster"\n', ""))
    (tmp_path / "meta.toml").write_text(META)
    assert check(tmp_path, "daemon=horaedb path=%s/db.toml" % tmp_path).returncode == 0
    done = check(tmp_path, "daemon=horaemeta refuse=false path=%s/meta.toml" % tmp_path)
    assert done.returncode == 0, done.stdout
    assert "default-http-port" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("daemon=horaedb path=/nowhere/db.toml", "/nowhere/db.toml: It can't be read:"),
        ("daemon=horaedb content='a = '", "content: It is no TOML:"),
        ("daemon=horaedb content='' version=newest", "version is 'newest', which is no version such as 2.1.0."),
        ("daemon=horaedb", "one of the following is required: path, content"),
    ],
)
def test_what_can_not_be_judged_is_a_sentence(tmp_path: pathlib.Path, arguments: str, sentence: str) -> None:
    done = check(tmp_path, arguments)
    assert done.returncode != 0
    assert sentence in done.stdout + done.stderr, done.stdout + done.stderr
    # Ansible 2.19 and later show where a task failed, and call it so.
    assert "Traceback (most recent call last)" not in done.stdout + done.stderr


def test_adopt_prints_the_variables_and_changes_nothing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "db.toml").write_text(DB)
    (tmp_path / "meta.toml").write_text(META)
    paths = "horaedb_adopt_config=%s/db.toml horaemeta_adopt_config=%s/meta.toml" % (tmp_path, tmp_path)
    done = ansible(tmp_path, "playbook", str(ROOT / "playbooks" / "adopt.yml"), "-e", paths)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "horaemeta_default_cluster_node_count: 1",
        "horaedb_meta_endpoint: http://192.0.2.99:2379",
        "{{ vault_horaedb_analytic_storage_object_store_key_secret }}",
        "[settings.unknown] %s/db.toml:7: server.deploy_mode" % tmp_path,
        "[settings.unknown] %s/meta.toml:4: default-http-port" % tmp_path,
    ):
        assert words in done.stdout, done.stdout
    assert "canary" not in done.stdout
    assert done.stdout.count("changed=0") == 2
    assert (
        "canary-secret"
        in ansible(tmp_path, "playbook", str(ROOT / "playbooks" / "adopt.yml"), "-e", paths + " horaedb_cluster_adopt_secrets=true").stdout
    )


def test_adopt_says_what_it_could_not_find(tmp_path: pathlib.Path) -> None:
    done = ansible(tmp_path, "adhoc", "d1", "-m", "horaedb.cluster.config_adopt", "-a", "daemon=horaedb config=/nowhere/x.toml")
    assert done.returncode != 0
    assert "No configuration of horaedb in /nowhere/x.toml, which is empty or can't be read. Name it with config or unit." in done.stdout

"""The two action plugins and the role preflight, run by ansible-playbook itself.

The hosts' addresses are of the network 0.0.0.0/8, to which a kernel sends nothing: nothing is asked, nothing answers.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
# Directories that never exist, and one that holds something on every machine.
NOWHERE = {"horaemeta_data_dir": "/nonexistent/meta", "horaedb_data_dir": "/nonexistent/db"}
HOLDS = "/etc"


@dataclass(frozen=True)
class Run:
    code: int
    text: str
    results: dict[str, Any]

    def refused(self, *sentences: str) -> None:
        assert self.code != 0, self.text
        for sentence in sentences:
            assert sentence in self.text, self.text
        assert "Traceback" not in self.text, self.text


class Play:
    """A playbook and its inventory in a folder. Registered results come back through a file for each host."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def __call__(self, groups: dict[str, Any], plays: list[dict[str, Any]], *arguments: str, **variables: Any) -> Run:
        usual = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **NOWHERE}
        inventory = {"all": {"vars": {**usual, **variables}, "children": groups}}
        (self._folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
        (self._folder / "play.yml").write_text(yaml.safe_dump([{"gather_facts": False, **play} for play in plays]))
        done = ansible(self._folder, "playbook", "-i", "inventory.yml", "play.yml", *arguments)
        saved = {path.stem: json.loads(path.read_text()) for path in self._folder.glob("*.json")}
        return Run(done.returncode, done.stdout + done.stderr, saved)

    def saving(self, name: str) -> dict[str, Any]:
        """The task that saves what was registered as `name`, the host's name being the file's."""
        return {
            "ansible.builtin.copy": {
                "content": "{{ %s | to_json }}" % name,
                "dest": str(self._folder) + "/{{ inventory_hostname }}.json",
                "mode": "0644",
            }
        }


@pytest.fixture
def play(tmp_path: pathlib.Path) -> Play:
    return Play(tmp_path)


def ansible(folder: pathlib.Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "ansible.cfg").write_text("[defaults]\n")
    return subprocess.run(
        [sys.executable, "-m", "ansible", tool, *arguments],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def hosts(first: int, *names: str, **variables: Any) -> dict[str, Any]:
    return {"hosts": {name: {"ansible_host": "0.0.0.%d" % (first + index)} for index, name in enumerate(names)}, "vars": variables}


def check(name: str = "checked", **options: Any) -> dict[str, Any]:
    return {"horaedb.cluster.topology_check": {"live": False, **options}, "register": name, "run_once": True}


GROUPS = {"horaemeta": hosts(11, "m1", "m2", "m3"), "horaedb": hosts(21, "d1", "d2", "d3")}
# One host for each side: a second name for this machine would be a finding.
PAIR = {"horaemeta": hosts(11, "m1", horaemeta_binary="/bin/sh"), "horaedb": hosts(21, "d1", horaedb_binary="/bin/sh")}


def test_every_finding_at_once_in_a_foreign_playbook_with_other_groups(play: Play) -> None:
    groups = {
        "metadata": hosts(11, "m1", "m2", "m3", horaemeta_default_cluster_node_count=5),
        "series": hosts(21, "d1", "d2", horaedb_data_dir="/tmp/rows"),
    }
    done = play(
        groups,
        [{"hosts": "metadata:series", "vars": {"horaemeta_group": "metadata", "horaedb_group": "series"}, "tasks": [check()]}],
        horaedb_environment={"HORAEDB_SERVER_ADDR": "{{ ansible_host }}:8831"},
    )
    done.refused(
        "5 findings; no host has been touched:",
        "[count.static] m1, m2, m3: DEFAULT_CLUSTER_NODE_COUNT is 5, and the inventory has 2 data nodes;",
        "[identity.address] d1: HORAEDB_SERVER_ADDR '0.0.0.21:8831' carries a port",
        "What counts there is horaedb_environment['HORAEDB_SERVER_ADDR'] on d2.",
        "[paths.temporary] d1: data would lie under /tmp/rows",
        "[paths.temporary] d2: ",
    )


def test_the_model_has_what_the_daemons_tasks_would_use(play: Play) -> None:
    """Play vars over the inventory over defaults, and an expression means each host's own value."""
    groups = {"horaemeta": hosts(11, "m1", "m2", "m3"), "horaedb": hosts(21, "d1", "d2", horaedb_grpc_port=9001)}
    groups["horaedb"]["hosts"]["d2"]["horaedb_http_port"] = 5441
    play_vars = {
        "base": 7000,
        "horaemeta_http_port": "{{ base + 80 }}",
        "horaedb_http_port": 7440,
        "horaedb_server_addr": "{{ inventory_hostname }}.example.com",
    }
    tasks = [check(), play.saving("checked")]
    done = play(groups, [{"hosts": "m1", "vars": play_vars, "tasks": tasks}], "-e", "horaemeta_default_cluster_shard_total=16")
    assert done.code == 0, done.text
    topology = done.results["m1"]["topology"]
    assert [member["http_port"] for member in topology["members"]] == [7080, 7080, 7080]
    assert [(n["server_addr"], n["http_port"], n["grpc_port"], n["mysql_port"]) for n in topology["nodes"]] == [
        ("d1.example.com", 7440, 9001, 3307),
        ("d2.example.com", 7440, 9001, 3307),
    ]
    assert (topology["shard_total"], done.results["m1"]["findings"]) == (16, [])
    assert (done.results["m1"]["lives"], done.results["m1"]["leader"], done.results["m1"]["unseen"]) == (False, None, [])


def test_a_roles_vars_count_in_that_role(play: Play) -> None:
    """The roles pull preflight in, and what their caller sets for them has to be what is judged."""
    role = {"role": "horaedb.cluster.preflight", "vars": {"horaemeta_default_cluster_node_count": 4}}
    done = play(PAIR, [{"hosts": "all", "roles": [role]}])
    done.refused("[count.static] m1: DEFAULT_CLUSTER_NODE_COUNT is 4, and the inventory has 1 data nodes;")


def test_a_misspelt_key_is_refused_with_its_variable(play: Play) -> None:
    """The value is an expression, as a secret of a vault would be, and isn't shown."""
    store = {"type": "S3", "region": "r", "endpoint": "e", "bucket": "b", "prefix": "p", "key_id": "i", "key_secrte": "{{ 'can' ~ 'ary' }}"}
    done = play(GROUPS, [{"hosts": "m1", "tasks": [check()]}], horaedb_object_store=store, horaemeta_settings={"default-http-port": 8080})
    done.refused(
        "3 findings; no host has been touched:",
        "[settings.unknown] m1, m2, m3: default-http-port is no key of HoraeMeta 2.1.0. Upstream's cluster samples have it, and it does nothing.",
        "[settings.unknown] d1, d2, d3: analytic.storage.object_store.key_secrte is no key of HoraeDB 2.1.0, which would ignore it without a word. "
        "The nearest one is analytic.storage.object_store.key_secret. Correct horaedb_object_store.key_secrte.",
        "[settings.missing] d1, d2, d3: analytic.storage.object_store.key_secret is missing.",
    )
    assert "canary" not in done.text


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "horaedb_object_store",
            {"type": "S3", "key_id": "{{ vault_key }}"},
            "horaedb_object_store of host d1 can't be read: 'vault_key' is undefined",
        ),
        ("horaemeta_http_port", "{{ 8080 + }}", "horaemeta_http_port of host m1 can't be read: "),
        ("horaedb_group", "{{ nobody }}", "horaedb_group of host m1 can't be read: 'nobody' is undefined"),
    ],
)
def test_an_expression_that_fails_is_a_sentence(play: Play, variable: str, value: Any, sentence: str) -> None:
    done = play(GROUPS, [{"hosts": "m1", "tasks": [check()]}], **{variable: value})
    done.refused(sentence, "Correct it, or set what it uses.")


def test_hosts_that_the_inventory_does_not_have(play: Play) -> None:
    done = play(GROUPS, [{"hosts": "m1", "tasks": [check(nodes=["d1", "db9"])]}])
    done.refused("db9 is not in the inventory. Correct the option members or nodes.")


@pytest.mark.parametrize("inventory", ["standalone", "cluster", "dynamic"])
def test_the_inventories_to_copy_have_no_findings(inventory: str, tmp_path: pathlib.Path) -> None:
    """Judged as docs/topology.md says, without reaching any host."""
    task = ["localhost", "-i", str(ROOT / "inventories" / inventory), "-m", "horaedb.cluster.topology_check", "-a", "live=false"]
    done = ansible(tmp_path, "adhoc", *task, "-e", "vault_horaedb_s3_key_id=x vault_horaedb_s3_key_secret=x")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"findings": [],' in done.stdout


def test_warnings_are_shown_and_let_the_run_go_on(play: Play) -> None:
    groups = {"horaemeta": hosts(11, "m1", "m2"), "horaedb": hosts(21, "d1")}
    done = play(groups, [{"hosts": "m1", "tasks": [check(), play.saving("checked")]}])
    assert done.code == 0, done.text
    assert "[members.even] m1, m2: 2 members survive the loss of 0" in done.text
    assert [(finding["rule"], finding["severity"]) for finding in done.results["m1"]["findings"]] == [("members.even", "warning")]


def test_nobody_answers_and_nobody_was_looked_at(play: Play) -> None:
    """The living cluster is asked, hosts on which nothing runs yet are no mistake, and check mode does the same."""
    done = play(GROUPS, [{"hosts": "m1", "tasks": [check(live=True), play.saving("checked") | {"check_mode": False}]}], "--check")
    assert done.code == 0, done.text
    assert (done.results["m1"]["lives"], done.results["m1"]["unseen"]) == (False, [])


def test_host_check_tells_what_a_host_has(play: Play) -> None:
    task = {"horaedb.cluster.host_check": {}, "register": "looked", "ignore_errors": True}
    groups = {"horaemeta": hosts(11, "m1"), "horaedb": hosts(21, "d1", horaedb_data_dir=HOLDS), "others": hosts(31, "o1")}
    done = play(groups, [{"hosts": "all", "tasks": [task, play.saving("looked")]}])
    assert {host: (said["state"]["member_holds"], said["state"]["node_holds"]) for host, said in done.results.items()} == {
        "m1": (False, False),
        "d1": (False, True),
        "o1": (False, False),
    }
    state = done.results["m1"]["state"]
    assert (state["host"], state["uid"], tuple(state["python"])) == ("m1", os.getuid(), sys.version_info[:2])


def test_a_host_without_python_or_root_is_refused_in_one_line_each(play: Play) -> None:
    groups = {"horaemeta": hosts(11, "m1", ansible_python_interpreter="/nonexistent/python3"), "horaedb": hosts(21, "d1")}
    done = play(groups, [{"hosts": "horaemeta", "tasks": [{"horaedb.cluster.host_check": {}}]}])
    done.refused("[host.python] m1: /nonexistent/python3 is missing; Ansible needs Python 3.8 or newer on the host.")


@pytest.mark.parametrize(
    ("sudo", "sentence"),
    [
        (
            "echo 'sudo: horae is not in the sudoers file' >&2",
            "sudo: horae is not in the sudoers file. Check ansible_become_password (or -K) and the host's sudoers file.",
        ),
        # It lets commands through, to an account that runs none.
        (
            "echo \"$*\" | grep -o 'BECOME-SUCCESS-[a-z]*' | head -n 1; echo 'This account is not available.'",
            "[host.shell] m1: the first command failed: This account is not available. Log in by hand",
        ),
    ],
)
def test_a_first_command_that_fails_is_told_in_its_own_words(play: Play, tmp_path: pathlib.Path, sudo: str, sentence: str) -> None:
    exe = tmp_path / "sudo"
    exe.write_text("#!/bin/sh\n%s\nexit 1\n" % sudo)
    exe.chmod(0o755)
    task = {"horaedb.cluster.host_check": {}}
    done = play(PAIR, [{"hosts": "m1", "tasks": [task]}], ansible_become=True, ansible_become_exe=str(exe), ansible_become_user="nobody")
    done.refused("1 finding; no host has been touched:", sentence)


def guard(*groups: str) -> list[dict[str, Any]]:
    """A play for each group, as in a playbook that pulls in the roles one after the other."""
    return [{"hosts": group, "roles": ["horaedb.cluster.preflight"]} for group in groups]


def test_what_a_role_would_refuse_is_refused_for_all_hosts_of_the_play_before_the_first_one(play: Play) -> None:
    groups = {
        "horaemeta": hosts(11, "m1", "m2", horaemeta_binary="/bin/sh", horaemeta_keep_generations="many", horaemeta_http_port="abc"),
        "horaedb": hosts(21, "d1", "d2", horaedb_private_users="perhaps"),
    }
    groups["horaedb"]["hosts"]["d2"]["horaedb_binary"] = "/bin/sh"
    done = play(groups, [{"hosts": "m1:d1", "tasks": [check(deploy=True), play.saving("checked")]}])
    done.refused("[value.missing] d1: horaedb_binary is not set. Set it; roles/horaedb/README.md says what it is.")
    assert re.findall(r"^  \[(\S+)\] (.+?): .*Correct (\w+)\.$", done.text, re.MULTILINE) == [
        ("value.type", "m1", "horaemeta_http_port"),
        ("value.type", "m2", "horaemeta_http_port"),
        ("value.type", "m1", "horaemeta_keep_generations"),
        ("value.type", "d1", "horaedb_private_users"),
    ]


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="preflight refuses a host where commands don't run as root")


@needs_root
def test_the_failure_of_somebody_else_s_play_is_told_as_it_was(play: Play) -> None:
    """Breaks when a copied roll without lock and journal ends with a complaint about an operation that was never begun."""
    block = {
        "block": [{"ansible.builtin.fail": {"msg": "the disk is full"}}],
        "rescue": [{"ansible.builtin.include_role": {"name": "horaedb.cluster.operation", "tasks_from": "fail"}}],
    }
    check = {"horaedb.cluster.topology_check": {"live": False}, "register": "preflight_result"}
    done = play(PAIR, [{"hosts": "all", "tasks": [check, block]}])
    done.refused("d1: the disk is full")
    assert "option operation" not in done.text, done.text


@pytest.mark.parametrize("role", ["horaemeta", "horaedb", "shard_keeper", "meta_proxy"])
def test_a_role_without_its_checks_says_so(play: Play, role: str) -> None:
    """Breaks when --start-at-task leaves the checks out and a host is touched, or the operator reads of a variable that nobody has set."""
    task = {"ansible.builtin.import_role": {"name": "horaedb.cluster." + role, "tasks_from": "converge", "rolespec_validate": False}}
    host = "m1" if role in ("horaemeta", "shard_keeper") else "d1"
    play(PAIR, [{"hosts": host, "tasks": [task]}]).refused("nothing was checked in this run. Run the role horaedb.cluster.preflight before")


@pytest.mark.parametrize("plays", [guard("all"), guard("horaemeta", "horaedb")], ids=["one play", "a play for each side"])
def test_the_guard_lets_fresh_hosts_pass(play: Play, plays: Sequence[dict[str, Any]]) -> None:
    done = play(PAIR, list(plays))
    assert done.code == 0, done.text


@needs_root
@pytest.mark.parametrize("plays", [guard("all"), guard("horaemeta")], ids=["one play", "the members' play"])
def test_the_guard_sees_the_data_nodes_disks_before_new_members_start(play: Play, plays: Sequence[dict[str, Any]]) -> None:
    done = play(PAIR, list(plays), horaedb_data_dir=HOLDS)
    done.refused("[data.members-empty] m1: HoraeMeta's data directory is empty, while the data nodes d1 hold data.")


@needs_root
def test_the_guard_refuses_to_make_a_cluster_of_some_of_its_hosts(play: Play) -> None:
    done = play(PAIR, guard("all"), "--limit", "m1")
    done.refused("[bootstrap.partial] d1: no cluster lives, and this run leaves them out;", "Run again without --limit.")


def test_the_binaries_of_all_hosts_are_judged_before_the_first_one_is_touched(play: Play) -> None:
    groups = {
        "horaemeta": hosts(11, "m1", "m2", horaemeta_binary="/bin/sh", horaemeta_checksum="sha256:" + "0" * 64),
        "horaedb": hosts(21, "d1", "d2", horaedb_binary="artifacts/not-there"),
    }
    groups["horaedb"]["hosts"]["d2"]["horaedb_binary"] = "http://192.0.2.1/horaedb-server"
    groups["horaedb"]["hosts"]["d3"] = dict(groups["horaedb"]["hosts"]["d1"], ansible_host="0.0.0.23")
    groups["horaedb"]["hosts"]["d3"].update(horaedb_binary="http://127.0.0.1:1/horaedb-server", horaedb_checksum="sha256:" + "0" * 64)
    groups["horaedb"]["hosts"]["d4"] = dict(groups["horaedb"]["hosts"]["d1"], ansible_host="0.0.0.24", horaedb_binary={"path": "/bin/sh"})
    done = play(groups, [{"hosts": "all", "tasks": [check(deploy=True)]}])
    done.refused("[artifact.binary] m1, m2: binary.checksum says sha256:%s, but /bin/sh" % ("0" * 64))
    done.refused("[artifact.binary] d1: binary.src: artifacts/not-there isn't on the controller")
    done.refused("is known. Correct horaedb_binary or horaedb_checksum.")
    done.refused("[artifact.binary] d3: the controller can't fetch http://127.0.0.1:1/horaedb-server: Connection refused.")
    done.refused("[artifact.binary] d4: binary.src says where horaedb-server comes from: a path, an address, an image, or a list of these.")


def test_what_an_engine_could_not_run_is_refused_before_the_first_host_is_touched(play: Play) -> None:
    groups = {
        "horaemeta": hosts(11, "m1", horaemeta_install_method="podman", horaemeta_binary="/bin/sh"),
        "horaedb": hosts(21, "d1", "d2", horaedb_install_method="docker", horaedb_binary="docker://apache/horaedb-server:v2.1.0"),
    }
    groups["horaedb"]["hosts"]["d2"]["horaedb_install_method"] = "lxc"
    done = play(groups, [{"hosts": "all", "tasks": [check(deploy=True)]}])
    done.refused("[artifact.binary] m1: podman runs images, and /bin/sh is none")
    done.refused("[artifact.binary] d1: docker://apache/horaedb-server:v2.1.0 has no digest.")
    done.refused("the container engine is 'lxc'; there are: docker, podman")



def test_a_mirror_that_fails_is_said_and_stops_nobody(play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    groups = {"horaemeta": hosts(11, "m1", horaemeta_binary="/bin/sh"), "horaedb": hosts(21, "d1", horaedb_binary=["/nonexistent/db", "/bin/sh"])}
    done = play(groups, [{"hosts": "all", "tasks": [check(deploy=True, live=False)]}], horaemeta_default_cluster_node_count=1)
    assert done.code == 0, done.text
    assert "[artifact.source] d1: A mirror failed, and the next one was asked." in done.text and "/nonexistent/db on the controller: No such file" in done.text

"""The two shells around the transaction, action plugin and module: what they send, how often, and what they never show."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import Any, Dict, List

import pytest
from ansible_collections.horaedb.cluster.plugins.action.daemon import ActionModule
from ansible_collections.horaedb.cluster.plugins.module_utils.service import run as service_run
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused

from tests.support.oci import docker_archive

DONE = {"changed": False, "steps": [], "invocation": {"module_args": {"configs": "canary"}}}


class Shell:
    tmpdir = None

    def join_path(self, *parts: str) -> str:
        return "/".join(parts)


class Connection:
    _shell = Shell()


class Task:
    action = "horaedb.cluster.daemon"
    async_val = 0
    check_mode = False
    diff = False

    def __init__(self, args: Dict[str, Any]) -> None:
        self.args = args

    def copy(self) -> Task:
        return Task(dict(self.args))


class Action(ActionModule):
    """With a host that answers from a list."""

    def __init__(self, args: Dict[str, Any], answers: List[Dict[str, Any]], packages: Any = None) -> None:
        self._task = Task(args)
        self._connection = Connection()
        self._play_context = self._loader = self._templar = None
        self._shared_loader_obj = packages
        self.answers = answers
        self.executed: List[Dict[str, Any]] = []
        self.vars: List[Dict[str, Any]] = []
        self.sent: List[str] = []

    def _low_level_execute_command(self, *_args: Any, **_more: Any) -> Dict[str, Any]:
        return {"stdout": "a host that tells nothing to a shell"}

    def _execute_module(self, module_args: Dict[str, Any], task_vars: Dict[str, Any], **_more: Any) -> Dict[str, Any]:  # type: ignore[override]
        self.executed.append(dict(module_args))
        self.vars.append(task_vars)
        return dict(self.answers[len(self.executed) - 1])

    def _find_needle(self, _folder: str, name: str) -> str:
        return name

    def _make_tmp_path(self) -> str:  # type: ignore[override]
        return "/tmp/ansible"

    def _transfer_file(self, local: str, remote: str) -> None:
        self.sent.append("%s -> %s" % (local, remote))

    def _fixup_perms2(self, _paths: Any) -> None:  # type: ignore[override]
        pass


class Installer:
    """Stands for Ansible's loader and for ansible.builtin.package: the first `failures` attempts fail."""

    def __init__(self, failures: int) -> None:
        self.action_loader = self
        self.failures = failures
        self.asked: List[Dict[str, Any]] = []

    def get(self, name: str, task: Task, **_more: Any) -> Installer:
        assert name == "ansible.builtin.package"
        self.asked.append(task.args)
        return self

    def run(self, **_more: Any) -> Dict[str, Any]:
        return {"failed": len(self.asked) <= self.failures, "msg": "No package matching"}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def program(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "tinyd"
    path.write_text("program")
    return path


def test_a_run_with_nothing_to_do_is_one_execution(program: pathlib.Path) -> None:
    action = Action({"binary": {"name": "tinyd", "src": str(program)}}, [DONE])
    assert action.run(task_vars={}) == {"changed": False, "steps": []}
    assert len(action.executed) == 1 and action.sent == []
    sha256 = hashlib.sha256(b"program").hexdigest()
    assert action.executed[0]["binary"] == {"name": "tinyd", "src": str(program), "checksum": "sha256:" + sha256, "size": 7}


def test_a_binary_is_sent_only_when_the_host_asks_for_it(program: pathlib.Path) -> None:
    action = Action({"binary": {"name": "tinyd", "src": str(program)}}, [{"needs": ["binary"], "packages": []}, dict(DONE, changed=True)])
    assert action.run(task_vars={})["changed"] is True
    assert action.sent == ["%s -> /tmp/ansible/binary" % program]
    assert [call["binary"].get("path") for call in action.executed] == [None, "/tmp/ansible/binary"]


PINNED = "registry.example.com/tiny@sha256:" + "a" * 64


class Clear:
    """Stands for a templar where nothing is templated."""

    def template(self, value: Any) -> Any:
        return value


def image(**more: Any) -> Dict[str, Any]:
    return {"engine": "podman", "src": "docker://" + PINNED, "program": "/usr/bin/tinyd", "hint": "Set tiny_binary.", **more}


def test_an_image_is_named_by_its_digest_and_its_engine_is_a_package() -> None:
    action = Action({"image": image()}, [DONE])
    assert action.run(task_vars={}) == {"changed": False, "steps": []}
    (sent,) = action.executed
    assert sent["image"]["reference"] == PINNED and not sent["image"].get("archive")
    assert {"name": "podman", "provides": "/usr/bin/podman"} in sent["packages"]


def test_an_archive_is_sent_only_when_the_host_asks_for_its_image(tmp_path: pathlib.Path) -> None:
    path, (identity,) = docker_archive(tmp_path, "v1")
    option = image(src="docker-archive:%s" % path)
    action = Action({"image": option}, [DONE])
    action.run(task_vars={})
    assert action.sent == [] and action.executed[0]["image"]["reference"] == identity
    action = Action({"image": option}, [{"needs": ["image"], "packages": []}, dict(DONE, changed=True)])
    assert action.run(task_vars={})["changed"] is True
    assert action.sent == ["%s -> /tmp/ansible/binary" % path]
    assert [call["image"].get("path") for call in action.executed] == [None, "/tmp/ansible/binary"]


@pytest.mark.parametrize("archived", [False, True])
def test_a_login_is_handed_over_only_where_something_is_pulled(tmp_path: pathlib.Path, archived: bool) -> None:
    option = image(src="docker-archive:%s" % docker_archive(tmp_path, "v1")[0]) if archived else image()
    action = Action({"image": option}, [DONE])
    action._templar = Clear()
    action.run(task_vars={"horaedb_cluster_registry_username": "me", "horaedb_cluster_registry_password": "canary", "horaedb_cluster_registry_tls_verify": False})
    sent = action.executed[0]["image"]
    assert ("canary" in json.dumps(sent)) is not archived
    assert sent.get("tls_verify") is (None if archived else False)


def test_a_wrong_image_reaches_no_host_and_is_said_with_what_sets_it() -> None:
    action = Action({"image": image(src="docker://registry.example.com/tiny:latest")}, [])
    result = action.run(task_vars={})
    assert result["failed"] and "has no digest" in result["msg"] and result["msg"].endswith("Set tiny_binary.")


def test_options_never_reach_the_journal_nor_the_result(program: pathlib.Path) -> None:
    action = Action({"binary": {"name": "tinyd", "src": str(program)}}, [dict(DONE, failed=True, msg="no")])
    result = action.run(task_vars={"a": 1})
    assert "canary" not in json.dumps(result) and "invocation" not in result
    assert action.vars == [{"a": 1, "ansible_no_target_syslog": True}]


@pytest.mark.parametrize("failures", [0, 1])
def test_packages_are_installed_with_new_lists_only_when_the_old_ones_do_not_do(failures: int) -> None:
    installer = Installer(failures)
    args = {"executable": "/usr/sbin/x", "packages": [{"name": "x", "provides": "/usr/sbin/x"}]}
    action = Action(args, [{"needs": ["packages"], "packages": ["x"]}, DONE], installer)
    result = action.run(task_vars={})
    assert (result["changed"], result["steps"]) == (True, ["install package x"])
    plain: Dict[str, Any] = {"name": ["x"], "state": "present"}
    assert installer.asked == [plain, dict(plain, update_cache=True)][: failures + 1]


def test_packages_that_cannot_be_installed_or_provide_something_else() -> None:
    args = {"executable": "/usr/sbin/x", "packages": [{"name": "x", "provides": "/usr/sbin/x"}]}
    needs = {"needs": ["packages"], "packages": ["x"]}
    result = Action(args, [needs, needs], Installer(2)).run(task_vars={})
    assert result["failed"] and "x can't be installed: No package matching" in result["msg"]
    result = Action(args, [needs, needs], Installer(0)).run(task_vars={})
    assert result["failed"] and "x (for /usr/sbin/x)" in result["msg"]


def test_a_missing_file_reaches_no_host(tmp_path: pathlib.Path) -> None:
    action = Action({"binary": {"name": "tinyd", "src": str(tmp_path / "missing")}}, [])
    result = action.run(task_vars={})
    assert result["failed"] and "No such file" in result["msg"] and action.executed == []


@pytest.mark.parametrize(
    ("binary", "says"),
    [
        ({"src": "{program}", "checksum": "sha256:" + "0" * 64}, "it is another file than was meant."),
        ({"src": "http://127.0.0.1:1/tinyd"}, "only taken when its sha256:<hex> is known."),
        ({}, "a path, an address, an image, or a list of these."),
        ({"src": []}, "a path, an address, an image, or a list of these."),
        ({"src": ["{program}", 7]}, "a path, an address, an image, or a list of these."),
        ({"src": "docker://example.com/tinyd"}, "neither a tag nor a digest: which version is meant?"),
    ],
)
def test_a_wrong_binary_is_said_with_what_sets_it(binary: Dict[str, Any], says: str, program: pathlib.Path) -> None:
    named = {key: value.format(program=program) if isinstance(value, str) else value for key, value in binary.items()}
    action = Action({"binary": {"name": "tinyd", "hint": "It is set by tiny_binary.", **named}}, [])
    result = action.run(task_vars={})
    assert result["failed"] and result["msg"].endswith(says + " It is set by tiny_binary.") and action.executed == []


def test_an_address_may_stand_where_a_path_does(program: pathlib.Path) -> None:
    """One variable of a role names either."""
    sha256 = "sha256:" + hashlib.sha256(b"program").hexdigest()
    args = {"binary": {"name": "tinyd", "src": program.as_uri(), "checksum": sha256}}
    action = Action(args, [{"needs": ["binary"], "packages": []}, DONE])
    assert not action.run(task_vars={}).get("failed")
    assert [line.endswith(" -> /tmp/ansible/binary") for line in action.sent] == [True]


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_the_binary_is_not_looked_for_when_it_is_not_wanted(state: str) -> None:
    action = Action({"state": state, "binary": {"name": "tinyd", "src": "/no/such/file"}}, [DONE])
    assert not action.run(task_vars={}).get("failed")


OPTIONS = {
    "name": "tiny",
    "root": "/opt/tiny",
    "user": "tiny",
    "group": "tiny",
    "executable": "/bin/true",
    "unit": "Environment=HORAE_GENERATION=@generation@ # canary",
    "configs": [{"name": "tiny.toml", "content": "canary"}],
    "environment": {"A": "canary"},
}


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize(
    "outcome", [{"changed": False}, {"failed": True, "msg": "x"}, Refused("refused"), OSError(28, "No space left", "/opt")]
)
def test_the_module_answers_without_its_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path, outcome: Any, root: bool
) -> None:
    from ansible.module_utils.testing import patch_module_args
    from ansible_collections.horaedb.cluster.plugins.modules import daemon

    def run(*_arguments: Any) -> Dict[str, Any]:
        if isinstance(outcome, Exception):
            raise outcome
        return dict(outcome)

    monkeypatch.setattr(service_run, "run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    with patch_module_args(dict(OPTIONS, root=str(tmp_path / "tiny"), _ansible_no_log=True)), pytest.raises(SystemExit):
        daemon.main()
    shown = capsys.readouterr().out
    assert "canary" not in shown
    answer = json.loads(shown)
    if not root:
        assert "set become to true" in answer["msg"]
    elif isinstance(outcome, OSError):
        assert answer["msg"].startswith("/opt: No space left. What was in use before is still in place")
    elif isinstance(outcome, Refused):
        assert answer["msg"] == "refused"
    else:
        assert answer == dict(outcome, invocation={})

"""The module as Ansible runs it, and preflight as ansible-playbook runs it: what is refused, what is written, what is never shown."""

from __future__ import annotations

import json
import pathlib
import platform
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.horaedb.cluster.plugins.modules import storage_check

from tests.support.brokers import Broker
from tests.support.objects import Keys, Objects
from tests.unit.action.test_checks import Play, Run, hosts  # noqa: E402

MARK = {"cluster": "defaultCluster", "members": {"http://192.0.2.11:2380": "m"}}
# As many findings as ever at once, and never a traceback.
NOTHING_THERE = {"type": "S3", "endpoint": "http://no-such-name.invalid", "bucket": "b", "prefix": "p", "region": "r", "key_id": "id", "key_secret": "canary"}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def execute(check: bool = False, **options: Any) -> dict[str, Any]:
        with patch_module_args({"_ansible_check_mode": check, "timeout": 10, **options}), pytest.raises(SystemExit) as ended:
            storage_check.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) == bool(ended.value.code)
        # ssh's plugin prints with -vvv what comes back from a host, and Ansible's own would have every option in it.
        assert result.pop("invocation") == {}
        return result

    return execute


class TestModule:
    def test_what_is_right_is_told(self, run: Any, s3: Objects, keys: Keys, broker: Broker) -> None:
        broker.topics = ["wal_data_3"]
        wal = {"type": "Kafka", "kafka": {"client": {"boost_brokers": [broker.name]}}}
        result = run(object_store=s3.table(keys, "horaedb", prefix="module"), wal=wal)
        assert (result["changed"], result["time"] > 0) == (False, True)
        assert result["storage"] == {
            "store": "S3 %s horaedb/module" % s3.url,
            "wal": "Kafka %s" % broker.name,
            "holds": False,
            "owner": None,
            "topics": ["wal_data_3"],
            "findings": [],
        }

    def test_both_are_refused_at_once_or_only_told(self, run: Any) -> None:
        asked = {"object_store": NOTHING_THERE, "wal": {"type": "Kafka"}}
        result = run(**asked)
        here = platform.node()
        assert "2 findings" in result["msg"] and "[store.name] %s: " % here in result["msg"] and "[wal.brokers] %s: " % here in result["msg"]
        told = run(**asked, refuse=False)
        assert [finding["rule"] for finding in told["storage"]["findings"]] == ["store.name", "wal.brokers"]
        assert "canary" not in json.dumps([result, told])

    @pytest.mark.parametrize("kind", ["Local", "RocksDB"])
    def test_local_ones_are_looked_at_and_nothing_remote_is(self, run: Any, tmp_path: pathlib.Path, kind: str) -> None:
        (tmp_path / "file").touch()
        result = run(object_store={"type": "Local", "data_dir": str(tmp_path)}, wal={"type": kind, "data_dir": str(tmp_path / "file")})
        assert "[disk.folder]" in result["msg"] and "horaedb_wal.data_dir" in result["msg"]
        assert (result["storage"]["store"], result["storage"]["wal"]) == ("", "")

    def test_warnings_let_it_go_on(self, run: Any, s3: Objects, keys: Keys, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        # In a process that has Ansible's controller in it as well, Ansible itself gives warnings another way.
        monkeypatch.setattr(storage_check.AnsibleModule, "warn", lambda _module, text: said.append(text))
        wal = {"type": "Kafka", "kafka": {"client": {"boost_brokers": ["127.0.0.1:1", broker.name]}}}
        assert not run(object_store=s3.table(keys, "horaedb"), wal=wal).get("failed")
        assert [text for text in said if text.startswith("[wal.connect] %s: " % platform.node())] == said != []

    def test_check_mode_only_reads(self, run: Any, s3: Objects) -> None:
        """With rights to read alone, a write would be seen."""
        table = s3.table(s3.user("checker", "s3:ListBucket", "s3:GetObject"), "horaedb")
        assert run(check=True, object_store=table)["storage"]["findings"] == []
        assert "[store.denied]" in run(object_store=table)["msg"]

    def test_time_has_to_pass(self, run: Any) -> None:
        assert "timeout has to be more than 0" in run(timeout=0)["msg"]

    def test_a_mark_is_written_and_shown(self, run: Any, s3: Objects, keys: Keys) -> None:
        s3.bucket("marked")
        table = s3.table(keys, "marked")
        foreseen = run(check=True, object_store=table, claim=MARK)
        assert (foreseen["changed"], s3.names("marked")) == (True, [])
        result = run(object_store=table, claim=MARK)
        assert result["changed"] and result["diff"] == foreseen["diff"]
        assert json.loads(s3.text("marked", "production/.horaedb-cluster-owner")) == MARK == json.loads(result["diff"]["after"])

    def test_a_mark_that_cannot_be_written_is_a_sentence(self, run: Any) -> None:
        assert "the name of the object store http://no-such-name.invalid can't be resolved" in run(object_store=NOTHING_THERE, claim=MARK)["msg"]


class TestGuard:
    """One member and one data node, both of them this machine; nothing lives there."""

    @pytest.fixture
    def guard(self, tmp_path: pathlib.Path, broker: Broker) -> Callable[..., Run]:
        def execute(store: dict[str, Any], *arguments: str, **variables: Any) -> Run:
            groups = {"horaemeta": hosts(11, "m1", horaemeta_binary="/bin/sh"), "horaedb": hosts(21, "d1", horaedb_binary="/bin/sh")}
            wal = {"type": "Kafka", "kafka": {"client": {"boost_brokers": [broker.name]}}}
            usual = {"horaemeta_topology_type": "dynamic", "horaedb_object_store": store, "horaedb_wal": wal}
            plays = [{"hosts": "all", "any_errors_fatal": True, "roles": ["horaedb.cluster.preflight"]}]
            return Play(tmp_path)(groups, plays, *arguments, **{**usual, **variables})

        return execute

    def test_a_wrong_secret_is_refused_and_never_shown(self, guard: Any, s3: Objects, keys: Keys) -> None:
        """Breaks when a node's finding doesn't stop the run, or when a key gets into the output, however much an operator wants to see."""
        store = {**s3.table(keys, "horaedb", prefix="refused"), "key_secret": "canary-secret"}
        done = guard(store, "-vvv", "--diff")
        done.refused("1 finding; no host has been touched:", "[store.secret] d1: ", "horaedb_object_store.key_secret")
        assert "canary-secret" not in done.text
        assert not [name for name in s3.names("horaedb") if name.startswith("refused/")]

    @pytest.mark.parametrize("wrong", [{"object_store": "canary-secret"}, {"object_store": {"key_secret": "canary-secret"}, "timeout": "soon"}])
    def test_a_wrong_option_is_not_sent(self, tmp_path: pathlib.Path, wrong: dict[str, Any]) -> None:
        """Breaks when the host is asked with it, and answers with all options."""
        task = {"horaedb.cluster.storage_check": wrong}
        done = Play(tmp_path)({"horaedb": hosts(21, "d1")}, [{"hosts": "all", "tasks": [task]}], "-vvv")
        done.refused("unable to convert")
        assert "AnsiballZ" not in done.text and "canary-secret" not in done.text

    def test_settings_win_over_the_variable_and_are_named(self, guard: Any, s3: Objects, keys: Keys) -> None:
        """Breaks when something else is tried than what will be in the file, or the variable that counts isn't told."""
        over = {"analytic": {"storage": {"object_store": {"endpoint": "http://no-such-name.invalid"}}}}
        done = guard(s3.table(keys, "horaedb"), horaedb_settings=over)
        done.refused("[store.name] d1: the name of the object store http://no-such-name.invalid", "horaedb_settings.analytic.storage.object_store on d1")

    def test_the_mark_is_made_once_and_respected(self, guard: Any, s3: Objects, keys: Keys, broker: Broker) -> None:
        s3.bucket("guarded")
        store = s3.table(keys, "guarded")
        foreseen = guard(store, "--check", "--diff")
        assert (foreseen.code, s3.names("guarded")) == (0, []), foreseen.text
        assert '"cluster": "defaultCluster"' in foreseen.text and "changed=1" in foreseen.text
        for changes in ("changed=1", "changed=0"):
            done = guard(store)
            assert done.code == 0 and "d1                         : ok=" in done.text, done.text
            assert changes in done.text.split("PLAY RECAP")[1].splitlines()[1], done.text
            assert s3.names("guarded") == ["production/.horaedb-cluster-owner"]
        other = s3.text("guarded", "production/.horaedb-cluster-owner").replace("0.0.0.11", "192.0.2.99")
        s3.admin.put_object(Bucket="guarded", Key="production/.horaedb-cluster-owner", Body=other.encode())
        guard(store).refused("[store.foreign] d1: guarded/production belongs to another cluster: cluster defaultCluster with http://192.0.2.99:2380.")
        broker.topics = ["wal_data_0"]
        guard(store, "-e", "horaedb_cluster_take_storage=guarded/production").refused("1 finding", "[wal.topics] d1: ")
        assert s3.text("guarded", "production/.horaedb-cluster-owner") == other
        broker.topics = []
        taken = guard(store, "-e", "horaedb_cluster_take_storage=guarded/production")
        assert taken.code == 0, taken.text
        assert "0.0.0.11" in s3.text("guarded", "production/.horaedb-cluster-owner")

    def test_local_storage_costs_no_execution(self, guard: Any) -> None:
        done = guard({"type": "Local"}, horaedb_wal={"type": "Local"}, horaemeta_topology_type="static")
        assert done.code == 0, done.text
        assert "storage_check" not in done.text and "Validate the storage" not in done.text

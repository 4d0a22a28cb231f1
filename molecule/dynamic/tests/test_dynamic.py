"""Dynamic topology on S3 and Kafka. The tests run in the order of this file: storage that is wrong, the deployment, the loss of a node."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from conftest import BUCKET, Operator, Storage, kafka_table

from tests.support import fingerprint
from tests.support.brokers import free_port
from tests.support.cluster import SHARDS, Cluster, until
from tests.support.machines import Machines
from tests.support.playbook import Run
from tests.support.rows import Rows
from tests.support.traffic import Refused, sql

CHECK, OPERATION = "horaedb.cluster.storage_check", "horaedb.cluster.operation"
MARK = "production/.horaedb-cluster-owner"
# A dead node's shards are out for 24.5 s; here with some room for a busy machine.
FAILOVER = 60


@pytest.fixture(scope="class")
def untouched(hosts: dict[str, Any], storage: Storage) -> Iterator[None]:
    """Nothing on the hosts and nothing in the bucket is another after these tests than before."""
    before = fingerprint.take(hosts), storage.s3.names(BUCKET)
    yield
    assert not (differences := fingerprint.differences(before[0], fingerprint.take(hosts))), "\n".join(differences)
    assert storage.s3.names(BUCKET) == before[1]


def assert_refused(run: Run, *findings: Sequence[str]) -> None:
    """Each finding in one line, all of them in one run, before a daemon's module ran anywhere."""
    assert run.rc != 0, run.output
    for words in findings:
        assert any(all(word in line for word in words) for line in run.output.splitlines()), (words, run.output)
    assert "no host has been touched" in run.output and "Traceback" not in run.output
    assert {module for _host, module in run.executions} == {CHECK, OPERATION}


@pytest.mark.usefixtures("untouched")
class TestRefused:
    def test_no_bucket_and_no_broker(self, operator: Operator, storage: Storage) -> None:
        """Breaks when HoraeDB is started on a store that loses what it has acknowledged."""
        port = free_port(storage.address)
        run = operator.run(
            horaedb_object_store=dict(storage.store, bucket="nowhere"), horaedb_wal=kafka_table("%s:%d" % (storage.address, port))
        )
        assert_refused(
            run,
            ["2 findings"],
            ["[store.bucket] db1, db2, db3:", "no bucket nowhere", "horaedb_object_store.bucket"],
            ["[wal.connect] db1, db2, db3:", "%s:%d" % (storage.address, port), "connection refused", "boost_brokers"],
        )

    def test_a_secret_that_is_wrong_on_one_node(self, operator: Operator, storage: Storage) -> None:
        """Breaks when only one node is asked, or when a secret gets into the output, however much an operator wants to see."""
        wrong = dict(storage.store, key_secret="canary-" + storage.secret)
        run = operator.run("-vvv", "--diff", hosts={"db2": {"horaedb_object_store": wrong}})
        assert_refused(run, ["[store.secret] db2:", "horaedb_object_store.key_secret"])
        assert "canary-" not in run.output and storage.secret not in run.output

    def test_what_belongs_to_another_cluster(self, operator: Operator, storage: Storage) -> None:
        """Breaks when two clusters may write the same names into one bucket or into one Kafka."""
        other = json.dumps({"cluster": "defaultCluster", "members": {"http://192.0.2.11:2380": "0123456789abcdef"}})
        storage.s3.admin.put_object(Bucket=BUCKET, Key=MARK, Body=other.encode())
        run = operator.run(horaedb_wal=kafka_table(storage.outsider.name))
        storage.s3.admin.delete_object(Bucket=BUCKET, Key=MARK)
        assert_refused(
            run,
            ["[store.foreign] db1, db2, db3:", "http://192.0.2.11:2380", "horaedb_cluster_take_storage=horaedb/production"],
            ["[wal.topics] db1, db2, db3:", "manifest_data_0, wal_data_0", "kafka-topics.sh"],
        )


def test_it_deploys_and_marks_the_storage_and_shows_no_secret(
    operator: Operator, storage: Storage, cluster: Cluster, hosts: dict[str, Any]
) -> None:
    """Breaks when the check refuses what is right, when the mark isn't made, or when a key gets into output or journal."""
    run = operator.run("--diff")
    assert run.rc == 0, run.output
    cluster.assert_whole()
    mark = json.loads(storage.s3.text(BUCKET, MARK))
    assert list(mark["members"]) == ["http://%s:2380" % address for address in cluster.members.values()]
    # The proof's flush got there.
    assert [name for name in storage.s3.names(BUCKET) if name != MARK]
    assert storage.secret not in run.output
    for host in hosts.values():
        assert storage.secret not in host.check_output("journalctl --output=verbose --no-pager")


def test_the_same_again_changes_nothing_and_asks_each_node_once(operator: Operator, storage: Storage, cluster: Cluster) -> None:
    """Breaks when a cluster takes its own mark, objects and topics for another's, or when a run costs more than one look per node."""
    before = storage.s3.text(BUCKET, MARK)
    run = operator.run()
    assert (run.rc, run.changed) == (0, 0), run.output
    tried = Counter({host: count for (host, module), count in run.executions.items() if module == CHECK})
    assert tried == Counter(dict.fromkeys(cluster.nodes, 1))
    assert storage.s3.text(BUCKET, MARK) == before


def test_the_shards_of_a_dead_node_come_back_on_the_others(cluster: Cluster, machines: Machines) -> None:
    """Breaks when data nodes don't share their storage, or when failover is off."""
    rows = Rows(cluster)
    rows.write()
    lost = {shard for shard, host in cluster.view().items() if host == "db1"}
    assert lost
    machines.kill("db1", "horaedb")
    left = Cluster(cluster.members, {host: address for host, address in cluster.nodes.items() if host != "db1"})
    until(lambda: missing(left, rows), FAILOVER)
    assert lost <= set(left.view())


def missing(left: Cluster, rows: Rows) -> str | None:
    """What the nodes that are left don't serve yet: shards, or rows that were acknowledged."""
    try:
        view = left.view()
        if set(view) != SHARDS:
            return "the view has shards %s" % sorted(view)
        for host in left.nodes:
            for table in rows.owners.values():
                said = sql(left.sql(host), "SELECT value FROM %s" % table)["rows"]
                if len(said) != 5:  # type: ignore[arg-type]
                    return "%s has %s" % (table, said)
    except (Refused, KeyError) as refused:
        return str(refused)
    return None

"""Cluster metadata in etcd, below <storage-root-path>/v1. Every write is fenced by the leader's key."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from common import protobuf
from common.etcd import Etcd, EtcdError, b64, drop, put

from horaemeta.model import ClusterInfo, View


@dataclass(frozen=True)
class Table:
    id: int
    name: str
    shard: int
    created_at: int
    schema_name: str = "public"
    schema: Dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> Dict[str, Any]:
        """As the HTTP API shows it."""
        return {
            "ID": self.id,
            "Name": self.name,
            "SchemaID": 0,
            "SchemaName": self.schema_name,
            "PartitionInfo": {},
            "CreatedAt": self.created_at,
        }


@dataclass(frozen=True)
class Loaded:
    info: ClusterInfo
    view: View
    tables: List[Table]
    shard_versions: Dict[int, int]


def leader_key(root: str) -> str:
    return "%s/members/leader" % root


class Store:
    def __init__(self, etcd: Etcd, root: str, id_step: int) -> None:
        self._etcd = etcd
        self.root = root
        self._base = root + "/v1"
        self._id_step = id_step
        self._leader_revision: Optional[int] = None
        self._ids: Dict[str, List[int]] = {}

    def begin_term(self, leader_revision: int) -> None:
        self._leader_revision = leader_revision
        self._ids = {}

    def _write(self, operations: List[Dict[str, Any]]) -> None:
        fence = {
            "key": b64(leader_key(self.root)),
            "target": "CREATE",
            "result": "EQUAL",
            "create_revision": str(self._leader_revision),
        }
        if not self._etcd.txn(operations, [fence]):
            raise EtcdError("this member no longer leads")

    def _cluster(self, cluster: int) -> str:
        return "%s/cluster/%020d" % (self._base, cluster)

    def next_id(self, what: str) -> int:
        """Taken in batches; the rest of a batch is lost with its leader."""
        batch = self._ids.setdefault(what, [])
        if not batch:
            key = "%s/alloc_id/%s" % (self._base, what)
            known = self._etcd.get(key)
            start = int(known.value) if known else 0
            self._write([put(key, str(start + self._id_step))])
            batch.extend(range(start, start + self._id_step))
        return batch.pop(0)

    def save_info(self, info: ClusterInfo) -> None:
        self._write([put("%s/info/cluster/%020d" % (self._base, info.id), json.dumps(info.to_json()))])

    def save_view(self, cluster: int, view: View, former: Optional[View] = None) -> None:
        """Only the version is compared, and not who leads: a leader that was cut off, and is back, takes from the next one's view what it forgot."""
        key = "%s/cluster_view/" % self._cluster(cluster)
        value = json.dumps({"state": view.state, "version": view.version, "entries": view.entries})
        writes = [put(key + "%020d" % view.version, value), put(key + "latest_version", "%020d" % view.version)]
        if former is None:
            self._write(writes)
            return
        same = {"key": b64(key + "latest_version"), "target": "VALUE", "result": "EQUAL", "value": b64("%020d" % former.version)}
        if not self._etcd.txn(writes, [same]):
            raise EtcdError("(#500)storage update cluster view, cause:cluster view may have been modified, clusterID:%d" % cluster)

    def touch(self, cluster: int, node: str, milliseconds: int) -> None:
        """Each heartbeat is written down, as the protobuf message of a node: its name, and the leader's time."""
        self._write([put("%s/node/%s" % (self._cluster(cluster), node), protobuf.encode({1: node, 3: milliseconds}))])

    def save_table(self, cluster: int, table: Table, shard_version: int) -> None:
        value = json.dumps([table.id, table.name, table.shard, table.created_at, table.schema_name, table.schema])
        self._write([put(self._table_key(cluster, table.id), value), self._version(cluster, table.shard, shard_version)])

    def drop_table(self, cluster: int, table: Table, shard_version: int) -> None:
        self._write([drop(self._table_key(cluster, table.id)), self._version(cluster, table.shard, shard_version)])

    def create_shards(self, info: ClusterInfo) -> None:
        for shard in range(info.shard_total):
            self._write([self._version(info.id, shard, 0)])

    def _table_key(self, cluster: int, table: int) -> str:
        return "%s/table/%020d" % (self._cluster(cluster), table)

    def _version(self, cluster: int, shard: int, version: int) -> Dict[str, Any]:
        return put("%s/shard_view/%020d/latest_version" % (self._cluster(cluster), shard), str(version))

    def load(self) -> List[Loaded]:
        found = self._etcd.range("%s/info/cluster/" % self._base, prefix=True)
        return [self._load_one(ClusterInfo.from_json(json.loads(kv.value))) for kv in found]

    def _load_one(self, info: ClusterInfo) -> Loaded:
        base = self._cluster(info.id)
        view = View()
        latest = self._etcd.get(base + "/cluster_view/latest_version")
        saved = self._etcd.get(base + "/cluster_view/" + latest.value) if latest else None
        if saved:
            data = json.loads(saved.value)
            view = View(data["state"], data["version"], tuple((shard, node) for shard, node in data["entries"]))
        tables = [Table(*json.loads(kv.value)) for kv in self._etcd.range(base + "/table/", prefix=True)]
        versions = self._etcd.range(base + "/shard_view/", prefix=True)
        return Loaded(info, view, tables, {int(kv.key.split("/")[-2]): int(kv.value) for kv in versions})

    def shard_locks(self, cluster_name: str) -> Dict[int, str]:
        """{shard: node that holds its lock}; the data nodes write these keys."""
        found = self._etcd.range("%s/%s/shards/" % (self.root, cluster_name), prefix=True)
        return {int(kv.key.rsplit("/", 1)[1]): str(protobuf.decode(kv.raw).get(1, "")) for kv in found}

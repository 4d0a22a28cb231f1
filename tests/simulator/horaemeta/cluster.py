"""One cluster as its leader runs it: heartbeats in, inspector and scheduler ticking, tables made and dropped."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from common import log
from common.etcd import EtcdError
from common.http import Unreachable

from horaemeta.dispatch import Dispatcher, DispatchError
from horaemeta.model import STABLE, ClusterModel, NodeReport, View
from horaemeta.procedures import Procedures
from horaemeta.scheduler import TICK, DynamicScheduler, Transfer, UnexpectedCase, reopen, scheduler_for
from horaemeta.store import Loaded, Store, Table

LOCK_WATCH = 0.5


class ClusterError(Exception):
    """A request that this cluster refuses, in the daemon's words."""


class TableExists(ClusterError):
    """It doesn't matter whether the statement said IF NOT EXISTS."""


class Cluster:
    def __init__(
        self, loaded: Loaded, store: Store, dispatcher: Dispatcher, clock: Callable[[], float], panic: Callable[[str], None]
    ) -> None:
        self.model = ClusterModel(loaded.info, loaded.view)
        self.tables: Dict[int, Table] = {table.id: table for table in loaded.tables}
        self.shard_versions = loaded.shard_versions
        self.scheduler = scheduler_for(loaded.info.topology_type)
        self.procedures = Procedures(self._open_order, dispatcher, store)
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._panic = panic
        self._lock = threading.RLock()
        self._ddl = threading.Lock()
        self._stopped = threading.Event()

    @property
    def name(self) -> str:
        return self.model.info.name

    def start(self) -> None:
        loops: List[Tuple[float, Callable[[], None]]] = [(TICK, self._tick)]
        if isinstance(self.scheduler, DynamicScheduler):
            loops.append((LOCK_WATCH, self._lock_watch()))
        for pause, work in loops:
            threading.Thread(target=self._loop, args=(pause, work), daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self.procedures.stop()

    def _loop(self, pause: float, work: Callable[[], None]) -> None:
        while not self._stopped.wait(pause):
            try:
                work()
            except (Unreachable, EtcdError) as error:
                log.error("cluster %s: %s" % (self.name, error))
            except UnexpectedCase as error:
                self._panic(str(error))

    def _save(self, view: View) -> None:
        if view != self.model.view:
            self._store.save_view(self.model.info.id, view, self.model.view)
            self.model.view = view

    def heartbeat(self, node: str, shards: Dict[int, str]) -> None:
        with self._lock:
            self._store.touch(self.model.info.id, node, int(time.time() * 1000))
            self._save(self.model.register(NodeReport(node, self._clock(), shards)))

    def _tick(self) -> None:
        """The inspector, then the scheduler: in the real one two loops of equal period, whose race is decided here."""
        with self._lock:
            self._save(self.model.without_expired(self._clock()))
            if self.model.prepared():
                self._save(self.model.view.changed(self.model.view.entries, STABLE))
                return
            now = self._clock()
            transfers = self.scheduler.tick(self.model, now) + reopen(self.model, now)
        batch = list(dict.fromkeys(transfers))[: self.model.info.batch_size]
        if batch:
            self.procedures.submit(batch)

    def _lock_watch(self) -> Callable[[], None]:
        """In dynamic topology a shard whose lock has gone from etcd leaves the map at once."""
        held: Dict[int, str] = {}

        def look() -> None:
            now = self._store.shard_locks(self.name)
            gone = {(shard, node) for shard, node in held.items() if now.get(shard) != node}
            held.clear()
            held.update(now)
            with self._lock:
                self._save(self.model.without(gone))

        return look

    def transfer(self, shard: int, old: str, new: str) -> None:
        """Raises ClusterError. Success only means that it was queued."""
        with self._lock:
            if not 0 <= shard < self.model.info.shard_total:
                raise ClusterError("(#404)shard not found, cause:<nil>")
            current = self.model.view.node_of(shard)
            if old and not self.model.view.entries:
                raise ClusterError("(#404)shard not found, cause:<nil>")
            if old and current is not None and current != old:
                raise ClusterError("(#404)NodeName not found, cause:<nil>")
        self.procedures.submit([Transfer(shard, old, new)])

    def unmap(self, shards: Sequence[int]) -> List[Tuple[int, str]]:
        with self._lock:
            gone = [entry for entry in self.model.view.entries if entry[0] in shards]
            self._save(self.model.without(set(gone)))
            return gone

    def update(self, topology_type: str, batch_size: int) -> None:
        with self._lock:
            self.model.update(topology_type, batch_size, now_ms())
            self._store.save_info(self.model.info)

    def table(self, name: str, schema: str = "public") -> Optional[Table]:
        with self._lock:
            return next((t for t in self.tables.values() if t.name == name and t.schema_name == schema), None)

    def tables_of(self, shard: int) -> List[Table]:
        with self._lock:
            return [table for table in self.tables.values() if table.shard == shard]

    def node_of(self, shard: int) -> Optional[str]:
        with self._lock:
            return self.model.view.node_of(shard)

    def _open_order(self, shard: int) -> Dict[str, Any]:
        tables = [{"id": t.id, "name": t.name, "schema": t.schema} for t in self.tables_of(shard)]
        return {"shard": shard, "version": self.shard_versions.get(shard, 0), "tables": tables}

    def create_table(self, name: str, schema: Dict[str, Any]) -> Table:
        """Raises ClusterError."""
        with self._ddl:
            if self.table(name):
                raise TableExists("table shard already exists: (#500)table already exists, cause:<nil>")
            with self._lock:
                load = {shard: len(self.tables_of(shard)) for shard, _ in self.model.view.entries}
                stable = self.model.view.state == STABLE
            if not load:
                raise ClusterError("pick table shard: no shard is assigned: (#500)node number not enough, cause:<nil>")
            if not stable:
                raise ClusterError("invalid cluster state, cluster state must be stable: (#500)cluster state invalid, cause:<nil>")
            shard = min(load, key=lambda s: (load[s], s))
            table = Table(self._store.next_id(self.name + "/TableID"), name, shard, now_ms(), "public", schema)
            self._order(shard, "create_table", {"id": table.id, "name": name, "schema": schema})
            self._store.save_table(self.model.info.id, table, self._next_version(shard))
            with self._lock:
                self.tables[table.id] = table
            return table

    def drop_table(self, name: str) -> bool:
        """False when there is none. Raises ClusterError."""
        with self._ddl:
            table = self.table(name)
            if table is None:
                return False
            self._order(table.shard, "drop_table", {"id": table.id, "name": name})
            self._forget(table)
            return True

    def forget_table(self, name: str, schema: str) -> None:
        """What DELETE /table does: only the metadata goes. Raises ClusterError."""
        with self._ddl:
            table = self.table(name, schema)
            if table is None:
                raise ClusterError("(#404)table not found, cause:<nil>")
            if self.node_of(table.shard) is None:
                raise ClusterError("(#404)shard not found, cause:<nil>")
            self._forget(table)

    def _forget(self, table: Table) -> None:
        self._store.drop_table(self.model.info.id, table, self._next_version(table.shard))
        with self._lock:
            del self.tables[table.id]

    def _next_version(self, shard: int) -> int:
        self.shard_versions[shard] = self.shard_versions.get(shard, 0) + 1
        return self.shard_versions[shard]

    def _order(self, shard: int, order: str, body: Dict[str, Any]) -> None:
        node = self.node_of(shard)
        if node is None:
            raise ClusterError("(#404)shard not found, cause:shard %d has no node" % shard)
        try:
            self._dispatcher.send(node, order, dict(body, shard=shard, version=self.shard_versions.get(shard, 0) + 1))
        except DispatchError as error:
            raise ClusterError("dispatch %s: %s" % (order, error)) from error

    def snapshot(self) -> View:
        with self._lock:
            return self.model.view


def now_ms() -> int:
    return int(time.time() * 1000)

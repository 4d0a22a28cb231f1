"""All clusters of the present leader. Loaded at its election, gone with it.

One lock guards them, taken as the real one takes it: an election writes twice, first to load the clusters, then to create the default one,
which exists as a rule; a heartbeat reads twice, one inside the other. A heartbeat that waits while the clusters are loaded is let in when
that ends, the second writer waits for it, and it waits for the second writer: the leader hangs for ever (see common/rwlock.py).
"""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, List, Optional, Tuple

from common import log
from common.etcd import EtcdError
from common.http import Unreachable
from common.knobs import Knobs
from common.rwlock import RwLock

from horaemeta.cluster import Cluster, now_ms
from horaemeta.config import Config
from horaemeta.dispatch import Dispatcher
from horaemeta.model import ClusterInfo, View
from horaemeta.store import Loaded, Store

# Measured: 13 ms on an empty cluster, 60 to 70 ms with 3,000 tables.
LOAD_BASE = 0.013
LOAD_PER_TABLE = 0.000018
# The knobs HANG (at an election) and HANG_TRANSFER (when a leader steps down): a probability, `next`, or for HANG also this: whatever comes of the
# heartbeats that are on their way. Without a knob nothing hangs: a suite in which every fiftieth election does proves less, not more.
AS_IT_COMES = "real"
PATIENCE = 0.001


class Manager:
    def __init__(
        self,
        config: Config,
        store: Store,
        panic: Callable[[str], None],
        knobs: Knobs,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._store = store
        self._panic = panic
        self._knobs = knobs
        self._clock = clock
        self._lock = RwLock()
        self._clusters: Dict[str, Cluster] = {}
        self._running = False
        # Asked for by PUT /debug/simulator/..., each for one time.
        self.hang_next_election = False
        self.hang_next_transfer = False

    @property
    def stuck(self) -> bool:
        """Whether somebody who reads waits for a writer who waits for readers: for a moment, or for ever."""
        return self._lock.readers > 0 and self._lock.writer and self._lock.waiting_readers > 0

    def elected(self, revision: int) -> None:
        """Panics when etcd fails meanwhile."""
        hang, as_it_comes = self._hangs_now()
        try:
            with self._lock.write():
                if hang:
                    self._have_a_heartbeat_wait()
                self._load(revision)
                self._running = True
                if not hang and not as_it_comes:
                    self._create_default()
            if hang or as_it_comes:
                with self._lock.write():
                    self._create_default()
        except (Unreachable, EtcdError) as error:
            self._panic("cluster manager fail to start, err:%s" % error)

    def _hangs_now(self) -> Tuple[bool, bool]:
        asked, self.hang_next_election = self.hang_next_election, False
        if self._knobs.read("HANG") == AS_IT_COMES:
            return asked, True
        return asked or self._knobs.happens("HANG", 0.0), False

    def _have_a_heartbeat_wait(self) -> None:
        """The lock is held; somebody who registers waits for it when this returns."""
        threading.Thread(target=self.register, args=("", "", {}), daemon=True).start()
        while not self._lock.waiting_readers:
            time.sleep(PATIENCE)

    def _load(self, revision: int) -> None:
        self._store.begin_term(revision)
        dispatcher = Dispatcher(self._clock)
        found = self._store.load()
        time.sleep(LOAD_BASE + LOAD_PER_TABLE * sum(len(loaded.tables) for loaded in found))
        self._clusters = {}
        for loaded in found:
            log.info("open cluster successfully", "cluster/manager.go:463", cluster=loaded.info.name)
            self._begin(loaded, dispatcher)

    def _create_default(self) -> None:
        config = self._config
        name = config["default-cluster-name"]
        if name in self._clusters:
            log.warn("create default cluster failed", "server/server.go:341", error="(#1002)cluster already exists, cause:<nil>")
            return
        counts = config["default-cluster-node-count"], config["default-cluster-shard-total"]
        self._create(name, *counts, config["topology-type"], config["procedure-executing-batch-size"])
        log.info("create default cluster succeed", "server/server.go:349", cluster=name)

    def deposed(self) -> None:
        if self.hang_next_transfer or self._knobs.happens("HANG_TRANSFER", 0.0):
            self.hang_next_transfer = False
            threading.Thread(target=self._read_twice_around_a_writer, daemon=True).start()
            while not self._lock.readers:
                time.sleep(PATIENCE)
        with self._lock.write():
            for cluster in self._clusters.values():
                cluster.stop()
            self._clusters = {}
            self._running = False

    def _read_twice_around_a_writer(self) -> None:
        with self._lock.read():
            while not self._lock.writer:
                time.sleep(PATIENCE)
            self.get("")

    def _begin(self, loaded: Loaded, dispatcher: Dispatcher) -> Cluster:
        cluster = Cluster(loaded, self._store, dispatcher, self._clock, self._panic)
        self._clusters[cluster.name] = cluster
        cluster.start()
        return cluster

    def create(self, name: str, node_count: int, shard_total: int, topology_type: str, batch_size: int) -> Cluster:
        with self._lock.write():
            return self._create(name, node_count, shard_total, topology_type, batch_size)

    def _create(self, name: str, node_count: int, shard_total: int, topology_type: str, batch_size: int) -> Cluster:
        created = now_ms()
        number = self._store.next_id("ClusterID")
        info = ClusterInfo(number, name, node_count, shard_total, topology_type, batch_size, created, created)
        self._store.save_info(info)
        self._store.create_shards(info)
        self._store.save_view(number, View())
        loaded = Loaded(info, View(), [], dict.fromkeys(range(shard_total), 0))
        return self._begin(loaded, Dispatcher(self._clock))

    def register(self, name: str, node: str, shards: Dict[int, str]) -> bool:
        """Takes a heartbeat; False when there is no such cluster. A member that doesn't lead, or is still loading, takes it and forgets it."""
        with self._lock.read():
            if not self._running:
                return True
            cluster = self.get(name)
            if cluster is None:
                return False
            cluster.heartbeat(node, shards)
            return True

    def all(self) -> List[Cluster]:
        with self._lock.read():
            return list(self._clusters.values())

    def get(self, name: str) -> Optional[Cluster]:
        with self._lock.read():
            return self._clusters.get(name)


EtcdTrouble = (Unreachable, EtcdError)

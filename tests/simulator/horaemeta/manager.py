"""All clusters of the present leader. Loaded at its election, gone with it."""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, List, Optional

from common import log
from common.etcd import EtcdError
from common.http import Unreachable

from horaemeta.cluster import Cluster, now_ms
from horaemeta.config import Config
from horaemeta.dispatch import Dispatcher
from horaemeta.model import ClusterInfo, View
from horaemeta.store import Loaded, Store

# Between an election and the end of loading the list of clusters is empty.
LOAD_TIME = 0.2


class Manager:
    def __init__(self, config: Config, store: Store, panic: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._store = store
        self._panic = panic
        self._clock = clock
        self._lock = threading.RLock()
        self._clusters: Dict[str, Cluster] = {}
        self.running = False

    def elected(self, revision: int) -> None:
        """Raises Unreachable or EtcdError when etcd fails meanwhile."""
        time.sleep(LOAD_TIME)
        with self._lock:
            self._store.begin_term(revision)
            dispatcher = Dispatcher(self._clock)
            for loaded in self._store.load():
                self._begin(loaded, dispatcher)
            self.running = True
            name = self._config["default-cluster-name"]
            if name not in self._clusters:
                log.info("create default cluster %s" % name)
                config = self._config
                self.create(
                    name,
                    config["default-cluster-node-count"],
                    config["default-cluster-shard-total"],
                    config["topology-type"],
                    config["procedure-executing-batch-size"],
                )

    def deposed(self) -> None:
        with self._lock:
            for cluster in self._clusters.values():
                cluster.stop()
            self._clusters = {}
            self.running = False

    def _begin(self, loaded: Loaded, dispatcher: Dispatcher) -> Cluster:
        cluster = Cluster(loaded, self._store, dispatcher, self._clock, self._panic)
        self._clusters[cluster.name] = cluster
        cluster.start()
        return cluster

    def create(self, name: str, node_count: int, shard_total: int, topology_type: str, batch_size: int) -> Cluster:
        with self._lock:
            created = now_ms()
            number = self._store.next_id("ClusterID")
            info = ClusterInfo(number, name, node_count, shard_total, topology_type, batch_size, created, created)
            self._store.save_info(info)
            self._store.create_shards(info)
            self._store.save_view(number, View())
            loaded = Loaded(info, View(), [], dict.fromkeys(range(shard_total), 0))
            return self._begin(loaded, Dispatcher(self._clock))

    def all(self) -> List[Cluster]:
        with self._lock:
            return list(self._clusters.values())

    def get(self, name: str) -> Optional[Cluster]:
        with self._lock:
            return self._clusters.get(name)


EtcdTrouble = (Unreachable, EtcdError)

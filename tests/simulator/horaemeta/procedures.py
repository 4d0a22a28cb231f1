"""Transfers of shards: queued, visible while they run, and silent about how they end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Sequence, Set

from common import log
from common.etcd import EtcdError
from common.http import Unreachable

from horaemeta.dispatch import Dispatcher, DispatchError
from horaemeta.scheduler import Transfer
from horaemeta.store import Store

# A submitted procedure waits for the next round of the queue.
QUEUE_ROUND = 0.3
TRANSFER_LEADER = 2
WORKERS = 8


class Procedures:
    def __init__(self, open_order: Callable[[int], Dict[str, Any]], dispatcher: Dispatcher, store: Store) -> None:
        self._open_order = open_order
        self._dispatcher = dispatcher
        self._store = store
        self._lock = threading.Lock()
        self._busy: Set[int] = set()
        self._running: List[int] = []
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def running(self) -> List[Dict[str, Any]]:
        with self._lock:
            return [{"ID": number, "Kind": TRANSFER_LEADER, "State": "running"} for number in self._running]

    def submit(self, transfers: Sequence[Transfer]) -> None:
        """One procedure for all; shards that another one is working on are left to it."""
        number = self._store.next_id("ProcedureID")
        with self._lock:
            mine = [t for t in transfers if t.shard not in self._busy]
            if not mine:
                return
            self._busy.update(t.shard for t in mine)
            self._running.append(number)
        threading.Thread(target=self._run, args=(number, mine), daemon=True).start()

    def _run(self, number: int, transfers: List[Transfer]) -> None:
        try:
            if not self._stopped.wait(QUEUE_ROUND):
                with ThreadPoolExecutor(WORKERS) as pool:
                    list(pool.map(self._transfer, transfers))
        finally:
            with self._lock:
                self._running.remove(number)
                self._busy.difference_update(t.shard for t in transfers)

    def _transfer(self, transfer: Transfer) -> None:
        try:
            if transfer.old:
                self._dispatcher.send(transfer.old, "close_shard", {"shard": transfer.shard})
            self._dispatcher.send(transfer.new, "open_shard", self._open_order(transfer.shard))
        except (DispatchError, Unreachable, EtcdError) as error:
            log.error("transfer of shard %d to %s failed: %s" % (transfer.shard, transfer.new, error))

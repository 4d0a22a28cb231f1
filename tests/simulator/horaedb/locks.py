"""Shard locks: keys in etcd, each under a lease of its own, which outlive the process that took them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Callable, Dict, NoReturn

from common import log
from common.etcd import Etcd, EtcdError
from common.http import Unreachable

PANIC = "Close shard failed, and we have to panic to ensure the data integrity, shard_id:%d, err:shard not found"


class LockHeld(Exception):
    """Another process holds it, or this node's own former process and fast reacquire is off."""


def too_late(remaining: float, ttl: float) -> bool:
    """A lock taken back in the last quarter of its life expires before the shard is open: the process panics."""
    return remaining < ttl / 4


@dataclass
class Held:
    lease: int
    ttl: float
    expires: float
    renew: float

    def renewed(self, now: float, ttl: float) -> None:
        self.expires, self.renew = now + ttl, now + self.ttl / 3


class ShardLocks:
    def __init__(
        self,
        etcd: Etcd,
        prefix: str,
        node: str,
        ttl: int,
        check_interval: float,
        fast_reacquire: bool,
        expired: Callable[[int], None],
        panic: Callable[[str], NoReturn],
    ) -> None:
        self._etcd = etcd
        self._prefix = prefix
        self._node = node
        self._ttl = ttl
        self._check_interval = check_interval
        self._fast_reacquire = fast_reacquire
        self._expired = expired
        self._panic = panic
        self._held: Dict[int, Held] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()

    def _key(self, shard: int) -> str:
        return "%s/%020d" % (self._prefix, shard)

    def acquire(self, shard: int) -> None:
        """Raises LockHeld, Unreachable, EtcdError."""
        with self._lock:
            if shard in self._held:
                return
        asked = time.monotonic()
        lease = self._etcd.grant(self._ttl)
        if self._etcd.create(self._key(shard), self._node, lease):
            held = Held(lease, self._ttl, asked + self._ttl, asked + self._ttl / 3)
        else:
            self._etcd.revoke(lease)
            held = self._reacquire(shard)
        with self._lock:
            self._held[shard] = held

    def _reacquire(self, shard: int) -> Held:
        """Keeps the old lease with what is left of it; its first renewal comes a third of a TTL later."""
        found = self._etcd.get(self._key(shard))
        if found is None or not found.lease or not self._fast_reacquire or found.value != self._node:
            raise LockHeld("fail to acquire shard lock, shard_id:%d, held by:%s" % (shard, found.value if found else "nobody any more"))
        now = time.monotonic()
        life = self._etcd.post("/v3/lease/timetolive", {"ID": str(found.lease)})
        remaining, ttl = float(life.get("TTL", 0)), float(life.get("grantedTTL", self._ttl))
        if too_late(remaining, ttl):
            self._panic(PANIC % shard)
        return Held(found.lease, ttl, now + remaining, now + ttl / 3)

    def release(self, shard: int) -> None:
        with self._lock:
            held = self._held.pop(shard, None)
        if held:
            self._etcd.revoke(held.lease)

    def _watch(self) -> None:
        while True:
            time.sleep(self._check_interval)
            with self._lock:
                held = dict(self._held)
            for shard, lock in held.items():
                if not self._alive(shard, lock):
                    with self._lock:
                        self._held.pop(shard, None)
                    log.warn("Shard lock is released, try to close the tables and shard, shard_id:%d" % shard)
                    self._expired(shard)

    def _alive(self, shard: int, lock: Held) -> bool:
        now = time.monotonic()
        if now >= lock.expires:
            return False
        if now < lock.renew:
            return True
        try:
            ttl = self._etcd.keepalive(lock.lease)
        except (Unreachable, EtcdError) as error:
            log.warn("failed to keep the lease of shard %d alive: %s" % (shard, error))
            return time.monotonic() < lock.expires
        if ttl <= 0:
            return False
        lock.renewed(now, ttl)
        return True

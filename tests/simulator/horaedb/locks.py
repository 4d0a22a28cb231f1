"""Shard locks: keys in etcd, each under a lease of its own, which outlive the process that took them.

A lock goes through two states. After it was granted, and after a renewal failed, nothing is asked until a quarter of the TTL is left; then it is
renewed once, and given up when that fails. After a renewal that worked the next comes each third of the TTL.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Callable, Dict, NoReturn, Optional

from common import log, protobuf
from common.etcd import Etcd, EtcdError
from common.http import Unreachable

SOURCE = "src/cluster/src/shard_lock_manager.rs:%d"
PANIC = "Close shard failed, and we have to panic to ensure the data integrity, shard_id:%d, err:%s"
NO_LEASE = 'Failed to grant lease, shard_id:%d, err:grpc request error: status: Unavailable, message: "error trying to connect: tcp connect error: %s"'
NOT_OPEN = "Server error, code:Internal, message:shard not found when closing shard, shard_id:%d"
NODE_NAME = 1


class LockHeld(Exception):
    """Another process holds it, or this node's own former process and fast reacquire is off."""


class CloseFailed(Exception):
    """The shard of a lost lock could not be flushed and closed, or its lock not be revoked."""


@dataclass
class Held:
    """When the lock is to be renewed, and when it is lost. Pure. `ttl` is this process's, also for a lease of a former one."""

    lease: int
    ttl: float
    expires: float
    # None: the last try has failed.
    due: Optional[float] = None

    def __post_init__(self) -> None:
        self.due = self.last_try

    @property
    def cost(self) -> float:
        """So much time a renewal may need: one and a half timeouts, each a sixth of the TTL."""
        return self.ttl / 4

    @property
    def last_try(self) -> float:
        return self.expires - self.cost

    def lost(self, now: float) -> bool:
        return self.due is None or now >= self.expires

    def too_late(self, now: float) -> bool:
        """For a lock that was just taken: there is no time left for its first renewal."""
        return now > self.last_try

    def renewed(self, now: float, granted: float) -> None:
        self.expires, self.due = now + granted, now + self.ttl / 3

    def failed(self, now: float) -> None:
        self.due = self.last_try if now < self.last_try else None


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
        self._value = protobuf.encode({NODE_NAME: node})
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
        try:
            held = self._reacquired(shard) if self._fast_reacquire else None
            if held is None:
                held = self._granted(shard)
        except Unreachable as error:
            raise Unreachable(NO_LEASE % (shard, error)) from error
        now = time.monotonic()
        if held.too_late(now):
            # The callback of a lock that is about to expire closes the shard, which isn't open yet.
            self._panic(PANIC % (shard, NOT_OPEN % shard))
        told = "Next keepalive will be schedule after %.8fs, shard_id:%d, lease_id:%d, keepalive_cost:%gs, duration_until_expired:%.8fs"
        log.info(told % (held.last_try - now, shard, held.lease, held.cost, held.expires - now), SOURCE % 689)
        with self._lock:
            self._held[shard] = held

    def _granted(self, shard: int) -> Held:
        asked = time.monotonic()
        lease = self._etcd.grant(self._ttl)
        if not self._etcd.create(self._key(shard), self._value, lease):
            # The lease of a refused lock is left to itself.
            raise LockHeld("Failed to execute txn of create lock, shard_id:%d" % shard)
        return Held(lease, self._ttl, asked + self._ttl)

    def _reacquired(self, shard: int) -> Optional[Held]:
        """The lock of this node's former process, with what is left of its lease; None when there is none to take back."""
        found = self._etcd.get(self._key(shard))
        if found is None or not found.lease or found.raw != self._value:
            return None
        now = time.monotonic()
        life = self._etcd.post("/v3/lease/timetolive", {"ID": str(found.lease)})
        remaining = float(life.get("TTL", 0))
        if remaining == 0:
            return None
        log.info("Shard lock is acquired fast, shard_id:%d" % shard, SOURCE % 515)
        return Held(found.lease, self._ttl, now + remaining)

    def release(self, shard: int) -> None:
        """Raises Unreachable, EtcdError; the lock is nobody's for this process then, too."""
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
                self._look_at(shard, lock)

    def _look_at(self, shard: int, lock: Held) -> None:
        now = time.monotonic()
        if not lock.lost(now):
            if now >= (lock.due or now):
                self._renew(shard, lock)
            if not lock.lost(time.monotonic()):
                return
        about = "shard_id:%d, lease_id:%d" % (shard, lock.lease)
        log.warn("The lease is about to expire, and trigger the on_lock_expire callback, %s" % about, SOURCE % 706)
        log.warn(
            "Shard lock is released, try to close the tables and shard, shard_id:%d" % shard,
            "src/server/src/grpc/meta_event_service/mod.rs:308",
        )
        try:
            self._expired(shard)
        except CloseFailed as error:
            self._panic(PANIC % (shard, error))

    def _renew(self, shard: int, lock: Held) -> None:
        try:
            ttl = self._etcd.keepalive(lock.lease)
            if ttl > 0:
                lock.renewed(time.monotonic(), ttl)
                return
            reason = "Failed to keep alive because of expired ttl, ttl_in_resp:%d, lease_id:%d" % (ttl, lock.lease)
        except (Unreachable, EtcdError) as error:
            reason = "Failed to keep alive, lease_id:%d, err:%s" % (lock.lease, error)
        lock.failed(time.monotonic())
        log.error("Failed to start keepalive and will retry , shard_id:%d, err:%s" % (shard, reason), SOURCE % 726)

from __future__ import annotations

import time
from typing import Any, Dict, List, NoReturn, Optional, Tuple, cast

import pytest
from common.etcd import Etcd, KeyValue
from common.http import Unreachable
from horaedb.locks import CloseFailed, Held, LockHeld, ShardLocks

ME = "10.0.0.1:8831"
MINE = b"\n\x0d" + ME.encode()
OTHERS = b"\n\x0d10.0.0.2:8831"
TTL = 30.0


class Panic(Exception):
    pass


class FakeEtcd:
    """Keys with leases; `left` is what remains of each."""

    def __init__(self) -> None:
        self.keys: Dict[str, Tuple[bytes, int]] = {}
        self.left: Dict[int, int] = {}
        self.revoked: List[int] = []

    def grant(self, ttl: int) -> int:
        lease = len(self.left) + 1
        self.left[lease] = ttl
        return lease

    def create(self, key: str, value: bytes, lease: int) -> bool:
        if key in self.keys:
            return False
        self.keys[key] = (value, lease)
        return True

    def get(self, key: str) -> Optional[KeyValue]:
        found = self.keys.get(key)
        return KeyValue(key, found[0], 1, found[1]) if found else None

    def post(self, path: str, body: Dict[str, Any]) -> Dict[str, Any]:
        assert path == "/v3/lease/timetolive"
        return {"TTL": str(self.left[int(body["ID"])]), "grantedTTL": "30"}

    def revoke(self, lease: int) -> None:
        self.revoked.append(lease)


def locks(etcd: FakeEtcd, fast: bool = True) -> ShardLocks:
    def panic(message: str) -> NoReturn:
        raise Panic(message)

    return ShardLocks(cast(Etcd, etcd), "/horaedb/c/shards", ME, 30, 0.2, fast, [].append, panic)


def test_the_first_renewal_comes_at_three_quarters_and_then_each_third() -> None:
    held = Held(1, TTL, expires=30.0)
    assert held.due == 22.5
    held.renewed(22.5, 30.0)
    assert (held.due, held.expires) == (32.5, 52.5)


def test_a_failed_renewal_is_tried_once_more_with_a_quarter_left() -> None:
    held = Held(1, TTL, expires=30.0)
    held.renewed(22.5, 30.0)
    held.failed(32.5)
    assert held.due == 45.0 and not held.lost(44.0) and not held.lost(45.1)
    held.failed(45.1)
    assert held.lost(45.1)


def test_the_first_renewal_is_the_only_one_when_it_fails() -> None:
    held = Held(1, TTL, expires=30.0)
    held.failed(22.6)
    assert held.lost(22.6)


def test_a_renewal_that_works_at_last_begins_anew() -> None:
    held = Held(1, TTL, expires=30.0)
    held.renewed(22.5, 30.0)
    held.failed(32.5)
    held.renewed(45.0, 30.0)
    assert held.due == 55.0 and not held.lost(60.0)


@pytest.mark.parametrize(("remaining", "late"), [(30, False), (7.6, False), (7.4, True), (0, True)])
def test_the_last_quarter_of_its_life_is_too_late(remaining: float, late: bool) -> None:
    assert Held(1, TTL, expires=100 + remaining).too_late(100.0) is late


def test_the_key_has_twenty_digits_and_the_node_name_in_it() -> None:
    etcd = FakeEtcd()
    locks(etcd).acquire(7)
    assert etcd.keys == {"/horaedb/c/shards/00000000000000000007": (MINE, 1)}


def test_a_lock_of_another_node_is_refused() -> None:
    etcd = FakeEtcd()
    etcd.left[1] = 30
    etcd.keys["/horaedb/c/shards/" + "0" * 20] = (OTHERS, 1)
    with pytest.raises(LockHeld, match="Failed to execute txn of create lock"):
        locks(etcd).acquire(0)
    assert etcd.revoked == []


def test_without_fast_reacquire_its_own_former_lock_is_refused_too() -> None:
    etcd = FakeEtcd()
    locks(etcd).acquire(0)
    with pytest.raises(LockHeld):
        locks(etcd, fast=False).acquire(0)


def test_fast_reacquire_keeps_the_old_lease() -> None:
    etcd = FakeEtcd()
    locks(etcd).acquire(0)
    etcd.left[1] = 20
    again = locks(etcd)
    again.acquire(0)
    again.release(0)
    assert etcd.revoked == [1], "no other lease was granted"


def test_fast_reacquire_panics_when_little_is_left() -> None:
    etcd = FakeEtcd()
    locks(etcd).acquire(0)
    etcd.left[1] = 7
    with pytest.raises(Panic, match="Close shard failed, and we have to panic.*shard not found when closing shard, shard_id:0"):
        locks(etcd).acquire(0)


def test_a_lock_that_can_not_be_kept_closes_its_shard_and_panics_when_that_fails() -> None:
    class AwayEtcd(FakeEtcd):
        def keepalive(self, lease: int) -> int:
            raise Unreachable("lease %d" % lease)

    def close(shard: int) -> None:
        closed.append(shard)
        raise CloseFailed("Server error, code:Internal, message:fail to release shard lock")

    def panic(message: str) -> NoReturn:
        raise Panic(message)

    closed: List[int] = []
    tried = ShardLocks(cast(Etcd, AwayEtcd()), "/horaedb/c/shards", ME, 30, 0.2, True, close, panic)
    with pytest.raises(Panic, match="shard_id:3, err:Server error, code:Internal, message:fail to release shard lock"):
        tried._look_at(3, Held(1, TTL, expires=time.monotonic() + 7))
    assert closed == [3]

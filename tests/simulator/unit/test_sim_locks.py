from __future__ import annotations

from typing import Any, Dict, List, NoReturn, Optional, Tuple, cast

import pytest
from common.etcd import Etcd, KeyValue
from horaedb.locks import LockHeld, ShardLocks, too_late

ME = "10.0.0.1:8831"


class Panic(Exception):
    pass


class FakeEtcd:
    """Keys with leases; `left` is what remains of each."""

    def __init__(self) -> None:
        self.keys: Dict[str, Tuple[str, int]] = {}
        self.left: Dict[int, int] = {}
        self.revoked: List[int] = []

    def grant(self, ttl: int) -> int:
        lease = len(self.left) + 1
        self.left[lease] = ttl
        return lease

    def create(self, key: str, value: str, lease: int) -> bool:
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


@pytest.mark.parametrize(("remaining", "late"), [(30, False), (7.5, False), (7.4, True), (0, True)])
def test_the_last_quarter_of_its_life_is_too_late(remaining: float, late: bool) -> None:
    assert too_late(remaining, 30) is late


def test_the_key_has_twenty_digits_and_the_node_name_in_it() -> None:
    etcd = FakeEtcd()
    locks(etcd).acquire(7)
    assert etcd.keys == {"/horaedb/c/shards/00000000000000000007": (ME, 1)}


def test_a_lock_of_another_node_is_refused_and_nothing_is_left_behind() -> None:
    etcd = FakeEtcd()
    etcd.left[1] = 30
    etcd.keys["/horaedb/c/shards/" + "0" * 20] = ("10.0.0.2:8831", 1)
    with pytest.raises(LockHeld, match="fail to acquire shard lock"):
        locks(etcd).acquire(0)
    assert etcd.revoked == [2]


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
    assert etcd.revoked == [2, 1], "the new lease at once, the old one at the release"


def test_fast_reacquire_panics_when_little_is_left() -> None:
    etcd = FakeEtcd()
    locks(etcd).acquire(0)
    etcd.left[1] = 7
    with pytest.raises(Panic, match="Close shard failed, and we have to panic"):
        locks(etcd).acquire(0)

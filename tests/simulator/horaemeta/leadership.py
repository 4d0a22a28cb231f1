"""Who leads HoraeMeta: the member that leads etcd, once it has written the leader's key under a lease.

One thread lives through it as the real one's does, and what it waits for stops it: a follower that has seen a valid leader waits for that
key to go away, whoever leads etcd meanwhile; a leader whose clusters don't load, or don't stop, is never heard of by this thread again.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import Callable, Optional

from common import log, protobuf
from common.etcd import Etcd, EtcdError, KeyValue
from common.http import Unreachable

from horaemeta.store import leader_key

# A leader looks this often whether it still leads; a follower's watch is told at once in the real one.
CHECK = 0.1
# Between two tries when etcd fails, or when nobody, or somebody who no longer leads etcd, is in the key.
PAUSE = 0.2
# Seconds after its etcd is back in which a leader that was cut off still leads, as far as it knows.
LINGERS = 2.0
NAME, ID, ENDPOINT = 1, 2, 3


@dataclass(frozen=True)
class Leader:
    id: int
    name: str
    endpoint: str
    revision: int

    def encoded(self) -> bytes:
        return protobuf.encode({NAME: self.name, ID: self.id, ENDPOINT: self.endpoint})

    @classmethod
    def decoded(cls, found: KeyValue) -> Leader:
        fields = protobuf.decode(found.raw)
        return cls(int(fields.get(ID, 0)), str(fields.get(NAME, "")), str(fields.get(ENDPOINT, "")), found.create_revision)


class Lease:
    """Renewed by a thread of its own until it is closed or gone. It goes on when the leader's thread is stuck."""

    def __init__(self, etcd: Etcd, seconds: int) -> None:
        self._etcd = etcd
        self._seconds = seconds
        self.alive_until = time.monotonic() + seconds
        self.id = etcd.grant(seconds)
        self._closed = threading.Event()

    def keep(self) -> None:
        threading.Thread(target=self._keep, daemon=True, name="lease").start()

    def _keep(self) -> None:
        while not self._closed.is_set():
            asked = time.monotonic()
            try:
                left = self._etcd.keepalive(self.id)
                if left <= 0:
                    log.warn("lease is expired", "member/lease.go:206", **{"lease-id": self.id})
                    self.alive_until = 0.0
                    return
                self.alive_until = asked + left
            except (Unreachable, EtcdError) as error:
                log.error("lease keep alive failed", "member/lease.go:202", **{"lease-id": self.id, "error": str(error)})
                if asked > self.alive_until:
                    return
            self._closed.wait(self._seconds / 3)

    def close(self) -> None:
        self._closed.set()
        try:
            self._etcd.revoke(self.id)
        except (Unreachable, EtcdError) as error:
            log.error("close lease failed", "member/member.go:185", error=str(error))


class Leadership:
    def __init__(
        self, etcd: Etcd, root: str, name: str, endpoint: str, lease_sec: int, elected: Callable[[int], None], deposed: Callable[[], None]
    ) -> None:
        self._etcd = etcd
        self._key = leader_key(root)
        self._name = name
        self._endpoint = endpoint
        self._lease_sec = lease_sec
        self._elected = elected
        self._deposed = deposed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="leadership")
        # What this member names when asked. It is replaced and never taken back: not when the key goes, and not by a thread that is stuck.
        self.known: Optional[Leader] = None

    def start(self) -> None:
        self._thread.start()

    def is_local(self, leader: Leader) -> bool:
        return leader.endpoint == self._endpoint

    def stop(self) -> None:
        """Gives the leadership up, if held. Never returns for a member that hangs."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                paused = self._step()
            except (Unreachable, EtcdError, ValueError) as error:
                log.error("fail to get leader", "member/watch_leader.go:142", self=self._name, error=str(error))
                paused = True
            if paused:
                self._stopping.wait(PAUSE)

    def _step(self) -> bool:
        """Whether to wait a moment before the next one."""
        found = self._etcd.get(self._key)
        status = self._etcd.status()
        if found is None:
            if status.leader != status.member:
                return True
            self._campaign(status.member)
            return False
        self.known = leader = Leader.decoded(found)
        log.info("update leader cache", "member/watch_leader.go:172", endpoint=leader.endpoint)
        if leader.id == status.leader:
            self._wait_for_change(found.create_revision)
            return False
        if status.leader == status.member:
            self._etcd.delete(self._key)
            return False
        return True

    def _wait_for_change(self, revision: int) -> None:
        while not self._stopping.wait(CHECK):
            try:
                found = self._etcd.get(self._key)
            except (Unreachable, EtcdError):
                continue
            if found is None or found.create_revision != revision:
                log.info("current leader is deleted", "member/member.go:165", **{"leader-key": self._key})
                return

    def _campaign(self, member: int) -> None:
        lease = Lease(self._etcd, self._lease_sec)
        me = Leader(member, self._name, self._endpoint, 0)
        if not self._etcd.create(self._key, me.encoded(), lease.id):
            lease.close()
            return
        written = self._etcd.get(self._key)
        if written is None:
            return
        log.info("[SetLeader]", "member/member.go:215", **{"leader-key": self._key, "leader": self._name})
        self.known = Leader.decoded(written)
        self._elected(written.create_revision)
        lease.keep()
        log.info(self._lead(member, lease), "member/member.go:253", **{"old-leader": self._name})
        self._deposed()
        lease.close()
        log.info("stop keeping leader", "member/watch_leader.go:164", self=self._name)

    def _linger(self) -> None:
        """Cut off from the others it goes on as their leader, and for 2 s after its etcd is back, as the real one was seen to.

        In a move etcd has no leader for some milliseconds, which is not being cut off.
        """
        began = time.monotonic()
        while not self._stopping.wait(CHECK):
            with contextlib.suppress(Unreachable, EtcdError):
                if self._etcd.status().leader != 0:
                    break
        if time.monotonic() - began > LINGERS:
            self._stopping.wait(LINGERS)

    def _lead(self, member: int, lease: Lease) -> str:
        """Why this member no longer leads."""
        while not self._stopping.wait(CHECK):
            if time.monotonic() > lease.alive_until:
                return "no longer a leader because lease has expired"
            try:
                status = self._etcd.status()
            except (Unreachable, EtcdError):
                continue
            if status.leader != member:
                if status.leader == 0:
                    self._linger()
                return "etcd leader changed and should re-assign the leadership"
        return "server is closed"

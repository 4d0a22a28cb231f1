"""Who leads HoraeMeta: the member that leads etcd, once it has written the leader's key under a lease.

A follower that has seen a valid leader waits for that key to go away. After a graceful stop or a
move it goes at once; after SIGKILL only when its lease ends, which is why that takes so much longer.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Callable, Optional

from common import log
from common.etcd import Etcd, EtcdError, KeyValue
from common.http import Unreachable

from horaemeta.store import leader_key

# The real one is told by etcd at once. A move costs one read of five in a second (measured), so a look must not add to that.
POLL = 0.1


@dataclass(frozen=True)
class Leader:
    id: int
    name: str
    endpoint: str
    revision: int


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
        self._watched: Optional[int] = None
        self._lease: Optional[int] = None
        self._alive_until = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="leadership")
        self.known: Optional[Leader] = None

    def start(self) -> None:
        self._thread.start()

    def leads(self) -> bool:
        return self._lease is not None

    def is_local(self, leader: Leader) -> bool:
        return leader.endpoint == self._endpoint

    def stop(self) -> None:
        """Gives the leadership up, if held."""
        self._stopping.set()
        self._thread.join(timeout=3)
        self._step_down("server is closed")

    def _run(self) -> None:
        while not self._stopping.wait(POLL):
            try:
                self._keep() if self.leads() else self._follow()
            except (Unreachable, EtcdError) as error:
                if self.leads() and time.monotonic() > self._alive_until:
                    self._step_down("lease has expired: %s" % error)

    def _keep(self) -> None:
        status = self._etcd.status()
        if status.leader != status.member:
            self._step_down("etcd leader changed")
            return
        if self._alive_until - time.monotonic() < self._lease_sec * 2 / 3:
            self._renew()

    def _renew(self) -> None:
        assert self._lease is not None
        asked = time.monotonic()
        left = self._etcd.keepalive(self._lease)
        if left <= 0:
            self._step_down("lease has expired")
            return
        self._alive_until = asked + left

    def _follow(self) -> None:
        found = self._etcd.get(self._key)
        if found is None:
            self._watched = None
            status = self._etcd.status()
            if status.leader == status.member:
                self._campaign(status.member)
            return
        if self._watched == found.create_revision:
            return
        self.known = leader = _leader(found)
        status = self._etcd.status()
        if leader.id == status.leader and not self.is_local(leader):
            self._watched = found.create_revision
        elif status.leader == status.member:
            self._etcd.delete(self._key)

    def _campaign(self, member: int) -> None:
        asked = time.monotonic()
        lease = self._etcd.grant(self._lease_sec)
        value = json.dumps({"id": member, "name": self._name, "endpoint": self._endpoint})
        if not self._etcd.create(self._key, value, lease):
            return
        written = self._etcd.get(self._key)
        if written is None:
            return
        self._lease, self._alive_until = lease, asked + self._lease_sec
        self.known = _leader(written)
        log.info("[SetLeader] leader-key=%s leader=%s" % (self._key, self._name))
        try:
            self._elected(written.create_revision)
        except (Unreachable, EtcdError) as error:
            self._step_down("clusters can't be loaded: %s" % error)

    def _step_down(self, reason: str) -> None:
        if self._lease is None:
            return
        lease, self._lease = self._lease, None
        log.info("no longer a leader because %s" % reason)
        self._deposed()
        try:
            self._etcd.revoke(lease)
        except (Unreachable, EtcdError) as error:
            log.warn("close lease failed: %s" % error)


def _leader(found: KeyValue) -> Leader:
    data = json.loads(found.value)
    return Leader(int(data["id"]), data["name"], data["endpoint"], found.create_revision)

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The operation lock: one changing playbook at a time for each cluster, from whatever controller.

It is a key with a lease in the cluster's own etcd. Each step of a playbook gives the lease its whole
time again, so the lock of a controller that died runs out by itself. While there is no cluster yet it
is a file on the host that is asked, which later holders look at as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, Callable, ContextManager, Dict, Optional, Sequence, TypeVar
from urllib.parse import quote

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed, Client, Unreachable
from ansible_collections.horaedb.cluster.plugins.module_utils.common import file_lock
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records.journal import Operation

# Seconds from one step of a playbook to the next. The longest ones are a first converge with packages to install, and a reboot, which
# asks for more by itself.
TTL = 600

# Gone after a boot, as is whatever held it.
FOLDER = "/run/horaedb.cluster"

# The holder's key may go, and another's come, between two requests. More than a handful of such races is something else.
RACES = 5

# Seconds that a step may go on asking while no member of a cluster that lived a moment ago gives a good answer. After the start of a single
# member /v3/kv/range was silent for more than 2 s; HoraeMeta 2.1.0 crashes now and then 3 s after its start (SIGSEGV, when a data node's heartbeat
# comes too early) and is started again; a leader that was killed is replaced after 16 s.
PATIENCE = 45.0
RETRY_INTERVAL = 0.5

Done = TypeVar("Done")


class Held(Failure):
    """Somebody else works on the cluster. As text: who, and what to type."""

    kind = "lock.held"

    def __init__(self, holder: Operation, ttl: int) -> None:
        super().__init__(
            "somebody works on this cluster already: %s. Wait for it to end; if its controller died, the lock runs out by itself "
            "%d minutes after its last step. To take it over now, when you know that it is gone: -e horaedb_cluster_break_lock=%s"
            % (holder, (ttl + 59) // 60, holder.id)
        )
        self.holder = holder

    def fields(self) -> Dict[str, Any]:
        return {"holder": self.holder.to_dict()}


class Lost(Failure):
    """The lock isn't ours any more. As text: who has it, and what that means."""

    kind = "lock.lost"


def key(cluster: str) -> str:
    return "/ansible/horaedb.cluster/%s/lock" % cluster


class Patience:
    """How long to go on asking, counted from the first failure in a row; shared by the requests of one step."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: Optional[float] = None

    def again(self) -> bool:
        """Waits a moment; False when the time is up."""
        now = time.monotonic()
        self._end = self._end or now + self._seconds
        if now + RETRY_INTERVAL > self._end:
            return False
        time.sleep(RETRY_INTERVAL)
        return True

    def answered(self) -> None:
        self._end = None

    def give_up(self) -> None:
        self._seconds = 0


def through_any(topology: Topology, timeout: float, do: Callable[[Etcd], Done], patience: Optional[Patience] = None) -> Done:
    """`do` with the etcd of the first member that answers; raises the last member's CallFailed.

    A member without a quorum answers with an error and is passed over as well. `do` has to bear being done twice: a request that
    got no answer may have been carried out.
    """
    patience = patience or Patience(0)
    while True:
        failure: CallFailed = Unreachable("etcd", "there is no member")
        for member in topology.members:
            try:
                done = do(Etcd(member.etcd, Client(timeout)))
            except CallFailed as error:
                failure = error
            else:
                patience.answered()
                return done
        if not patience.again():
            raise failure


class EtcdLock:
    """The lock in a living cluster. Every method raises CallFailed when no member answers."""

    def __init__(self, topology: Topology, timeout: float, patience: Optional[Patience] = None) -> None:
        self._topology = topology
        self._timeout = timeout
        self._patience = patience
        self._key = key(topology.cluster)

    def take(self, operation: Operation, ttl: int, take_over: Sequence[str] = ()) -> Operation:
        """Takes it, or keeps it when it is ours; raises Held. Returns what holds it: with the time at which it was taken first."""
        return self._do(lambda etcd: self._take(etcd, operation, ttl, take_over))

    def keep(self, operation: Operation, ttl: int) -> None:
        """Gives it its whole time again. One that ran out is taken again unless somebody was quicker; raises Lost."""
        try:
            self.take(operation, ttl)
        except Held as held:
            raise Lost(
                "the operation lock was taken over: %s. This run stops here, before it gets in the way; what it had finished stays finished. "
                "Run the same command again when the other one has ended." % held.holder
            ) from None

    def refuse_others(self, operation: Operation, take_over: Sequence[str] = ()) -> None:
        """Raises Held; changes nothing."""
        holder = self.holder()
        if holder is not None and holder.id not in (operation.id, *take_over):
            raise Held(holder, TTL)

    def holder(self) -> Optional[Operation]:
        def read(etcd: Etcd) -> Optional[Operation]:
            stored = etcd.get(self._key)
            return _operation(stored.value) if stored else None

        return self._do(read)

    def release(self, operation: Operation) -> bool:
        """Whether nobody has it now. Nothing is done when it isn't ours (any more)."""

        def free(etcd: Etcd) -> bool:
            stored = etcd.get(self._key)
            if stored is None:
                return True
            if _operation(stored.value).id != operation.id or not etcd.remove(self._key, stored.revision):
                return False
            etcd.revoke(stored.lease)
            return True

        return self._do(free)

    def _take(self, etcd: Etcd, operation: Operation, ttl: int, take_over: Sequence[str]) -> Operation:
        value = _value(operation, ttl)
        for _race in range(RACES):
            stored = etcd.get(self._key)
            if stored is None:
                if etcd.create(self._key, value, etcd.grant(ttl)):
                    return operation
                continue
            holder = _operation(stored.value)
            if holder.id == operation.id:
                if etcd.keepalive(stored.lease) >= ttl or etcd.replace(self._key, _value(holder, ttl), stored.revision, etcd.grant(ttl)):
                    return holder
            elif holder.id not in take_over:
                raise Held(holder, _ttl(stored.value))
            elif etcd.replace(self._key, value, stored.revision, etcd.grant(ttl)):
                return operation
        raise Unreachable(self._key, "it changed %d times while it was to be taken" % RACES)

    def _do(self, do: Callable[[Etcd], Done]) -> Done:
        return through_any(self._topology, self._timeout, do, self._patience)


class FileLock:
    """The lock while no cluster can be asked: a file on this host, valid as long as its holder said."""

    def __init__(self, cluster: str, folder: str = FOLDER, clock: Callable[[], float] = time.time) -> None:
        self._path = os.path.join(folder, quote(cluster, safe="") + ".lock")
        self._clock = clock

    def take(self, operation: Operation, ttl: int, take_over: Sequence[str] = ()) -> Operation:
        """Takes it or keeps it; raises Held. Returns what holds it: with the time at which it was taken first."""
        with self._opened(os.O_RDWR | os.O_CREAT) as descriptor:
            found = _read(descriptor)
            self._refuse(found, operation, take_over)
            holder = Operation.from_dict(found) if found.get("id") == operation.id else operation
            data = dict(json.loads(_value(holder, ttl)), expires=self._clock() + ttl)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(data).encode(), 0)
            return holder

    def refuse_others(self, operation: Operation, take_over: Sequence[str] = ()) -> None:
        """Raises Held; changes nothing."""
        with contextlib.suppress(FileNotFoundError), self._opened(os.O_RDONLY) as descriptor:
            self._refuse(_read(descriptor), operation, take_over)

    def held_by(self, operation: Operation) -> bool:
        with contextlib.suppress(FileNotFoundError), self._opened(os.O_RDONLY) as descriptor:
            return _read(descriptor).get("id") == operation.id
        return False

    def release(self, operation: Operation) -> None:
        with contextlib.suppress(FileNotFoundError), self._opened(os.O_RDWR) as descriptor:
            if _read(descriptor).get("id") == operation.id:
                # Nothing is left of a run that was refused. Whoever waits for the file notices that it is gone.
                os.unlink(self._path)
                with contextlib.suppress(OSError):
                    os.rmdir(os.path.dirname(self._path))

    def _refuse(self, data: Dict[str, Any], operation: Operation, take_over: Sequence[str]) -> None:
        if data and data.get("id") not in (operation.id, *take_over) and self._clock() < float(data.get("expires", 0)):
            raise Held(Operation.from_dict(data), int(data.get("ttl", TTL)))

    def _opened(self, flags: int) -> ContextManager[int]:
        return file_lock.locked(self._path, flags, mode=0o644)


def _read(descriptor: int) -> Dict[str, Any]:
    """Empty when it was released, or written by a process that died in the middle."""
    try:
        data = json.loads(os.pread(descriptor, 65536, 0))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _value(operation: Operation, ttl: int) -> str:
    return json.dumps(dict(operation.to_dict(), ttl=ttl))


def _operation(value: str) -> Operation:
    """What can't be read is somebody's all the same."""
    try:
        return Operation.from_dict(json.loads(value))
    except (AttributeError, TypeError, ValueError):
        return Operation(id="unreadable", what="something unknown", who="somebody", controller="some machine", since="some time")


def _ttl(value: str) -> int:
    try:
        return int(json.loads(value)["ttl"])
    except (KeyError, TypeError, ValueError):
        return TTL

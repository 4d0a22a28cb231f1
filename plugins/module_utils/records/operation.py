# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A changing playbook from its lock to its entry in the journal."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import REQUEST_TIMEOUT, CallFailed
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.module_utils.records import journal, operation_lock
from ansible_collections.horaedb.cluster.plugins.module_utils.records.journal import Daemons, JournalEntry, Operation
from ansible_collections.horaedb.cluster.plugins.module_utils.records.operation_lock import (
    FOLDER,
    TTL,
    EtcdLock,
    FileLock,
    Lost,
    Patience,
    through_any,
)


class Operations:
    """Every method raises CallFailed when a living cluster's etcd doesn't answer, also not within operation_lock.PATIENCE."""

    def __init__(self, topology: Topology, timeout: float = REQUEST_TIMEOUT, now: Callable[[], datetime] = journal.now, folder: str = FOLDER) -> None:
        self._topology = topology
        self._timeout = timeout
        self._now = now
        self._patience = Patience(operation_lock.PATIENCE)
        self._etcd_lock = EtcdLock(topology, timeout, self._patience)
        self._file_lock = FileLock(topology.cluster, folder)

    def begin(self, operation: Operation, lives: bool, ttl: int = TTL, take_over: Sequence[str] = ()) -> Operation:
        """Takes the lock and opens the entry; raises operation_lock.Held. Returns the operation to go on with.

        Once more in the same run it changes nothing, and returns the same one.

        lives: whether there is a cluster with a leader, whose etcd then has the lock. Without one the entry is written
        by the first step that finds a cluster.
        """
        if not lives:
            return self._file_lock.take(operation, ttl, take_over)
        # Its holder made the cluster that lives now, and goes on to work on it.
        self._file_lock.refuse_others(operation, take_over)
        held = self._etcd_lock.take(operation, ttl, take_over)
        self._open(held)
        return held

    def held_by_others(self, operation: Operation, lives: bool, take_over: Sequence[str] = ()) -> None:
        """What begin() would raise, without taking anything; raises operation_lock.Held."""
        self._file_lock.refuse_others(operation, take_over)
        if lives:
            self._etcd_lock.refuse_others(operation, take_over)

    def step(self, operation: Operation, name: str, ttl: int = TTL) -> None:
        """Keeps the lock and notes that this step begins; raises operation_lock.Lost."""
        self._etcd_lock.keep(operation, ttl)
        try:
            entry = self._ours(operation)
        except Lost:
            # It was free, because the other one has ended; this one has no use for it any more.
            self._etcd_lock.release(operation)
            raise
        self._write(entry.stepped(name, self._now()), operation)

    def end(self, operation: Operation, result: str, message: str, before: Daemons, after: Daemons) -> bool:
        """Closes the entry and lets go of the lock, in this order: whoever takes it next finds the entry closed.

        Returns whether nobody has the lock now. The file, which needs no cluster, is let go of whether one answers or not.
        Raises operation_lock.Lost for a success of a run that others have taken for dead.
        """
        if result != journal.OK and self._file_lock.held_by(operation):
            # There was no cluster when it began, and what failed may be why there is none now.
            self._patience.give_up()
        try:
            entry = self._ours(operation) if result == journal.OK else self._read(operation)
            self._write(entry.closed(result, message, self._now(), before, after), operation)
        finally:
            self._file_lock.release(operation)
        return self._etcd_lock.release(operation)

    def drop(self, operation: Operation) -> None:
        """It was refused before it changed anything: no entry is left of it."""
        if self._file_lock.held_by(operation):
            self._patience.give_up()
        self._file_lock.release(operation)
        through_any(self._topology, self._timeout, lambda etcd: etcd.delete(self._key(operation)), self._patience)
        self._etcd_lock.release(operation)

    def _open(self, operation: Operation) -> None:
        """With the lock in hand: entries that still say running are those of runs that died."""

        def tidy(etcd: Etcd) -> None:
            found = etcd.range(journal.prefix(self._topology.cluster))
            for key, stored in found.items():
                entry = _readable(stored.value)
                if entry is not None and entry.operation.id != operation.id and entry.interrupted() != entry:
                    etcd.put(key, entry.interrupted().to_json())
            if self._key(operation) not in found:
                etcd.put(self._key(operation), JournalEntry(operation).to_json())
            for key in journal.too_many([*found, self._key(operation)]):
                etcd.delete(key)

        through_any(self._topology, self._timeout, tidy, self._patience)

    def _read(self, operation: Operation) -> JournalEntry:
        stored = through_any(self._topology, self._timeout, lambda etcd: etcd.get(self._key(operation)), self._patience)
        return (_readable(stored.value) if stored else None) or JournalEntry(operation)

    def _ours(self, operation: Operation) -> JournalEntry:
        """Raises operation_lock.Lost where another run has begun since, even if it has ended and let go of the lock: what it did would be undone."""
        entry = self._read(operation)
        if entry.result == journal.INTERRUPTED:
            raise Lost(
                "another run has worked on this cluster since this one's last step, and took it for dead: playbooks/status.yml shows which. This run "
                "stops here, before it undoes what that one did. Run the same command again if it is still wanted."
            )
        return entry

    def _write(self, entry: JournalEntry, operation: Operation) -> None:
        through_any(self._topology, self._timeout, lambda etcd: etcd.put(self._key(operation), entry.to_json()), self._patience)

    def _key(self, operation: Operation) -> str:
        return journal.key(self._topology.cluster, operation)


def entries(topology: Topology, timeout: float = REQUEST_TIMEOUT) -> List[JournalEntry]:
    """The journal, the oldest entry first; raises CallFailed. Entries that can't be read are left out."""
    found = through_any(topology, timeout, lambda etcd: etcd.range(journal.prefix(topology.cluster)))
    return [entry for entry in (_readable(stored.value) for stored in found.values()) if entry is not None]


def status(topology: Topology, timeout: float, last: int) -> Dict[str, Any]:
    """Who holds the lock, and the last entries of the journal: JSON types. Empty where no member answers."""
    try:
        holder = EtcdLock(topology, timeout).holder()
        return {
            "operation": holder.to_dict() if holder else None,
            "journal": [json.loads(entry.to_json()) for entry in entries(topology, timeout)[-last:]],
        }
    except CallFailed:
        return {"operation": None, "journal": []}


def status_lines(told: Mapping[str, Any]) -> List[str]:
    """The same for people."""
    holder = told["operation"]
    text = ["at work: %s" % Operation.from_dict(holder)] if holder else []
    entries_ = [JournalEntry.from_json(json.dumps(entry)) for entry in told["journal"]]
    return text + (["journal:"] if entries_ else []) + ["  " + line for entry in entries_ for line in entry.lines()]


def _readable(text: str) -> Optional[JournalEntry]:
    try:
        return JournalEntry.from_json(text)
    except ValueError:
        return None

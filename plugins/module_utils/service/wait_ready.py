# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Waits until a started service is ready, and notices early that it never will be."""

from __future__ import annotations

from typing import Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.common.redact import Redactor
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.waits import Wait
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Host
from ansible_collections.horaedb.cluster.plugins.module_utils.service.inspect import service as read_service
from ansible_collections.horaedb.cluster.plugins.module_utils.service.log_tail import excerpt
from ansible_collections.horaedb.cluster.plugins.module_utils.service.plan import Service
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Layout

_INTERVAL = 0.3
# Without anything to wait for, a process that is still the same one after this long has got through reading its files and opening its ports.
_SETTLED = 1.5
# systemd shows the old state until it gets to the job; a state `failed` that is older than this is the new one's.
_JOB_TAKEN = 5.0
# What a node under load writes about its queries in two minutes: the cause may stand before all of it.
_TAIL = 8 << 20


class NotReady(Failure):
    """The sentence says what was missing."""

    kind = "daemon.not_ready"


class Watch:
    """Made right before a start or restart, so that it knows what is new after it."""

    def __init__(self, host: Host, layout: Layout, log: str, redactor: Redactor) -> None:
        self._host = host
        self._layout = layout
        self._log = log
        self._redactor = redactor
        self._began = host.monotonic()
        self._before = read_service(host, layout)
        stat = host.stat(log) if log else None
        self._offset = stat.size if stat else 0
        self._dying = ""

    def until_ready(self, generation: str, until: Optional[Wait], timeout: float, crashes: int, restarted: bool) -> None:
        """Raises NotReady. `restarted`: the process that was there before doesn't count."""
        base = self._before.restarts
        dead, dying = None, ""
        while True:
            now = read_service(self._host, self._layout)
            fresh = not restarted or now.invocation != self._before.invocation
            elapsed = self._host.monotonic() - self._began
            if now.active == "failed" and (fresh or elapsed > _JOB_TAKEN):
                raise NotReady("the service failed (%s)" % _death(now))
            # systemd counts on through a restart of a service that was crashing, and from zero otherwise.
            base = base if now.restarts >= base else 0
            # Started again it has no cause of death any more, and buries what it wrote when it died under what it writes at every start.
            if fresh and not now.up and now.died_of:
                dead, dying = now, self._written()
            if fresh and crashes and now.restarts - base >= crashes:
                self._dying = dying
                raise NotReady("the process died %d times in %.0f s (%s)" % (now.restarts - base, elapsed, _death(dead or now)))
            # Asked even while there is no process: its shards may have to be protected meanwhile.
            missing = until.poll(elapsed) if until else self._young(now)
            missing = _state(now, generation, fresh) or missing
            if missing is None:
                return
            if elapsed >= timeout:
                raise NotReady(
                    "it was not ready within %g s: %s%s" % (timeout, missing, "; it died of " + now.died_of if now.died_of else "")
                )
            self._host.sleep(_INTERVAL)

    def log_tail(self, lines: int) -> str:
        """Why it isn't ready, as the daemon wrote it, without secrets; what systemd noted where the daemon didn't get to write anything."""
        text = self._dying or self._written()
        if not text.strip():
            text = self._host.run(
                ["journalctl", "--unit=" + self._layout.service, "--lines=%d" % lines, "--output=cat", "--no-pager"], 20
            ).out
        return excerpt(text, lines, self._redactor.mask)

    def _written(self) -> str:
        return self._host.tail(self._log, self._offset, _TAIL).decode(errors="replace") if self._log else ""

    def _young(self, now: Service) -> Optional[str]:
        return None if now.started and self._host.monotonic() - now.started >= _SETTLED else "the process has only just been started"


def _state(now: Service, generation: str, fresh: bool) -> Optional[str]:
    if not fresh:
        return "the old process is still there"
    if not now.up:
        return "there is no process (%s)" % now.sub
    if now.running != generation:
        return "the process is of generation %s, not %s" % (now.running, generation)
    if now.active not in ("active", "reloading"):
        return "systemd calls it %s (%s)" % (now.active, now.sub)
    return None


def _death(now: Service) -> str:
    return ", ".join(part for part in (now.died_of, now.result if now.result not in ("", "success") else "") if part) or "no reason known"

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Which run of ansible-playbook this is, and whether another one on this machine still lives."""

from __future__ import annotations

import getpass
import hashlib
import multiprocessing
import os
import pathlib
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible import context
from ansible.template import Templar
from ansible_collections.horaedb.cluster.plugins.module_utils.records import journal
from ansible_collections.horaedb.cluster.plugins.module_utils.records.journal import Operation

# Of one boot of one machine: after the next one no process of before lives.
_BOOT = pathlib.Path("/proc/sys/kernel/random/boot_id")


def this_run() -> Operation:
    """The same for all tasks of one ansible-playbook, except for `since`: tasks run in children of its process."""
    pid = _playbook_pid()
    machine, started = _machine(), _started(pid)
    return Operation(
        id=hashlib.sha256(("%s %d %s" % (machine, pid, started)).encode()).hexdigest()[:10],
        what=_what(context.CLIARGS),
        who=os.environ.get("SUDO_USER") or _user(),
        controller=socket.gethostname(),
        since=journal.text_of(journal.now()),
        machine=machine,
        pid=pid,
        started=started,
    )


def _user() -> str:
    """In a container, such as an execution environment, the user may have neither an entry in passwd nor a name in the environment."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "uid %d" % os.getuid()


def _playbook_pid() -> int:
    """Of ansible-playbook, which forks a worker for each task. Once it was killed, getppid names who takes in orphans, as a rule pid 1: a lock of
    that one is never over."""
    parent = multiprocessing.parent_process()
    return parent.pid if parent is not None and parent.pid else os.getppid()


def is_over(holder: Operation) -> bool:
    """Its process was one of this machine and is gone. False where that can't be told, as on other machines."""
    if not holder.machine or holder.machine != _machine():
        return False
    started = _started(holder.pid)
    return started != holder.started if started else _is_gone(holder.pid)


def broken_lock(variables: Mapping[str, Any], templar: Templar) -> list[str]:
    """The lock that the operator wants to be taken over, by its id."""
    value = variables.get("horaedb_cluster_break_lock")
    return [str(templar.template(value))] if value else []


def begun(module: Callable[..., dict[str, Any]], asked: Mapping[str, Any], take_over: Sequence[str]) -> dict[str, Any]:
    """The module `operation` with state=begun; once more for each lock that is that of a run of this machine that is over.

    There may be two: one of the time before there was a cluster, on the host, and one in etcd.
    """
    ids, said = list(take_over), []
    while True:
        answer = module(module_args=dict(asked, state="begun", operation=this_run().to_dict(), take_over=ids))
        holder = Operation.from_dict(answer["holder"]) if answer.get("failed") and answer.get("holder") else None
        if holder is None or holder.id in ids or not is_over(holder):
            return dict(answer, warnings=[*answer.get("warnings", ()), *said]) if said else answer
        ids.append(holder.id)
        said.append("%s was interrupted, and its process is gone: its lock is taken over" % holder)


def _what(arguments: Any) -> str:
    """As it was typed: the playbooks, and the hosts it was limited to. No variables: they may be secrets."""
    books = " ".join(os.path.basename(name) for name in arguments.get("args") or ()) or "ansible"
    limit = arguments.get("subset")
    return "%s --limit %s" % (books, limit) if limit else books


def _machine() -> str:
    """Empty where there is no /proc: then nothing is ever taken for dead. Two containers may have one name and one boot, and don't see each other."""
    try:
        return "%s %s %s" % (socket.gethostname(), _BOOT.read_text(encoding="ascii").strip(), os.readlink("/proc/self/ns/pid"))
    except OSError:
        return ""


def _is_gone(pid: int) -> bool:
    """False for one that lives and is hidden, as /proc mounted with hidepid hides those of other users; a dead one that waits for its parent is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return True


def _started(pid: int) -> str:
    """When a process started, in ticks since the boot; pids are given again, so a pid alone tells nothing. Empty when it is gone or hidden."""
    try:
        fields = pathlib.Path("/proc/%d/stat" % pid).read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return "" if fields[0] == "Z" else fields[19]

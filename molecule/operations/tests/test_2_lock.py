"""One changing playbook at a time, from any controller, and what was done is written down."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable
from typing import Any

from tests.support.cluster import Cluster, until
from tests.support.keys import Keys
from tests.support.machines import Machines
from tests.support.operator import Operator, Processes, once
from tests.support.playbook import Run

FOREIGN = {
    "id": "0123456789ab",
    "what": "upgrade.yml",
    "who": "mallory",
    "controller": "elsewhere.example.com",
    "since": "2026-11-24T03:00:00Z",
    "machine": "of-another-machine",
    "pid": 4711,
    "started": "1",
    "ttl": 600,
}


def test_the_second_of_two_playbooks_is_refused_while_the_first_one_works(operator: Operator, cluster: Cluster, keys: Keys) -> None:
    """Breaks when two playbooks change one cluster at once, or when the second one's operator isn't told whom to ask."""
    second: list[Run] = []
    me = (getpass.getuser(), socket.gethostname(), "restart")

    def interfere() -> None:
        lock = keys.lock()
        second.append(operator.refused("downtime", "--limit", "db3", extra={"horaedb_downtime": "begin"}, says=(*me, lock["since"], lock["id"])))

    # The gate before the node goes down is the step after the lock was taken.
    operator.done("restart", "--limit", "db1", watch=once("TASK [Wait until nothing else is missing", do=interfere))
    assert second, "the first one ended too early"
    assert keys.downtimes() == {}
    cluster.assert_whole()


def test_a_lock_of_another_controller_holds_until_it_is_broken(operator: Operator, keys: Keys, running: Callable[[], Processes]) -> None:
    """Breaks when a lock is only looked at on the machine that made it, can't be taken over, or can be by naming another one."""
    before = running()
    keys.put_lock(FOREIGN, 300)
    says = ("mallory", "elsewhere.example.com", "upgrade.yml", "2026-11-24T03:00:00Z", "horaedb_cluster_break_lock=0123456789ab")
    operator.refused("restart", says=says)
    operator.refused("site", says=says)
    operator.refused("repair", says=says, extra={"horaedb_cluster_break_lock": "ba9876543210"})
    assert running() == before
    assert keys.lock() == FOREIGN
    operator.done("repair", extra={"horaedb_cluster_break_lock": FOREIGN["id"]})
    assert keys.lock() is None
    assert running() == before


def test_check_mode_takes_no_lock_and_leaves_no_entry(operator: Operator, keys: Keys, running: Callable[[], Processes]) -> None:
    """Breaks when a dry run blocks the others, or claims in the journal to have done something."""
    before, journal = running(), keys.journal()
    locks: list[Any] = []
    operator.done("restart", "--check", watch=lambda line: bool(line.startswith("TASK [") and locks.append(keys.lock())))
    assert len(locks) > 2 and set(map(str, locks)) == {"None"}
    assert keys.journal() == journal
    assert running() == before


def test_status_tells_what_was_done_by_whom_and_how_it_ended(operator: Operator, keys: Keys) -> None:
    """Breaks when the journal can only be read with etcdctl, or when a run that was refused says that it worked."""
    said = operator.done("status").output
    assert "journal:" in said
    for entry in keys.journal()[-3:]:
        operation = entry["operation"]
        line = next(line for line in said.splitlines() if operation["since"] in line and operation["what"] in line)
        assert operation["who"] in line and operation["controller"] in line
        assert {"ok": " ok", "failed": "FAILED"}.get(entry["result"], entry["result"]) in line
    assert "mallory" not in said


def test_status_tells_of_a_host_that_is_dead(operator: Operator, cluster: Cluster, machines: Machines) -> None:
    """Breaks when the first thing that is typed at 3 a.m. shows nothing, because the host that it asks through is the dead one."""
    with machines.without_power("meta1"):
        run = operator.run("status")
    assert run.rc != 0 and run.recap["meta1"]["unreachable"] == 1, run.output
    said = [line.split() for line in run.output.splitlines()]
    assert any(words[:2] == ["member", "meta1"] and "healthy" not in words for words in said), run.output
    for host in cluster.nodes:
        assert any(words[:2] == ["node", host] and "healthy" in words for words in said), run.output
    until(cluster.problem, 60)

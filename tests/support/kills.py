"""Controllers that die: which task a run is killed at, and what a dead run may not leave behind on the hosts."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.support.cluster import Cluster
from tests.support.playbook import Run
from tests.support.services import process

# How many tasks of each playbook a run is killed at: a number, or `all`.
VARIABLE = "HORAE_KILLS"
SEED = 2026
# Seconds into a task: as the module is sent, as the binary is, and while the module waits for the daemon.
MOMENTS = (0.0, 0.5, 1.5)
LONG_TASKS = ("into its wanted state]", "read it through every node")
LOCKS = "Validate the topology and the living cluster]"
# They ask no host, so that a death there is one at the beginning of the next task.
CONTROLLERS_OWN = (
    "Validating arguments",
    "Look before touching",
    "TASK [Restart this",
    "TASK [Restart the proxy",
    "Keep the shards of",
    "TASK [Renew the operation lock",
    "See the hosts of other plays",
    "Choose the",
    "Put the hosts of groups",
    "Refuse a run",
)
# What a module is on a host: with pipelining, a Python that reads its program from ssh. The daemons have further words.
MODULES = "--uid root --exact --full /usr/bin/python3"
# More than any of the runs has, so that a loop that makes no progress ends.
TASKS_AT_MOST = 80

MEMBER_DAEMONS = ("horaemeta",)
NODE_DAEMONS = ("horaedb-meta-proxy", "horaedb")

# kill_at and kill_after of playbook.run -> how it ended
Start = Callable[[Callable[[str], bool], float], Run]


def asks_a_host(line: str) -> bool:
    """Whether this line of output announces a task that a run can be killed at."""
    return line.startswith("TASK [") and not any(name in line for name in CONTROLLERS_OWN)


def at_task(number: int, play: str = "") -> Callable[[str], bool]:
    """True for the line that announces the task of this number in this play, or the next play where it has fewer."""
    counted = 0
    begun = not play

    def fatal(line: str) -> bool:
        nonlocal counted, begun
        if not begun:
            begun = play in line
            return False
        if asks_a_host(line):
            counted += 1
            return counted == number
        # A play with `serial` is announced once more for each of its hosts.
        return bool(play) and line.startswith("PLAY [") and play not in line

    return fatal


def at_every_task(start: Start, play: str = "") -> Iterator[str]:
    """One run for each task of the play, or of all plays, killed there; in a long task one run for each moment.

    What it has started on the hosts goes on by itself. Ends with a run that came to the end of the play, or of the whole
    playbook. Yields where each of the others was killed.
    """
    for number in range(1, TASKS_AT_MOST):
        for moment in MOMENTS:
            run = start(at_task(number, play), moment)
            if run.rc == 0:
                return
            last = killed_at(run)
            yield "%s + %g s" % (last, moment)
            if last.startswith("PLAY ["):
                return
            if not any(name in last for name in LONG_TASKS):
                break
    raise AssertionError("%d runs, and there is still something to do" % TASKS_AT_MOST)


def at_some_tasks(start: Start, numbers: Sequence[int], seed: int = SEED) -> Iterator[str]:
    """One run for each of these tasks, killed there. Ends early with a run that had fewer and came to its end."""
    dice = random.Random(seed)
    for number in numbers:
        moment = dice.choice(MOMENTS)
        run = start(at_task(number), moment)
        if run.rc == 0:
            return
        yield "task %d, %s + %g s" % (number, killed_at(run), moment)


def killed_at(run: Run) -> str:
    """The task or play at which it was killed; fails when it ended in another way."""
    assert run.rc == -signal.SIGKILL, run.output
    return run.output.splitlines()[-1].rstrip("*").rstrip()


def chosen(output: str, default: int, environment: Mapping[str, str] = os.environ, seed: int = SEED) -> list[int]:
    """Numbers of the tasks to be killed at, out of those that a run with this output had: the same ones each time."""
    wanted = environment.get(VARIABLE) or str(default)
    if wanted == "all":
        # The output may be that of check mode, which has fewer; at_some_tasks ends with a run that has no more.
        return list(range(1, TASKS_AT_MOST + 1))
    tasks = [line for line in output.splitlines() if asks_a_host(line)]
    # Of a run that dies before it has the lock nothing is left, neither a lock nor an entry in the journal.
    first = next((number for number, task in enumerate(tasks, 2) if LOCKS in task), 1)
    numbers = range(first, len(tasks) + 1)
    return sorted(random.Random("%d %d" % (seed, len(tasks))).sample(numbers, min(int(wanted), len(numbers))))


def daemons(
    cluster: Cluster, on_members: Sequence[str] = MEMBER_DAEMONS, on_nodes: Sequence[str] = NODE_DAEMONS
) -> list[tuple[str, str]]:
    """(inventory host, daemon)"""
    return [(host, name) for host in cluster.members for name in on_members] + [(host, name) for host in cluster.nodes for name in on_nodes]


def half_done(on: Callable[[str], Any], places: Sequence[tuple[str, str]]) -> list[str]:
    """What an interrupted run may have left behind on the hosts, daemon by daemon, and modules that are still at work."""
    found = []
    for host, name in places:
        root = "/opt/" + name
        running = process(on(host), name).generation
        # A module that is still at work holds the lock, and has names that begin with a dot.
        look = "find %s -name '.*' ! -name .lock -o -name staged; flock --nonblock %s/.lock true || echo locked"
        left = on(host).run(look % (root, root))
        unit = on(host).file("/etc/systemd/system/%s.service" % name).content_string
        current = on(host).file(root + "/current").linked_to
        found += ["%s: %s" % (host, line) for line in left.stdout.splitlines()]
        if "Environment=HORAE_GENERATION=%s\n" % running not in unit or not current.endswith("/" + running):
            found.append("%s: %s runs %s, current is %s, and the unit says:\n%s" % (host, name, running, current, unit))
    found += ["%s: a module is still at work" % host for host in dict(places) if on(host).run("pgrep " + MODULES).rc == 0]
    return found

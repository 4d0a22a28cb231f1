# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""From what is on a host to the steps that are missing. Pure; the order of the steps is what makes them safe.

Three places say what is going on, and no clock and no memory of an earlier run is needed:

- the unit file names a generation: the one that the next start of the service takes;
- the process names the one that it was started from, in its environment;
- the link `current` names the last one that was seen ready. So a unit that names another one stands for a transaction that was
  interrupted, and `current` is where to go back to.
"""

from __future__ import annotations

import enum
import posixpath
from dataclasses import dataclass
from typing import List, Optional, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Desired, generation_of

STARTED = "started"
RESTARTED = "restarted"

# What a running process is called that carries no generation: a unit of somebody else's was replaced under it.
FOREIGN = "unknown"


@dataclass(frozen=True)
class Service:
    """What systemd and /proc say."""

    active: str = "inactive"
    sub: str = "dead"
    pid: int = 0
    invocation: str = ""
    enabled: bool = False
    needs_reload: bool = False
    started: float = 0.0
    restarts: int = 0
    result: str = ""
    died_of: str = ""
    running: Optional[str] = None

    @property
    def up(self) -> bool:
        """There is a process. One that systemd is about to start again after a crash doesn't count."""
        return self.running is not None


@dataclass(frozen=True)
class Damage:
    """One file that isn't as it should be: `missing`, `edited`, or of wrong `attributes`."""

    name: str
    kind: str


@dataclass(frozen=True)
class Found:
    """What is on the host. Generations are listed oldest first."""

    service: Service = Service()
    unit: Optional[str] = None
    current: Optional[str] = None
    previous: Optional[str] = None
    staged: Optional[str] = None
    root_ok: bool = False
    generations: Tuple[str, ...] = ()
    leftovers: Tuple[str, ...] = ()
    damage: Tuple[Damage, ...] = ()
    outside: Tuple[Damage, ...] = ()
    links: Tuple[str, ...] = ()
    unwanted: Tuple[str, ...] = ()
    recorded: bool = False
    distrusted: str = ""
    twin: Optional[str] = None
    image: bool = True

    @property
    def trusted(self) -> bool:
        """False when the running process may have read a file that somebody had edited by hand."""
        return not self.distrusted or self.distrusted != self.service.invocation


class Do(str, enum.Enum):
    """What a step does. Those from CLEAN to PRUNE are apply.py's, the last ones and some of these remove.py's."""

    CLEAN = "clean"
    RECORD = "record"
    OUTSIDE = "outside"
    FORGET = "forget"
    OWN = "own"
    DISTRUST = "distrust"
    IMAGE = "image"
    STAGE = "stage"
    MEND = "mend"
    LINK = "link"
    SELECT = "select"
    UNSELECT = "unselect"
    AGE = "age"
    SWITCH = "switch"
    ENABLE = "enable"
    RELOAD = "reload"
    RESTART = "restart"
    READY = "ready"
    SETTLE = "settle"
    PRUNE = "prune"
    STOP = "stop"
    DISABLE = "disable"
    REMOVE = "remove"
    RMDIR = "rmdir"


@dataclass(frozen=True)
class Step:
    """One thing to do; `words` tell an operator."""

    do: Do
    words: str
    arg: str = ""


# The steps that touch the service. A failure in one of them is what a rollback answers.
ACTIVATION = frozenset((Do.AGE, Do.SWITCH, Do.ENABLE, Do.RELOAD, Do.RESTART, Do.READY, Do.SETTLE))


def stale(desired: Desired, found: Found) -> bool:
    """The process has to be restarted to be what is desired."""
    return found.service.up and (found.service.running != desired.generation or not found.trusted or edited(desired, found))


def edited(desired: Desired, found: Found) -> bool:
    """Somebody edited what the process reads at its start, and may have restarted it since."""
    unit_edited = found.unit is not None and found.unit != desired.unit and generation_of(found.unit) == desired.generation
    return unit_edited or any(d.kind == "edited" for d in found.damage)


def plan(desired: Desired, found: Found, state: str, force: bool = False, keep: int = 3) -> Tuple[Step, ...]:
    """The steps from `found` to `desired`, none when nothing is missing. `state` is STARTED or RESTARTED."""
    prepare = _outside(desired, found) + _generation(desired, found)
    activate = _service(desired, found, state, force)
    return tuple(prepare + activate + _prune(desired, found, prepare + activate, keep))


def _outside(desired: Desired, found: Found) -> List[Step]:
    steps = [Step(Do.CLEAN, "remove %s, left over from an interrupted run" % path, path) for path in found.leftovers]
    if not found.recorded:
        steps.append(Step(Do.RECORD, "note what is put outside of %s" % desired.root))
    # The group that owns everything else comes out of a sysusers.d file.
    ranked = sorted(desired.outside, key=lambda f: f.apply != "sysusers")
    wrong = {d.name: d for d in found.outside}
    for wanted in ranked:
        if wanted.path in wrong:
            steps.append(Step(Do.OUTSIDE, "%s %s" % (_verb(wrong[wanted.path]), wanted.path), wanted.path))
    steps += [Step(Do.FORGET, "remove %s, which is wanted no more" % path, path) for path in found.unwanted]
    if not found.root_ok:
        steps.append(Step(Do.OWN, "give %s to group %s" % (desired.root, desired.group)))
    return steps


def _generation(desired: Desired, found: Found) -> List[Step]:
    steps = []
    if desired.image and not found.image:
        steps.append(Step(Do.IMAGE, "fetch the image %s with %s" % (desired.image.reference, desired.image.engine)))
    if desired.generation not in found.generations:
        steps.append(Step(Do.STAGE, "stage generation %s" % desired.generation))
    else:
        # Before anything is mended: an interruption in between must not lose that the process may have read the edited file.
        if edited(desired, found) and found.service.running == desired.generation and found.trusted:
            steps.append(Step(Do.DISTRUST, "note that the running process may have read a file edited by hand"))
        steps += [Step(Do.MEND, "%s %s" % (_verb(d), posixpath.join(desired.directory, d.name)), d.name) for d in found.damage]
    return steps + [Step(Do.LINK, "link %s" % path, path) for path in found.links]


def _service(desired: Desired, found: Found, state: str, force: bool) -> List[Step]:
    service, wanted = found.service, desired.generation
    replaced = found.unit != desired.unit or service.needs_reload
    switch = [Step(Do.SWITCH, "switch %s to generation %s" % (desired.layout.unit, wanted))] if replaced else []
    enable = [] if service.enabled else [Step(Do.ENABLE, "enable %s" % desired.layout.service)]
    read = [Step(Do.RELOAD, "make systemd read it")]
    ready = [Step(Do.READY, "wait until %s is ready" % desired.name), Step(Do.SETTLE, "make %s current" % wanted)]
    in_place = switch + enable + (read if switch or enable else [])

    if not service.up:
        return in_place + [Step(Do.RESTART, "start %s" % desired.layout.service, "start")] + ready
    if stale(desired, found) or (force and state == RESTARTED):
        if state == RESTARTED:
            age = Step(Do.AGE, "wait until the process is old enough to be restarted")
            return [age] + in_place + [Step(Do.RESTART, "restart %s" % desired.layout.service, "restart")] + ready
        if service.running == wanted or generation_of(found.unit) == wanted:
            return in_place
        select = Step(Do.SELECT, "stage %s for the next restart; the process is left alone" % wanted, wanted)
        return enable + (read if enable else []) + ([] if found.staged == wanted else [select])
    if found.current != wanted:
        return in_place + ready
    unselect = [] if found.staged is None else [Step(Do.UNSELECT, "drop the staged generation %s" % found.staged)]
    return in_place + unselect


def _prune(desired: Desired, found: Found, steps: List[Step], keep: int) -> List[Step]:
    """Only a run that changes something prunes: otherwise a lowered `keep` would make a no-op one that isn't."""
    if not steps:
        return []
    used = {found.current, desired.generation}
    if not any(step.do is Do.SETTLE for step in steps):
        used |= {found.previous, found.staged, found.service.running, generation_of(found.unit)}
    spare = [g for g in found.generations if g not in used]
    return [Step(Do.PRUNE, "remove generation %s" % g, g) for g in spare[: max(0, len(spare) - keep)]]


def _verb(damage: Damage) -> str:
    return {"missing": "write", "edited": "rewrite", "attributes": "set owner and mode of"}[damage.kind]

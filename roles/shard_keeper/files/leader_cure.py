# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, see LICENSE
# SPDX-License-Identifier: Apache-2.0
"""What the keeper does about a member that hangs or is cut off, and about a leader key that names somebody who can't lead."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import List, Optional

from keeper_decisions import Settings
from keeper_questions import CannotTell, Questions, Trouble, decoded, encoded, enveloped, words
from leader_watch import LIMIT, LIMIT_ALONE, WINDOW, Cure, exhausted, superfluous

# Seconds for a leadership that was asked to move to be seen moved, and between two looks at it. A move takes 0.2 s.
MOVED, LOOK = 2.0, 0.1
UNFULFILLED = "%s is still there from the last time: look at horaedb-shard-keeper-kill.path"


def revoke(settings: Settings, lease: int) -> str:
    """Ends the leader key's lease, and the key with it. Returns why it was not done, nothing when it was.

    Nothing is looked up again: the lease is its owner's alone, and when it is over already, so is the key.
    """
    try:
        Questions(2 * settings.timeout).etcd(settings.member, "lease/revoke", {"ID": str(lease)})
        return ""
    except (CannotTell, Trouble) as error:
        return str(error)


@dataclass(frozen=True)
class Outcome:
    """`failure`: why it was not done. `left`: why nothing more will be done. `noted`: what stands in etcd of it. `remark`: what went wrong beside."""

    failure: str = ""
    left: str = ""
    noted: Optional[Cure] = None
    remark: str = ""


def cure(settings: Settings, why: str, target: str) -> Outcome:
    """Has the leadership moved away from the own member, and the member killed.

    It is noted first: without that, nobody could tell how often it was done.
    """
    member = settings.member
    try:
        own = words(settings, Questions(settings.timeout))
        if not own.names(member) and not own.leads_etcd:
            return Outcome("member %s says by now that another one leads" % member.name)
        if os.path.exists(settings.kill_file):
            return Outcome(UNFULFILLED % settings.kill_file)
        now = time.time()
        cures = read_cures(settings)
        limit = LIMIT if settings.others else LIMIT_ALONE
        if exhausted(cures, member.name, int(now * 1000), limit):
            facts = (limit, WINDOW / 60, "systemctl kill --signal=KILL horaemeta", member.name)
            return Outcome(left="it was cured %d times in %d minutes and is left to you. By hand: `%s` on the host of %s" % facts)
        noted = Cure(int(now * 1000), member.name, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)), why)
        write_cure(settings, noted, cures)
        remark = _hand_over(settings, target) if own.leads_etcd else ""
        with open(settings.kill_file, "w", encoding="ascii"):
            return Outcome(noted=noted, remark=remark)
    except (CannotTell, OSError, Trouble, ValueError) as error:
        return Outcome(str(error))


def fence(settings: Settings) -> Outcome:
    """Has the own member killed. It isn't noted: the etcd that would take the note is the one that is cut off."""
    try:
        if os.path.exists(settings.kill_file):
            return Outcome(UNFULFILLED % settings.kill_file)
        with open(settings.kill_file, "w", encoding="ascii"):
            return Outcome()
    except OSError as error:
        return Outcome(str(error))


def _hand_over(settings: Settings, target: str) -> str:
    """Away with the key of whoever can't lead, and the leadership to `target`. What fails here is left to the election after the kill."""
    member = settings.member
    try:
        kvs = Questions(settings.timeout).etcd(member, "kv/range", {"key": encoded(settings.leader_key)}).get("kvs", [])
        failure = revoke(settings, int(kvs[0].get("lease", 0))) if kvs else ""
        if not target:
            return failure
        Questions(2 * settings.timeout).json("POST", member.api + "/api/v1/etcd/moveLeader", {"memberName": target}, enveloped)
        end = time.monotonic() + MOVED
        while time.monotonic() < end:
            said = Questions(settings.timeout).status(member)
            if int(said.get("leader", 0)) not in (0, int(said.get("header", {}).get("member_id", 0))):
                return failure
            time.sleep(LOOK)
        return "member %s was asked to hand the leadership to %s and still has it" % (member.name, target)
    except (CannotTell, Trouble, ValueError) as error:
        return str(error)


def read_cures(settings: Settings) -> List[Cure]:
    """In the order in which etcd took them. Raises Trouble or CannotTell."""
    prefix = settings.cures_prefix
    body = {"key": encoded(prefix), "range_end": encoded(prefix[:-1] + chr(ord(prefix[-1]) + 1))}
    body.update(sort_target="CREATE", sort_order="ASCEND")
    found = []
    for entry in Questions(settings.timeout).etcd(settings.member, "kv/range", body).get("kvs", []):
        try:
            found.append(Cure.read(decoded(entry["key"]).decode()[len(prefix) :], decoded(entry["value"]).decode()))
        except (KeyError, ValueError):
            # Not one of ours, so nothing to be counted.
            continue
    return found


def write_cure(settings: Settings, made: Cure, known: List[Cure]) -> None:
    """With those gone that are too many. Raises Trouble or CannotTell."""
    prefix = settings.cures_prefix
    gone = superfluous(sorted({cure.name for cure in known} | {made.name}))
    steps = [{"request_put": {"key": encoded(prefix + made.name), "value": encoded(made.value)}}]
    steps += [{"request_delete_range": {"key": encoded(prefix + name)}} for name in gone]
    Questions(settings.timeout).etcd(settings.member, "kv/txn", {"success": steps})


def note(settings: Settings, cured: Cure) -> str:
    """The seconds that it took. Returns why that was not noted."""
    try:
        write_cure(settings, cured, [])
        return ""
    except (CannotTell, Trouble) as error:
        return str(error)

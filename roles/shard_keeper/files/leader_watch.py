# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, see LICENSE
# SPDX-License-Identifier: Apache-2.0
"""What the keeper decides about HoraeMeta's leadership: whether its own member hangs or leads on while it is cut off, and whether the leader key
names somebody who can't lead.

Seen on 2.1.0: an election can deadlock the new leader for ever. It then names itself leader at once and answers nothing that needs its
clusters, and every member that follows it hangs as well. So a member is judged by its own words alone, never by a silence that it may only
pass on. Pure: it asks nobody and does nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from keeper_decisions import Own, Settings

NOTHING, REVOKE, CURE, FENCE, NOTE = "nothing", "revoke", "cure", "fence", "note"
WELL, HUNG, LEFT = "well", "hung", "left"

# So many questions in a row without an answer, one second each. One that is well answers within milliseconds.
HANGS = 2
# Seconds that an election may take, until HoraeMeta's leader is etcd's.
ELECTION = 10.0
# A new leader answers when it has loaded its clusters: it reads 100 tables at a time, 3,000 in 60 ms. Where etcd answers slowly that takes so
# many of its answers' time, and killing the leader would only begin it anew. Seen on a starved machine: 9 s. Longer than LOADING is a hang.
READS, LOADING = 100, 15.0
# Seconds after which two looks say nothing together. On a starved machine those in between may have had no answer at all, and one that is left
# is looked at each PATIENCE.
TOGETHER = 20.0
# Seconds after its start in which a member isn't judged: it may have been killed a moment ago, by a playbook or by this keeper.
YOUNG = 3.0
# Seconds for which a leader's etcd knows no leader before the member is killed. Cut off from the others it loses its etcd's leadership after 3 to
# 6 s, and goes on naming itself: 23 s on 2.1.0, 2 s of them after its etcd was back. Its inspector goes on as well. It forgets the data nodes that
# it has not heard for 10 s, and when its etcd is back it writes that down, because only the version of the view is compared and not who leads:
# the next leader loads a view without those shards.
CUT_OFF = 3.0
# Seconds between two looks at a leader key that names somebody else. In a planned move its owner deletes it within some 0.2 s.
APART = 0.4
# Seconds for a member that was killed to be seen gone, and before a cure that failed is tried again.
AGAIN = 5.0
# At most so many cures of one member in so many seconds, unless another one was cured in between.
LIMIT, WINDOW = 3, 600.0
# The same of a member that has no other. Every cure is an election of its own there, and nothing but the next cure ends one that hangs: with
# the heartbeats of 50 data nodes 4 of 10 did.
LIMIT_ALONE = 6
# Seconds between two looks at a member that was cured too often. Each one leaves a connection in it that is never answered.
PATIENCE = 10.0
# So many cures are kept in etcd (module_utils/records/cures.py says the same to the playbooks).
KEPT = 50


@dataclass(frozen=True)
class Order:
    """`target`: who is to lead, with CURE. `lease`: what is to be revoked, with REVOKE."""

    do: str
    why: str = ""
    target: str = ""
    lease: int = 0


@dataclass(frozen=True)
class Cure:
    """A cure as it stands in etcd. `ms`: when, Unix time in milliseconds. `seconds`: until the member was well again; 0 until it is."""

    ms: int
    member: str
    at: str
    why: str
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """Behind the prefix: the order of the keys is that of time."""
        return "%013d-%s" % (self.ms, self.member)

    @property
    def value(self) -> str:
        return json.dumps({"member": self.member, "at": self.at, "why": self.why, "seconds": self.seconds}, sort_keys=True)

    @classmethod
    def read(cls, name: str, value: str) -> Cure:
        """Raises ValueError."""
        try:
            data: Mapping[str, Any] = json.loads(value)
            ms = int(name.split("-", 1)[0])
            return cls(ms, str(data["member"]), str(data["at"]), str(data["why"]), float(data["seconds"]))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("%s isn't the record of a cure (%s)" % (name, type(error).__name__)) from None


def exhausted(cures: Sequence[Cure], member: str, ms: int, limit: int = LIMIT) -> bool:
    """Whether `member` was cured too often. `cures` in the order in which etcd took them: clocks of two hosts may differ."""
    in_a_row = 0
    for cure in reversed(cures):
        if cure.member != member:
            break
        in_a_row += ms - cure.ms < WINDOW * 1000
    return in_a_row >= limit


def superfluous(names: Sequence[str]) -> List[str]:
    """The oldest ones, beyond what is kept."""
    return sorted(names)[: max(0, len(names) - KEPT)]


class LeaderWatch:
    """Feed it with look(); step() says what to do now, and done() how that went."""

    def __init__(self, settings: Settings, now: float) -> None:
        self._settings = settings
        self._own: Optional[Own] = None
        # Since when the process answers, as far as anybody saw.
        self._up: Optional[float] = now - YOUNG
        self._looked = now
        self._hangs = 0
        # Since when its clusters were not answered, and since when it leads etcd without being HoraeMeta's leader.
        self._unanswered: Optional[float] = None
        self._unnamed: Optional[float] = None
        # Since when it names itself leader although its etcd has lost the others.
        self._cut_off: Optional[float] = None
        # How long its other answers have taken since then.
        self._took: List[float] = []
        # The stale key that was seen, and since when.
        self._stale: Optional[Tuple[Tuple[int, int, int], float]] = None
        # The lease of the own member's key, now and in the life of a process that has ended.
        self._lease = self._dead_lease = 0
        self._wait_until = self._revoke_after = now
        self._cured: Optional[Tuple[Cure, float]] = None
        self.left = ""
        self.counts: Dict[str, int] = {"cure_done": 0, "cure_failed": 0, "revoke_done": 0, "revoke_failed": 0, "fence_done": 0, "fence_failed": 0}

    def look(self, own: Optional[Own], gone: bool = False) -> None:
        """What the own member said; None when it could not be asked, `gone` when nothing listens on its port: its process has ended."""
        self._own = own
        if own is None:
            self._stale = None
            if gone:
                self._forget()
                self._up, self._lease, self._dead_lease = None, 0, self._lease or self._dead_lease
            return
        if own.asked - self._looked > TOGETHER:
            self._forget()
        self._looked = own.asked
        if self._up is None:
            self._up = own.asked
        named = own.names(self._settings.member)
        self._hangs = self._hangs + 1 if named and own.hangs else 0
        self._unanswered = (self._unanswered or own.asked) if self._hangs else None
        leads = own.leads_etcd and own.healthy
        # Where a key names somebody else, that is to be put right first.
        unnamed = leads and not named and (own.key is None or own.key.member == own.id)
        self._unnamed = (self._unnamed or own.asked) if unnamed else None
        # Also once its etcd is back, as long as it names itself.
        alone = named and (own.etcd_leader == 0 or self._cut_off is not None and not own.leads_etcd)
        self._cut_off = (self._cut_off or own.asked) if alone else None
        waits = self._unanswered is not None or self._unnamed is not None
        self._took = [*self._took, own.took] if waits else []
        stale = (own.key.member, own.key.lease, own.term) if leads and own.key and own.key.member != own.id else None
        if stale is None or self._stale is None or self._stale[0] != stale:
            self._stale = None if stale is None else (stale, own.asked)
        if own.key and own.key.member == own.id and own.key.lease != self._dead_lease:
            self._lease = own.key.lease

    def _forget(self) -> None:
        self._hangs, self._unanswered, self._unnamed, self._cut_off, self._took = 0, None, None, None, []

    @property
    def leads_etcd(self) -> bool:
        return self._own is not None and self._own.leads_etcd

    def hung(self, now: float) -> str:
        """Why the own member counts as hung; nothing when it doesn't."""
        loading = min(LOADING, READS * sum(self._took) / max(1, len(self._took)))
        if self._own is None or self._up is None or now - self._up < YOUNG:
            return ""
        if self._unanswered is not None and self._hangs >= HANGS and now - self._unanswered >= loading:
            return "it names itself leader and has not answered GET /api/v1/clusters for %.1f s" % (now - self._unanswered)
        if self._unnamed is not None and now - self._unnamed > ELECTION + loading:
            says = "names %s" % self._own.leader_url if self._own.leader_url else "names nobody"
            return "it has led etcd for %.1f s, and HoraeMeta %s as its leader" % (now - self._unnamed, says)
        return ""

    def since(self, now: float) -> float:
        """Seconds for which the own member has been hanging."""
        began = [moment for moment in (self._unanswered, self._unnamed) if moment is not None]
        return now - min(began) if began else 0.0

    def state(self, now: float) -> str:
        return WELL if not self.hung(now) else LEFT if self.left else HUNG

    def says(self, now: float) -> str:
        """For the page and the log."""
        hung, own = self.hung(now), self._own
        if hung:
            return "%s hangs: %s%s" % (self._settings.member.name, hung, "; " + self.left if self.left else "")
        if own is None:
            return "member %s can't be asked" % self._settings.member.name
        return "no hang is seen on member %s" % self._settings.member.name

    def interval(self, now: float) -> float:
        """Seconds until the next look."""
        return PATIENCE if self.left and now < self._wait_until else self._settings.interval

    def step(self, now: float, fit: Sequence[str]) -> Order:
        """`fit`: the other members that can take over."""
        own, hung = self._own, self.hung(now)
        if own is None:
            return Order(NOTHING)
        if hung:
            if now < self._wait_until:
                return Order(NOTHING)
            return Order(CURE, hung, fit[0] if fit and own.leads_etcd else "")
        self.left = ""
        if self._cut_off is not None and own.asked - self._cut_off >= CUT_OFF and now >= self._wait_until and self._settings.others:
            return Order(FENCE, "it names itself leader, and its etcd has been cut off from the others for %.1f s" % (own.asked - self._cut_off))
        if own.leads_etcd and own.healthy and own.key and now >= self._revoke_after:
            if self._stale is not None and own.asked - self._stale[1] >= APART:
                return Order(REVOKE, "the leader key names member %x, and %x leads etcd" % (own.key.member, own.id), lease=own.key.lease)
            if own.key.member == own.id and own.key.lease == self._dead_lease:
                return Order(REVOKE, "the leader key is that of this member before its restart", lease=own.key.lease)
        if self._cured and own.etcd_leader and own.leader_url and not self._hangs:
            return Order(NOTE)
        return Order(NOTHING)

    def done(self, order: Order, now: float, failure: str, left: str = "", noted: Optional[Cure] = None) -> None:
        """`left`: why nothing more is done about the hang. `noted`: what stands in etcd of the cure."""
        if order.do == NOTE:
            self._cured = None
            return
        self.left = left
        if not left:
            self.counts["%s_%s" % (order.do, "failed" if failure else "done")] += 1
        if order.do == REVOKE:
            self._revoke_after = now + (self._settings.pause if failure else 0.0)
            return
        self._wait_until = now + (PATIENCE if left else self._settings.interval if failure else AGAIN)
        if noted is not None:
            self._cured = (noted, now - self.since(now))

    def cured(self, now: float) -> Optional[Cure]:
        """The last cure with the seconds that it took, once the member is well again."""
        if self._cured is None:
            return None
        cure, began = self._cured
        return Cure(cure.ms, cure.member, cure.at, cure.why, round(now - began, 1))

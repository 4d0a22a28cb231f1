# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The record of each cure of a member that hung, in the cluster's own etcd: the shard keeper's, and the playbooks'. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Iterable, List, Mapping, Tuple

# A cluster whose members hang more often than this has another trouble.
KEPT = 50


@dataclass(frozen=True)
class Cured:
    """`member` is HoraeMeta's name of it. `seconds`: from the first sign to its end; 0 where that wasn't told."""

    member: str
    at: str
    why: str
    seconds: float = 0.0

    def to_json(self) -> str:
        return json.dumps({"member": self.member, "at": self.at, "why": self.why, "seconds": self.seconds})

    def __str__(self) -> str:
        return "member %s was cured at %s%s: %s" % (self.member, self.at, " after %.1f s" % self.seconds if self.seconds else "", self.why)


def prefix(cluster: str) -> str:
    return "/ansible/horaedb.cluster/%s/cures/" % cluster


def key(cluster: str, milliseconds: int, member: str) -> str:
    """The keys' order is the cures' order in time."""
    return "%s%d-%s" % (prefix(cluster), milliseconds, member)


def too_many(keys: Iterable[str], kept: int = KEPT) -> List[str]:
    """The oldest ones, beyond what is kept."""
    return sorted(keys)[:-kept]


def read(found: Mapping[str, str]) -> Tuple[Cured, ...]:
    """Key -> value to cures, in their order. What can't be read is left out: it is history."""
    return tuple(one for _key, value in sorted(found.items()) for one in _readable(value))


def _readable(text: str) -> List[Cured]:
    try:
        data: Any = json.loads(text)
        return [Cured(str(data["member"]), str(data["at"]), str(data["why"]), float(data.get("seconds") or 0))]
    except (AttributeError, KeyError, TypeError, ValueError):
        return []

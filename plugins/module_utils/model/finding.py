# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What preflight looks for, each thing a rule, and what it has to say: one finding per thing that is wrong, all of them at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Sequence, Tuple

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """`what` names the values that clash, `change` names the variable to change or the command to type."""

    rule: str
    hosts: Tuple[str, ...]
    what: str
    change: str
    severity: str = ERROR

    def sentence(self) -> str:
        where = ", ".join(self.hosts) or "the cluster"
        return "[%s] %s: %s %s" % (self.rule, where, self.what, self.change)

    def to_dict(self) -> Dict[str, Any]:
        return dict(asdict(self), hosts=list(self.hosts))


# What a rule yields: the hosts, what is wrong, what to change.
Faults = Iterator[Tuple[Sequence[str], str, str]]


@dataclass(frozen=True)
class Rule:
    """One thing that is refused, or warned of. Called with the facts that its function asks for, it gives the findings."""

    id: str
    severity: str
    look: Callable[..., Faults]

    def __call__(self, *facts: Any) -> List[Finding]:
        return [Finding(self.id, tuple(hosts), what, change, self.severity) for hosts, what, change in self.look(*facts)]


def rule(rule_id: str, severity: str = ERROR) -> Callable[[Callable[..., Faults]], Rule]:
    """Makes a rule of the function below it, the only place where its id and severity stand."""

    def made(look: Callable[..., Faults]) -> Rule:
        return Rule(rule_id, severity, look)

    return made


def by_value(pairs: Sequence[Tuple[str, object]]) -> str:
    """Pairs of host and value in words: `3 on meta1, meta2; 4 on meta3`."""
    hosts: Dict[str, List[str]] = {}
    for host, value in pairs:
        hosts.setdefault(str(value), []).append(host)
    return "; ".join("%s on %s" % (value, ", ".join(names)) for value, names in hosts.items())


def errors(findings: Iterable[Finding]) -> List[Finding]:
    return [f for f in findings if f.severity == ERROR]


def warnings(findings: Iterable[Finding]) -> List[Finding]:
    return [f for f in findings if f.severity == WARNING]


def report(findings: Sequence[Finding]) -> str:
    """The refusal, readable at 3 a.m.: how many, then one line each."""
    lines = ["%d finding%s; no host has been touched:" % (len(findings), "" if len(findings) == 1 else "s")]
    return "\n".join(lines + ["  " + f.sentence() for f in findings])

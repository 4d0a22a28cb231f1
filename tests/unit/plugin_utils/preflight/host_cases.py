"""Hosts to which nothing can be deployed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.unit.plugin_utils.preflight.live_cases import state


@dataclass(frozen=True)
class HostCase:
    name: str
    values: Mapping[str, Any]
    found: Mapping[str, set[str]]
    words: Sequence[str]

    def __str__(self) -> str:
        return self.name

    def state(self) -> Any:
        return state("db1", **self.values)


CASES = [
    HostCase("not root", {"uid": 1000}, {"host.root": {"db1"}}, ["1000", "ansible_become"]),
    HostCase("no user id", {"uid": -1}, {"host.root": {"db1"}}, ["ansible_become"]),
    HostCase(
        "no Python",
        {"python": ()},
        {"host.python": {"db1"}},
        ["/usr/bin/python3", "missing", "apt-get install python3", "ansible_python_interpreter"],
    ),
    HostCase("an old Python", {"python": (3, 7)}, {"host.python": {"db1"}}, ["3.7", "3.8"]),
    HostCase("Python 2", {"python": (2, 7)}, {"host.python": {"db1"}}, ["2.7", "3.8"]),
    HostCase("no systemd", {"systemd": 0}, {"host.systemd": {"db1"}}, ["missing", "247"]),
    HostCase("an old systemd", {"systemd": 241}, {"host.systemd": {"db1"}}, ["241", "247"]),
    HostCase(
        "everything at once",
        {"uid": 7, "python": (), "systemd": 0},
        {"host.root": {"db1"}, "host.python": {"db1"}, "host.systemd": {"db1"}},
        ["7"],
    ),
]

ACCEPTED: list[Mapping[str, Any]] = [{}, {"python": (3, 8)}, {"python": (3, 14)}, {"systemd": 247}]

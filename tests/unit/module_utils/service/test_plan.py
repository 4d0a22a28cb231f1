"""What is missing, as a pure function: a table of what may be found on a host and the steps that follow."""

from __future__ import annotations

from dataclasses import replace
from typing import List

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service.plan import Damage, Found, Service, plan, stale
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import from_options

from tests.unit.helpers.daemon_fakes import options

WANTED = from_options(options())
NEW = WANTED.generation
OLD = "0123456789ab"
OLD_UNIT = "Environment=HORAE_GENERATION=%s\n" % OLD


def up(generation: str) -> Service:
    return Service(active="active", sub="running", pid=7, invocation="i7", enabled=True, running=generation)


DONE = Found(service=up(NEW), unit=WANTED.unit, current=NEW, root_ok=True, generations=(NEW,), recorded=True)
BEHIND = replace(DONE, service=up(OLD), unit=OLD_UNIT, current=OLD, generations=(OLD,))
STAGED = replace(BEHIND, generations=(OLD, NEW), staged=NEW)
DOWN = replace(DONE, service=Service(enabled=True))
RESTART = ["age", "switch", "reload", "restart", "ready", "settle"]

TABLE = [
    ("nothing there", Found(), "started", ["record", "own", "stage", "switch", "enable", "reload", "restart", "ready", "settle"]),
    ("all as desired", DONE, "started", []),
    ("all as desired", DONE, "restarted", []),
    ("process is behind", BEHIND, "started", ["stage", "select"]),
    ("process is behind", BEHIND, "restarted", ["stage", *RESTART]),
    ("staged already", STAGED, "started", []),
    ("staged already", STAGED, "restarted", RESTART),
    ("another one staged", replace(STAGED, staged="ba9876543210"), "started", ["select"]),
    ("back to the running one", replace(DONE, staged=OLD), "started", ["unselect"]),
    ("down", DOWN, "started", ["restart", "ready", "settle"]),
    (
        "down, behind",
        replace(BEHIND, service=Service(enabled=True)),
        "started",
        ["stage", "switch", "reload", "restart", "ready", "settle"],
    ),
    ("killed between switch and restart", replace(STAGED, unit=WANTED.unit), "started", []),
    ("killed between switch and restart", replace(STAGED, unit=WANTED.unit), "restarted", ["age", "restart", "ready", "settle"]),
    ("killed before it was ready", replace(DONE, current=OLD, staged=NEW), "started", ["ready", "settle"]),
    ("killed before it was ready", replace(DONE, current=OLD, staged=NEW), "restarted", ["ready", "settle"]),
    ("systemd has read an older unit", replace(DONE, service=replace(up(NEW), needs_reload=True)), "started", ["switch", "reload"]),
    ("disabled by hand", replace(DONE, service=replace(up(NEW), enabled=False)), "started", ["enable", "reload"]),
    ("process of a foreign unit", replace(DONE, service=up("unknown")), "restarted", ["age", "restart", "ready", "settle"]),
    ("config edited", replace(DONE, damage=(Damage("tiny.toml", "edited"),)), "started", ["distrust", "mend"]),
    (
        "config edited",
        replace(DONE, damage=(Damage("tiny.toml", "edited"),)),
        "restarted",
        ["distrust", "mend", "age", "restart", "ready", "settle"],
    ),
    ("config deleted", replace(DONE, damage=(Damage("tiny.toml", "missing"),)), "started", ["mend"]),
    ("config edited, never read", replace(STAGED, damage=(Damage("tiny.toml", "edited"),)), "started", ["mend"]),
    ("unit edited", replace(DONE, unit=WANTED.unit + "#"), "started", ["distrust", "switch", "reload"]),
    ("distrusted process", replace(DONE, distrusted="i7"), "started", []),
    ("distrusted process", replace(DONE, distrusted="i7"), "restarted", ["age", "restart", "ready", "settle"]),
    ("distrust of an earlier process", replace(DONE, distrusted="i6"), "restarted", []),
    ("leftovers", replace(DONE, leftovers=("/x/.new-1",)), "started", ["clean"]),
    ("link missing", replace(DONE, links=("/etc/x",)), "started", ["link"]),
    ("file no more wanted", replace(DONE, unwanted=("/etc/x",)), "started", ["forget"]),
]


@pytest.mark.parametrize(("case", "found", "state", "steps"), TABLE, ids=["%s, %s" % (case, state) for case, _f, state, _s in TABLE])
def test_plan(case: str, found: Found, state: str, steps: List[str]) -> None:
    assert [step.do for step in plan(WANTED, found, state)] == steps, case


@pytest.mark.parametrize("found", {id(found): found for _case, found, _state, _steps in TABLE}.values())
def test_started_never_restarts_a_running_process(found: Found) -> None:
    verbs = {step.do for step in plan(WANTED, found, "started")}
    assert not found.service.up or "restart" not in verbs


def test_force_counts_for_restarted_only() -> None:
    assert plan(WANTED, DONE, "started", force=True) == ()
    assert [s.do for s in plan(WANTED, DONE, "restarted", force=True)] == ["age", "restart", "ready", "settle"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (DONE, False),
        (BEHIND, True),
        (STAGED, True),
        (DOWN, False),
        (replace(DONE, distrusted="i7"), True),
        (replace(DONE, distrusted="i6"), False),
    ],
)
def test_stale(found: Found, expected: bool) -> None:
    assert stale(WANTED, found) is expected


def test_the_sysusers_file_is_written_first() -> None:
    found = Found(outside=(Damage("/etc/tmpfiles.d/tiny.conf", "missing"), Damage("/etc/sysusers.d/tiny.conf", "missing")))
    written = [step.arg for step in plan(WANTED, found, "started") if step.do == "outside"]
    assert written == ["/etc/sysusers.d/tiny.conf", "/etc/tmpfiles.d/tiny.conf"]


def test_generations_in_use_are_never_pruned() -> None:
    spare = tuple("%012x" % n for n in range(5))
    found = replace(STAGED, generations=(*spare, OLD, "p" * 12, NEW), previous="p" * 12, links=("/etc/x",))
    assert [s.arg for s in plan(WANTED, found, "started", keep=0) if s.do == "prune"] == list(spare)
    assert [s.arg for s in plan(WANTED, found, "started", keep=3) if s.do == "prune"] == list(spare[:2])


def test_a_run_with_nothing_to_do_does_not_prune() -> None:
    assert plan(WANTED, replace(DONE, generations=(OLD, NEW)), "started", keep=0) == ()

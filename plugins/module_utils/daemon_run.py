# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""One run of the module `daemon`: options in, result out. The module itself only parses and reports."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from . import daemon_desired, daemon_plan, daemon_read
from .daemon_desired import Desired, Layout, Refused
from .daemon_host import Host, Looking
from .daemon_plan import Found, Step

# Of the 10 s after which a static cluster forgets a node not one is to be lost.
_STOPPED_INTERVAL = 0.3
# As long as a restart may be silent before the leadership is moved.
_SLOW_STOP = 4.0

_NOTHING: Dict[str, Any] = {
    "changed": False,
    "generation": None,
    "running": None,
    "current": None,
    "previous": None,
    "staged": None,
    "stale": False,
    "started": False,
    "restarted": False,
    "rolled_back": None,
    "version": "",
    "steps": [],
    "before": {},
    "after": {},
}


def run(host: Host, options: Mapping[str, Any], check_mode: bool = False, with_diff: bool = False) -> Dict[str, Any]:
    """The result, with `failed` and `msg` in it when a new generation didn't get ready. Refused when nothing was switched."""
    if options["state"] in ("stopped", "absent"):
        return _take_away(host, options, check_mode, with_diff)
    return _converge(host, options, check_mode, with_diff)


def _converge(host: Host, options: Mapping[str, Any], check_mode: bool, with_diff: bool) -> Dict[str, Any]:
    desired = daemon_desired.from_options(options)
    found = daemon_read.found(host, desired)
    steps = daemon_plan.plan(desired, found, options["state"], options["force"], options["keep"])
    packages = _packages(host, options)
    if not steps and not packages:
        return outcome(host, desired, found, steps)

    # Only a run that changes something pays for these imports.
    from . import daemon_diff, daemon_redact, daemon_refuse

    daemon_refuse.strangers(host, desired.layout, found)
    lacks_binary = _lacks_binary(desired, found) and not found.twin
    _refuse(host, options, desired, found, steps, lacks_binary)
    redactor = daemon_redact.Redactor([*options["secrets"], (options.get("image") or {}).get("password") or ""])
    result = {"diff": daemon_diff.diff(host, desired, found, steps, redactor)} if with_diff else {}
    if check_mode:
        foreseen = ["install package %s" % name for name in packages] + [step.words for step in steps]
        return dict(outcome(host, desired, found, steps), changed=True, steps=foreseen, **result)
    needs = ["packages"] if packages else []
    if lacks_binary and not options["binary"].get("path"):
        needs.append("binary")
    if not found.image and options["image"].get("archive") and not options["image"].get("path"):
        needs.append("image")
    if needs:
        return dict(_NOTHING, needs=needs, packages=packages)
    done = dict(_carry_out(host, options, desired, found, steps, redactor), **result)
    if not any(step.do == "select" for step in steps) or done["running"] is not None:
        return done
    # The process that was left alone has died meanwhile, as in a crash loop that one look caught alive: nothing is there to be rolled,
    # and what was staged may be what mends it.
    then = _converge(host, options, check_mode, False)
    return dict(then, changed=True, steps=done["steps"] + then["steps"], before=done["before"], **result)


def _carry_out(
    host: Host, options: Mapping[str, Any], desired: Desired, found: Found, steps: Tuple[Step, ...], redactor: Any
) -> Dict[str, Any]:
    from . import daemon_image
    from .daemon_transaction import RolledBack, Transaction, Waits
    from .daemon_watch import Watch

    transaction = Transaction(
        host=host,
        desired=desired,
        found=found,
        waits=Waits(options["ready_timeout"], options["rollback_timeout"], options["min_age"], options["crashes"], options["lines"]),
        new_watch=lambda: Watch(host, desired.layout, options.get("log") or "", redactor),
        new_probe=lambda: _probe(options.get("ready")),
        downgrade=options["downgrade"],
        transferred=(options.get("binary") or {}).get("path") or "",
        image_source=daemon_image.source_of(options.get("image")),
    )
    # A probe that can't be built is a mistake of the caller's, to be told before anything is touched.
    transaction.new_probe()
    failure: Dict[str, Any] = {}
    try:
        transaction.run(steps)
    except RolledBack as rolled_back:
        failure = {"failed": True, "msg": redactor.mask(str(rolled_back)), "rolled_back": rolled_back.back}
    except Refused as refused:
        raise Refused(redactor.mask(str(refused))) from refused
    after = daemon_read.found(host, desired)
    result = outcome(host, desired, after, steps)
    result.update(
        changed=bool(transaction.done) or bool(failure),
        steps=transaction.done,
        version=redactor.mask(transaction.version or result["version"]),
        before=_in_use(host, desired, found),
        started="start" in _verbs(steps) and not failure,
        restarted="restart" in _verbs(steps) and not failure,
    )
    result.update(failure)
    return result


def _take_away(host: Host, options: Mapping[str, Any], check_mode: bool, with_diff: bool) -> Dict[str, Any]:
    from . import daemon_remove

    layout = Layout(options["name"], daemon_desired.root_of(options))
    service = daemon_read.service(host, layout)
    if options["state"] == "stopped":
        steps = daemon_remove.stop_plan(layout, service, options["at_boot"])
    else:
        files = [f.path for f in daemon_desired.outside_of(options)]
        links = [path for path, _target in daemon_desired.links_of(options)]
        steps = daemon_remove.absent_plan(host, layout, service, daemon_remove.outside_paths(host, files, links))
    # The other kinds say when a daemon that runs is ready, which one that is stopped never gets.
    away = options["state"] == "stopped" and (options.get("ready") or {}).get("kind") == "away"
    if not check_mode:
        daemon_remove.carry_out(host, layout, service, steps, options["min_age"], block=not away)
        if away:
            _wait_stopped(host, layout, lambda: _probe(options["ready"]), options["ready_timeout"])
    running = service.running if check_mode or not steps else None
    result = dict(_NOTHING, changed=bool(steps), steps=[step.words for step in steps], running=running)
    if with_diff and steps:
        before = "present, running\n" if service.up else "present, not running\n"
        after = "stopped\n" if options["state"] == "stopped" else "absent\n"
        result["diff"] = [{"before_header": layout.service, "after_header": layout.service, "before": before, "after": after}]
    return result


def _wait_stopped(host: Host, layout: Layout, new_probe: Callable[[], Any], timeout: float) -> None:
    """Until the service is stopped and its cluster can do without it.

    A process that is slow to end is protected before it has, and once more afterwards, because its cluster may have heard it in between.
    """
    from .waiting import wait

    probe, early = new_probe(), False

    def poll(elapsed: float) -> Optional[str]:
        nonlocal probe, early
        ends = daemon_read.service(host, layout).active not in ("inactive", "failed")
        if ends and (early or elapsed < _SLOW_STOP):
            return "it is still stopping"
        missing: Optional[str] = probe.poll(elapsed)
        if missing is None and ends:
            probe, early = new_probe(), True
            return "it is still stopping"
        return missing

    waited = wait(poll, timeout, _STOPPED_INTERVAL, clock=host)
    if waited.missing is not None:
        raise Refused("%s was stopped, and after %.0f s: %s" % (layout.service, waited.elapsed, waited.missing))


def outcome(host: Looking, desired: Desired, found: Found, steps: Tuple[Step, ...]) -> Dict[str, Any]:
    """The module's result, as far as it needs no doing."""
    known = daemon_read.manifest(host, desired.directory)
    return dict(
        _NOTHING,
        changed=bool(steps),
        generation=desired.generation,
        running=found.service.running,
        current=found.current,
        previous=found.previous,
        staged=found.staged,
        stale=daemon_plan.stale(desired, found),
        version=str(known.get("version", "")),
        before=_in_use(host, desired, found),
        after=_in_use(host, desired, found),
    )


def _in_use(host: Looking, desired: Desired, found: Found) -> Dict[str, Any]:
    """The generation that was last seen ready, and what its binary says of itself. Empty where there is none."""
    if found.current is None:
        return {}
    known = daemon_read.manifest(host, desired.layout.generation(found.current))
    return {"generation": found.current, "version": str(known.get("version", ""))}


def _refuse(host: Host, options: Mapping[str, Any], desired: Desired, found: Found, steps: Tuple[Step, ...], lacks_binary: bool) -> None:
    from . import daemon_refuse
    from .daemon_prove import not_older

    kinds = {step.do for step in steps}
    # One that is still to be staged is proved, and compared, on the way.
    if not options["downgrade"] and desired.generation in found.generations:
        known = daemon_read.manifest(host, desired.directory)
        not_older(desired.name, str(known.get("version", "")), str(_in_use(host, desired, found).get("version", "")))
    wanted = dict.fromkeys(options["paths"], options["space"]) if "restart" in kinds else {}
    if "stage" in kinds or found.damage:
        wanted[desired.root] = options["space"] + ((options["binary"].get("size") or 0) if lacks_binary else 0)
    daemon_refuse.space(host, wanted)
    if "start" in _verbs(steps) and found.service.active in ("inactive", "failed"):
        daemon_refuse.ports(host, options["ports"], options["bind"])


def _packages(host: Host, options: Mapping[str, Any]) -> List[str]:
    return [package["name"] for package in options["packages"] if host.stat(package["provides"]) is None]


def _lacks_binary(desired: Desired, found: Found) -> bool:
    if desired.binary is None:
        return False
    name = desired.binary.name
    return desired.generation not in found.generations or any(d.name == name and d.kind != "attributes" for d in found.damage)


def _verbs(steps: Tuple[Step, ...]) -> List[str]:
    return [step.arg for step in steps if step.do == "restart"]


def _probe(spec: Optional[Mapping[str, Any]]) -> Any:
    if not spec:
        return None
    from . import readiness

    try:
        return readiness.build(spec)
    except ValueError as error:
        raise Refused("ready: %s" % error) from error

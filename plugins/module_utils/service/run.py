# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""One run of the module `daemon`: options in, result out. The module itself only parses and reports."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.errors import result_of
from ansible_collections.horaedb.cluster.plugins.module_utils.service import inspect, plan
from ansible_collections.horaedb.cluster.plugins.module_utils.service import spec as service_spec
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Host, Looking
from ansible_collections.horaedb.cluster.plugins.module_utils.service.plan import Do, Found, Step
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Desired, Layout, Refused

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
    if options["state"] == "rerun":
        return _rerun(host, options, check_mode)
    return _converge(host, options, check_mode, with_diff)


def _converge(host: Host, options: Mapping[str, Any], check_mode: bool, with_diff: bool) -> Dict[str, Any]:
    desired = service_spec.from_options(options)
    found = inspect.found(host, desired)
    steps = plan.plan(desired, found, options["state"], options["force"], options["keep"])
    packages = _packages(host, options)
    if not steps and not packages:
        return outcome(host, desired, found, steps)

    # Only a run that changes something pays for these imports.
    from ansible_collections.horaedb.cluster.plugins.module_utils.common import redact
    from ansible_collections.horaedb.cluster.plugins.module_utils.service import diff, preconditions

    preconditions.strangers(host, desired.layout, found)
    lacks_binary = _lacks_binary(desired, found) and not found.twin
    _refuse(host, options, desired, found, steps, lacks_binary)
    redactor = redact.Redactor([*options["secrets"], (options.get("image") or {}).get("password") or ""])
    result = {"diff": diff.diff(host, desired, found, steps, redactor)} if with_diff else {}
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
    if not any(step.do is Do.SELECT for step in steps) or done["running"] is not None:
        return done
    # The process that was left alone has died meanwhile, as in a crash loop that one look caught alive: nothing is there to be rolled,
    # and what was staged may be what mends it.
    then = _converge(host, options, check_mode, False)
    return dict(then, changed=True, steps=done["steps"] + then["steps"], before=done["before"], **result)


def _carry_out(
    host: Host, options: Mapping[str, Any], desired: Desired, found: Found, steps: Tuple[Step, ...], redactor: Any
) -> Dict[str, Any]:
    from ansible_collections.horaedb.cluster.plugins.module_utils.service import image
    from ansible_collections.horaedb.cluster.plugins.module_utils.service.apply import RolledBack, Transaction, Waits
    from ansible_collections.horaedb.cluster.plugins.module_utils.service.wait_ready import Watch

    transaction = Transaction(
        host=host,
        desired=desired,
        found=found,
        waits=Waits(options["ready_timeout"], options["rollback_timeout"], options["min_age"], options["crashes"], options["lines"]),
        new_watch=lambda: Watch(host, desired.layout, options.get("log") or "", redactor),
        new_wait=lambda: _until_ready(options),
        before_restart=_before_restart(options),
        downgrade=options["downgrade"],
        transferred=(options.get("binary") or {}).get("path") or "",
        image_source=image.source_of(options.get("image")),
    )
    # What can't be built is a mistake of the caller's, to be told before anything is touched.
    transaction.new_wait()
    failure: Dict[str, Any] = {}
    try:
        transaction.run(steps)
    except RolledBack as rolled_back:
        failure = dict(result_of(rolled_back), failed=True)
        failure["msg"] = redactor.mask(failure["msg"])
    except Refused as refused:
        raise Refused(redactor.mask(str(refused))) from refused
    after = inspect.found(host, desired)
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


def _rerun(host: Host, options: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Nothing is staged, switched or fetched, so nothing of what is desired can be in the way."""
    from ansible_collections.horaedb.cluster.plugins.module_utils.common import redact
    from ansible_collections.horaedb.cluster.plugins.module_utils.service import remove
    from ansible_collections.horaedb.cluster.plugins.module_utils.service.wait_ready import NotReady, Watch

    layout = Layout(options["name"], service_spec.root_of(options))
    unit = host.read(layout.unit)
    generation = service_spec.generation_of(unit.decode(errors="replace")) if unit else None
    if generation is None:
        raise Refused("%s isn't deployed on this host, so there is nothing to restart: site.yml does that." % layout.service)
    service = inspect.service(host, layout)
    steps = remove.rerun_plan(layout, service)
    result = dict(_NOTHING, changed=True, steps=[step.words for step in steps], running=generation, generation=generation)
    if check_mode:
        return result
    redactor = redact.Redactor([*options["secrets"], (options.get("image") or {}).get("password") or ""])
    watch, until = Watch(host, layout, options.get("log") or "", redactor), _until_ready(options)
    remove.carry_out(host, layout, service, steps, options["min_age"], block=False)
    try:
        watch.until_ready(generation, until, options["ready_timeout"], options["crashes"], True)
    except NotReady as missing:
        said = "%s was restarted as it ran: %s. systemd goes on trying. From its log:\n%s" % (
            layout.service,
            missing,
            watch.log_tail(options["lines"]),
        )
        raise Refused(redactor.mask(said)) from missing
    return dict(result, restarted=True)


def _take_away(host: Host, options: Mapping[str, Any], check_mode: bool, with_diff: bool) -> Dict[str, Any]:
    from ansible_collections.horaedb.cluster.plugins.module_utils.service import remove

    layout = Layout(options["name"], service_spec.root_of(options))
    service = inspect.service(host, layout)
    if options["state"] == "stopped":
        steps = remove.stop_plan(layout, service, options["at_boot"])
    else:
        files = [f.path for f in service_spec.outside_of(options)]
        links = [path for path, _target in service_spec.links_of(options)]
        steps = remove.absent_plan(host, layout, service, remove.outside_paths(host, files, links))
    protected = options["state"] == "stopped" and bool(options.get("protection"))
    if not check_mode:
        remove.carry_out(host, layout, service, steps, options["min_age"], block=not protected)
        if protected:
            _wait_stopped(host, layout, lambda: _until_protected(options["protection"]), options["ready_timeout"])
    running = service.running if check_mode or not steps else None
    result = dict(_NOTHING, changed=bool(steps), steps=[step.words for step in steps], running=running)
    if with_diff and steps:
        before = "present, running\n" if service.up else "present, not running\n"
        after = "stopped\n" if options["state"] == "stopped" else "absent\n"
        result["diff"] = [{"before_header": layout.service, "after_header": layout.service, "before": before, "after": after}]
    return result


def _wait_stopped(host: Host, layout: Layout, new_wait: Callable[[], Any], timeout: float) -> None:
    """Until the service is stopped and its cluster can do without it.

    A process that is slow to end is protected before it has, and once more afterwards, because its cluster may have heard it in between.
    """
    from ansible_collections.horaedb.cluster.plugins.module_utils.common.wait import wait

    until, early = new_wait(), False

    def poll(elapsed: float) -> Optional[str]:
        nonlocal until, early
        ends = inspect.service(host, layout).active not in ("inactive", "failed")
        if ends and (early or elapsed < _SLOW_STOP):
            return "it is still stopping"
        missing: Optional[str] = until.poll(elapsed)
        if missing is None and ends:
            until, early = new_wait(), True
            return "it is still stopping"
        return missing

    waited = wait(poll, timeout, _STOPPED_INTERVAL, clock=host)
    if waited.missing is not None:
        raise Refused("%s was stopped, and after %.0f s: %s" % (layout.service, waited.elapsed, waited.missing))


def outcome(host: Looking, desired: Desired, found: Found, steps: Tuple[Step, ...]) -> Dict[str, Any]:
    """The module's result, as far as it needs no doing."""
    known = inspect.manifest(host, desired.directory)
    return dict(
        _NOTHING,
        changed=bool(steps),
        generation=desired.generation,
        running=found.service.running,
        current=found.current,
        previous=found.previous,
        staged=found.staged,
        stale=plan.stale(desired, found),
        version=str(known.get("version", "")),
        before=_in_use(host, desired, found),
        after=_in_use(host, desired, found),
    )


def _in_use(host: Looking, desired: Desired, found: Found) -> Dict[str, Any]:
    """The generation that was last seen ready, and what its binary says of itself. Empty where there is none."""
    if found.current is None:
        return {}
    known = inspect.manifest(host, desired.layout.generation(found.current))
    return {"generation": found.current, "version": str(known.get("version", ""))}


def _refuse(host: Host, options: Mapping[str, Any], desired: Desired, found: Found, steps: Tuple[Step, ...], lacks_binary: bool) -> None:
    from ansible_collections.horaedb.cluster.plugins.module_utils.service import preconditions
    from ansible_collections.horaedb.cluster.plugins.module_utils.service.verify import not_older

    kinds = {step.do for step in steps}
    # One that is still to be staged is proved, and compared, on the way.
    if not options["downgrade"] and desired.generation in found.generations:
        known = inspect.manifest(host, desired.directory)
        not_older(desired.name, str(known.get("version", "")), str(_in_use(host, desired, found).get("version", "")))
    wanted = dict.fromkeys(options["paths"], options["space"]) if Do.RESTART in kinds else {}
    if Do.STAGE in kinds or found.damage:
        wanted[desired.root] = options["space"] + ((options["binary"].get("size") or 0) if lacks_binary else 0)
    preconditions.space(host, wanted)
    if "start" in _verbs(steps) and found.service.active in ("inactive", "failed"):
        preconditions.ports(host, options["ports"], options["bind"])


def _packages(host: Host, options: Mapping[str, Any]) -> List[str]:
    return [package["name"] for package in options["packages"] if host.stat(package["provides"]) is None]


def _lacks_binary(desired: Desired, found: Found) -> bool:
    if desired.binary is None:
        return False
    name = desired.binary.name
    return desired.generation not in found.generations or any(d.name == name and d.kind != "attributes" for d in found.damage)


def _verbs(steps: Tuple[Step, ...]) -> List[str]:
    return [step.arg for step in steps if step.do is Do.RESTART]


def _until_ready(options: Mapping[str, Any]) -> Any:
    if not options.get("ready"):
        return None
    from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import waits

    try:
        return waits.until_ready(options["ready"], options.get("protection"))
    except ValueError as error:
        raise Refused("ready: %s" % error) from error


def _until_protected(protection: Mapping[str, Any]) -> Any:
    from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import waits

    try:
        return waits.until_protected(protection)
    except ValueError as error:
        raise Refused("protection: %s" % error) from error


def _before_restart(options: Mapping[str, Any]) -> Optional[Callable[[Host], None]]:
    """What returns when it is time to stop a daemon that is to be restarted, None where any time is."""
    if not options.get("protection"):
        return None
    from ansible_collections.horaedb.cluster.plugins.module_utils.leadership import waits

    try:
        return waits.for_restart(options["protection"]).before_restart
    except ValueError as error:
        raise Refused("protection: %s" % error) from error

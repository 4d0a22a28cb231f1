# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Takes a daemon away again, or only stops it. Data and logs are never touched."""

from __future__ import annotations

import posixpath
from typing import Callable, Dict, List, Sequence, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.service import image as service_image
from ansible_collections.horaedb.cluster.plugins.module_utils.service import inspect
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Host
from ansible_collections.horaedb.cluster.plugins.module_utils.service.plan import Do, Service, Step
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Layout, Refused, generation_of

# `systemctl stop` itself waits for TimeoutStopSec= of the unit, 90 s where that says nothing.
_STOP_LIMIT = 300.0


def stop_plan(layout: Layout, service: Service, at_boot: bool = True) -> Tuple[Step, ...]:
    """A stop that a start will follow, so the process has to be as old as for a restart."""
    stop = _stop(layout, service)
    if service.enabled and not at_boot:
        stop = (Step(Do.DISABLE, "disable %s" % layout.service), *stop)
    return (Step(Do.AGE, "wait until the process is old enough to be stopped"), *stop) if service.up else stop


def rerun_plan(layout: Layout, service: Service) -> Tuple[Step, ...]:
    restart = (Step(Do.RESTART, "restart %s as it runs" % layout.service),)
    return (Step(Do.AGE, "wait until the process is old enough to be restarted"), *restart) if service.up else restart


def _stop(layout: Layout, service: Service) -> Tuple[Step, ...]:
    dead = service.active in ("inactive", "failed") and not service.up
    return () if dead else (Step(Do.STOP, "stop %s" % layout.service),)


def absent_plan(host: Host, layout: Layout, service: Service, paths: Sequence[str]) -> Tuple[Step, ...]:
    """`paths`: files and links outside of the root that the caller knows of, besides the recorded ones."""
    record = inspect.recorded(host, layout)
    steps = list(_stop(layout, service))
    unit = host.read(layout.unit)
    if unit is not None:
        ours = generation_of(unit.decode(errors="replace")) is not None or host.target(layout.link("current")) is not None
        if not ours or host.target(layout.unit) is not None:
            raise Refused("%s doesn't come from this collection: it is left alone, and so is the rest. Remove it by hand." % layout.unit)
        steps += [Step(Do.DISABLE, "disable %s" % layout.service), Step(Do.REMOVE, "remove %s" % layout.unit, layout.unit)]
        steps.append(Step(Do.RELOAD, "make systemd forget it"))
    outside = sorted(set(record["files"]) | set(record["links"]) | set(paths))
    steps += [Step(Do.REMOVE, "remove %s" % path, path) for path in outside if host.stat(path)]
    steps += [Step(Do.RMDIR, "remove %s if it is empty" % path, path) for path in record["made"] if host.stat(path)]
    manifests = [inspect.manifest(host, layout.generation(name)) for name in host.names(layout.generations)]
    images = sorted({image for image in map(service_image.named_in, manifests) if image})
    steps += [Step(Do.IMAGE, "remove the image %s from %s if nothing else uses it" % (name, engine), engine + " " + name) for engine, name in images]
    # The record goes after what it lists, the lock last of all: whoever waits for it notices that its file is another one.
    own = [layout.generations, layout.link("staged"), layout.link("current"), layout.link("previous"), layout.distrusted, layout.record]
    steps += [Step(Do.REMOVE, "remove %s" % path, path) for path in own + [layout.lock] if host.stat(path)]
    if host.stat(layout.root) and all(posixpath.join(layout.root, name) in own + [layout.lock] for name in host.names(layout.root)):
        steps.append(Step(Do.RMDIR, "remove %s" % layout.root, layout.root))
    return tuple(steps)


def carry_out(host: Host, layout: Layout, service: Service, steps: Sequence[Step], min_age: float, block: bool = True) -> List[str]:
    """block: whether a stop is waited for. What has to be done while a process is slow to end can't wait for it."""
    actions: Dict[Do, Callable[[str], None]] = {
        Do.AGE: lambda _arg: host.sleep(max(0.0, service.started + min_age - host.monotonic())),
        Do.STOP: lambda _arg: _systemctl(host, "stop", *([] if block else ["--no-block"]), layout.service),
        Do.RESTART: lambda _arg: _systemctl(host, "restart", "--no-block", layout.service),
        Do.DISABLE: lambda _arg: _systemctl(host, "disable", "--quiet", layout.service),
        Do.RELOAD: lambda _arg: _systemctl(host, "daemon-reload"),
        Do.IMAGE: lambda arg: service_image.drop(host, *arg.split(" ", 1)),
        Do.REMOVE: host.remove,
        Do.RMDIR: lambda path: None if host.names(path) else host.remove(path),
    }
    for step in steps:
        actions[step.do](step.arg)
    return [step.words for step in steps]


def outside_paths(host: Host, paths: Sequence[str], links: Sequence[str]) -> List[str]:
    """Of the links the caller names only those that are links: a file that somebody put in their place is theirs."""
    return list(paths) + [link for link in links if host.target(link) is not None]


def _systemctl(host: Host, *argv: str) -> None:
    ran = host.run(["systemctl", *argv], limit=_STOP_LIMIT)
    if ran.rc != 0:
        raise Refused("`systemctl %s` failed with exit status %d: %s" % (" ".join(argv), ran.rc, ran.said))

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Carries out a plan, and goes back when the service doesn't get ready.

Every step may be the last one before a kill: each leaves something that the next run's plan completes. Hence no step undoes its
work in a `finally`, and whatever has a name under generations/ is whole.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, NoReturn, Optional, Sequence

from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.leadership.waits import Wait
from ansible_collections.horaedb.cluster.plugins.module_utils.service import image as service_image
from ansible_collections.horaedb.cluster.plugins.module_utils.service import inspect, verify
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Host
from ansible_collections.horaedb.cluster.plugins.module_utils.service.inspect import BINARY_MODE, DIRECTORY_MODE, ROOT, TEXT_MODE, UNIT_MODE
from ansible_collections.horaedb.cluster.plugins.module_utils.service.plan import ACTIVATION, Do, Found, Step
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import MANIFEST, Binary, Desired, Refused, generation_of
from ansible_collections.horaedb.cluster.plugins.module_utils.service.wait_ready import NotReady, Watch

_SYSTEMD_LIMIT = 120.0


class RolledBack(Failure):
    """The new generation didn't get ready. `back` tells whether the former one runs again."""

    kind = "daemon.rolled_back"

    def __init__(self, message: str, back: bool) -> None:
        super().__init__(message)
        self.back = back

    def fields(self) -> Dict[str, Any]:
        return {"rolled_back": self.back}


@dataclass(frozen=True)
class Waits:
    """How long to wait for what, in seconds, and how much of the log to show."""

    ready: float
    rollback: float
    min_age: float
    crashes: int
    lines: int


@dataclass
class Transaction:
    host: Host
    desired: Desired
    found: Found
    waits: Waits
    new_watch: Callable[[], Watch]
    new_wait: Callable[[], Optional[Wait]]
    before_restart: Optional[Callable[[Host], None]] = None
    downgrade: bool = False
    transferred: str = ""
    image_source: service_image.Source = service_image.Source()
    version: str = ""
    done: List[str] = field(default_factory=list)
    _watch: Optional[Watch] = None
    _restarted: bool = False
    _fetched: bool = False

    def run(self, steps: Sequence[Step]) -> None:
        """Refused when nothing was switched; RolledBack when a switch was taken back, or couldn't be."""
        for step in steps:
            try:
                self._do(step)
            except (NotReady, Refused, OSError) as failure:
                if step.do not in ACTIVATION:
                    raise
                self._roll_back(failure)
            self.done.append(step.words)

    def _do(self, step: Step) -> None:
        actions: Dict[Do, Callable[[str], None]] = {
            Do.CLEAN: self.host.remove,
            Do.RECORD: self._record,
            Do.OUTSIDE: self._outside,
            Do.FORGET: self._forget,
            Do.OWN: self._own,
            Do.DISTRUST: self._distrust,
            Do.IMAGE: self._image,
            Do.STAGE: self._stage,
            Do.MEND: self._mend,
            Do.LINK: self._link,
            Do.SELECT: self._select,
            Do.UNSELECT: self._unselect,
            Do.AGE: self._age,
            Do.SWITCH: self._switch,
            Do.ENABLE: self._enable,
            Do.RELOAD: self._reload,
            Do.RESTART: self._restart,
            Do.READY: self._ready,
            Do.SETTLE: self._settle,
            Do.PRUNE: self._prune,
        }
        actions[step.do](step.arg)

    # Files of the host

    def _record(self, _arg: str) -> None:
        wanted = inspect.record_of(self.desired)
        record = inspect.recorded(self.host, self.desired.layout)
        parents = {posixpath.dirname(path) for paths in wanted.values() for path in paths}
        wanted["made"] = [path for path in parents if self.host.stat(path) is None]
        self._write_record({kind: sorted(set(record[kind]) | set(wanted[kind])) for kind in record})

    def _forget(self, path: str) -> None:
        # It stays on the list until it is gone.
        self.host.remove(path)
        record = inspect.recorded(self.host, self.desired.layout)
        self._write_record({kind: [p for p in paths if p != path] for kind, paths in record.items()})

    def _write_record(self, record: Mapping[str, Sequence[str]]) -> None:
        self.host.write(self.desired.layout.record, json.dumps(record).encode(), TEXT_MODE, ROOT)

    def _outside(self, path: str) -> None:
        wanted = next(f for f in self.desired.outside if f.path == path)
        self._make_parent(path)
        self.host.write(path, wanted.content.encode(), wanted.mode, ROOT)
        if wanted.apply == "sysusers":
            self._run(["systemd-sysusers", path])
        elif wanted.apply == "tmpfiles":
            self._run(["systemd-tmpfiles", "--create", path])

    def _own(self, _arg: str) -> None:
        layout = self.desired.layout
        for directory in [layout.root, layout.generations]:
            self.host.mkdir(directory, DIRECTORY_MODE, self.desired.group)
        if self.desired.generation in self.found.generations:
            self.host.own(self.desired.directory, DIRECTORY_MODE, self.desired.group)

    def _link(self, path: str) -> None:
        self._make_parent(path)
        self.host.symlink(self.desired.fill(dict(self.desired.links)[path]), path)

    def _make_parent(self, path: str) -> None:
        if self.host.stat(posixpath.dirname(path)) is None:
            self.host.mkdir(posixpath.dirname(path), 0o755, ROOT)

    # The generation

    def _image(self, _arg: str) -> None:
        if self.desired.image:
            service_image.fetch(self.host, self.desired.layout, self.desired.image, self.image_source)
            self._fetched = True

    def _stage(self, _arg: str) -> None:
        scratch = posixpath.join(self.desired.layout.generations, ".new-" + self.desired.generation)
        try:
            self.host.mkdir(scratch, DIRECTORY_MODE, self.desired.group)
            for name in self.desired.texts:
                self._write_text(scratch, name)
            if self.desired.binary:
                self._place_binary(scratch, self.desired.binary)
            self.version = verify.version(self.host, self.desired, scratch)
            if not self.downgrade:
                verify.not_older(self.desired.name, self.version, self._version_in_use())
            verify.unit(self.host, self.desired, scratch)
            verify.checks(self.host, self.desired, scratch)
            self._write_manifest(scratch)
        except (Refused, OSError):
            self.host.remove(scratch)
            if self._fetched and self.desired.image:
                service_image.drop(self.host, self.desired.image.engine, self.desired.image.reference)
            raise
        self.host.rename(scratch, self.desired.directory)

    def _version_in_use(self) -> str:
        if self.found.current is None:
            return ""
        return str(inspect.manifest(self.host, self.desired.layout.generation(self.found.current)).get("version", ""))

    def _mend(self, name: str) -> None:
        damage = next(d for d in self.found.damage if d.name == name)
        binary = self.desired.binary if self.desired.binary and self.desired.binary.name == name else None
        if damage.kind == "attributes":
            mode = BINARY_MODE if binary else TEXT_MODE
            self.host.own(posixpath.join(self.desired.directory, name), mode, self.desired.group)
        elif binary:
            self._place_binary(self.desired.directory, binary)
        elif name == MANIFEST:
            self._write_manifest(self.desired.directory)
        else:
            self._write_text(self.desired.directory, name)

    def _distrust(self, _arg: str) -> None:
        self.host.write(self.desired.layout.distrusted, self.found.service.invocation.encode(), TEXT_MODE, ROOT)

    def _write_text(self, directory: str, name: str) -> None:
        self.host.write(posixpath.join(directory, name), self.desired.texts[name], TEXT_MODE, self.desired.group)

    def _place_binary(self, directory: str, binary: Binary) -> None:
        path = posixpath.join(directory, binary.name)
        if self.found.twin:
            self.host.hardlink(self.found.twin, path)
            got = self.host.digest(path)
        else:
            got = self.host.copy(self.transferred, path, BINARY_MODE, self.desired.group)
        if got != binary.sha256:
            self.host.remove(path)
            raise Refused("the copy of %s on this host has the digest %s; expected %s. Run it again." % (binary.name, got, binary.sha256))

    def _write_manifest(self, directory: str) -> None:
        manifest: Dict[str, object] = {"generation": self.desired.generation}
        binary, image = self.desired.binary, self.desired.image
        stat = self.host.stat(posixpath.join(directory, binary.name)) if binary else None
        if image or stat:
            known = str(inspect.manifest(self.host, directory).get("version", ""))
            # Lost with the manifest, it is asked for again: a downgrade is told by it.
            self.version = self.version or known or verify.version(self.host, self.desired, directory)
            manifest.update(version=self.version)
        if binary and stat:
            manifest.update(program=binary.name, sha256=binary.sha256, binary=inspect.identity(stat))
        if image:
            manifest.update(engine=image.engine, image=image.reference)
        self.host.write(posixpath.join(directory, MANIFEST), json.dumps(manifest).encode(), TEXT_MODE, self.desired.group)

    def _select(self, generation: str) -> None:
        self._point("staged", generation)

    def _unselect(self, _arg: str) -> None:
        self.host.remove(self.desired.layout.link("staged"))

    def _prune(self, generation: str) -> None:
        self._drop_image_of(generation)
        path = self.desired.layout.generation(generation)
        hidden = posixpath.join(posixpath.dirname(path), ".old-" + generation)
        # Without its name first: a removal that is cut short must not leave a part of a generation that looks whole.
        self.host.rename(path, hidden)
        self.host.remove(hidden)

    def _drop_image_of(self, generation: str) -> None:
        """First of all, so that a kill leaves a generation that the next run prunes, and no image that nobody remembers."""
        layout = self.desired.layout
        images = {g: service_image.named_in(inspect.manifest(self.host, layout.generation(g))) for g in self.host.names(layout.generations)}
        image = images.pop(generation, None)
        if image and image not in images.values():
            service_image.drop(self.host, *image)

    # The service

    def _age(self, _arg: str) -> None:
        missing = self.waits.min_age - (self.host.monotonic() - self.found.service.started)
        if missing > 0:
            self.host.sleep(missing)

    def _switch(self, _arg: str) -> None:
        self.host.write(self.desired.layout.unit, self.desired.unit.encode(), UNIT_MODE, ROOT)

    def _enable(self, _arg: str) -> None:
        # Left to the reload that follows in any case: it is the slowest part.
        self._systemctl("enable", "--quiet", "--no-reload")

    def _restart(self, verb: str) -> None:
        if self.before_restart and verb == "restart":
            self.before_restart(self.host)
        self._watch = self.new_watch()
        self._restarted = True
        # Not waited for by systemctl: while a process is slow to stop, its shards may already have to be protected.
        self._systemctl("restart", "--no-block")

    def _ready(self, _arg: str) -> None:
        self._watch = self._watch or self.new_watch()
        self._watch.until_ready(self.desired.generation, self.new_wait(), self.waits.ready, self.waits.crashes, self._restarted)

    def _settle(self, _arg: str) -> None:
        former = self.found.current
        if former and former != self.desired.generation and former in self.found.generations:
            self._point("previous", former)
        self._point("current", self.desired.generation)
        self.host.remove(self.desired.layout.link("staged"))
        self.host.remove(self.desired.layout.distrusted)

    # The way back

    def _roll_back(self, why: Exception) -> NoReturn:
        what = "%s: generation %s: %s." % (self.desired.name, self.desired.generation, why)
        if self._watch:
            tail = self._watch.log_tail(self.waits.lines)
            what += "\nFrom its log:\n%s\n" % tail if tail else " It wrote nothing. "
        former = self.found.current
        if former == self.desired.generation:
            raise RolledBack("%sNothing was changed on disk, so there is nothing to go back to; systemd goes on trying." % what, False)
        if former is None or former not in self.found.generations:
            raise RolledBack(what + self._stand_down(), False)
        try:
            self._restore(former)
        except (NotReady, Refused, OSError) as failure:
            raise RolledBack(
                "%sThe unit was put back to generation %s, but that didn't get ready either: %s. Look at `systemctl status %s` on the host."
                % (what, former, failure, self.desired.layout.service),
                False,
            ) from failure
        raise RolledBack(
            "%sThe previous generation %s is in place again%s. The failed one is left in %s for a look."
            % (what, former, " and ready" if self._restarted else "", self.desired.directory),
            True,
        )

    def _restore(self, former: str) -> None:
        layout = self.desired.layout
        unit = self.host.read(posixpath.join(layout.generation(former), layout.service))
        if unit is None:
            raise Refused("%s is gone" % posixpath.join(layout.generation(former), layout.service))
        if self.host.read(layout.unit) != unit:
            self.host.write(layout.unit, unit, UNIT_MODE, ROOT)
            self._reload("")
        self.host.remove(layout.link("staged"))
        running = inspect.service(self.host, layout).running
        if self._restarted or running != former:
            self._restarted = True
            watch = self.new_watch()
            self._systemctl("restart", "--no-block")
            watch.until_ready(former, self.new_wait(), self.waits.rollback, self.waits.crashes, True)

    def _stand_down(self) -> str:
        layout = self.desired.layout
        if not self._restarted and self.found.service.up:
            return "It was running before this run began and is left alone."
        if generation_of((self.host.read(layout.unit) or b"").decode(errors="replace")) is not None:
            self._systemctl("disable", "--quiet", "--now")
        return (
            "There is no earlier generation to go back to: the service is stopped and disabled; its files are in %s."
            % self.desired.directory
        )

    def _point(self, link: str, generation: str) -> None:
        self.host.symlink(posixpath.join("generations", generation), self.desired.layout.link(link))

    def _systemctl(self, verb: str, *options: str) -> None:
        self._run(["systemctl", verb, *options, self.desired.layout.service])

    def _reload(self, _arg: str) -> None:
        self._run(["systemctl", "daemon-reload"])

    def _run(self, argv: Sequence[str]) -> None:
        ran = self.host.run(argv, limit=_SYSTEMD_LIMIT)
        if ran.rc != 0:
            raise Refused("`%s` failed with exit status %d: %s" % (" ".join(argv), ran.rc, ran.said or "it printed nothing"))

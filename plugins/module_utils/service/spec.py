# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What one daemon on one host should be: plain data, checked once, with a digest that names it.

Pure: nothing here looks at a host.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.service import container

# Part of every digest: raise it when the layout on the host changes, so that old generations are not taken for new ones.
LAYOUT = 1

MARK = "HORAE_GENERATION"
MANIFEST = "manifest.json"
ENVIRONMENT = "environment"

_MARKED = re.compile(r"^\s*Environment=.*\b%s=([A-Za-z0-9._-]+)" % MARK, re.MULTILINE)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})\Z")
_PINNED = re.compile(r"(?:[A-Za-z0-9][^\s@]*@)?sha256:[0-9a-f]{64}\Z")


class Refused(Failure):
    """Nothing goes on before the operator changes something; the text says what."""

    kind = "daemon.refused"


@dataclass(frozen=True)
class Binary:
    """The executable that a generation carries itself."""

    name: str
    sha256: str
    version_command: Tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """The image that a container engine runs. `reference` can't come to mean another one: name@sha256:... or the id sha256:..."""

    engine: str
    reference: str
    program: str
    version_command: Tuple[str, ...]


@dataclass(frozen=True)
class Outside:
    """A file that belongs to the host rather than to a generation: sysusers.d, tmpfiles.d, logrotate.d."""

    path: str
    content: str
    mode: int
    apply: str


@dataclass(frozen=True)
class Layout:
    """Where things are on the host."""

    name: str
    root: str

    @property
    def generations(self) -> str:
        return posixpath.join(self.root, "generations")

    def generation(self, generation: str) -> str:
        return posixpath.join(self.generations, generation)

    def link(self, name: str) -> str:
        """`current`, `previous` or `staged`."""
        return posixpath.join(self.root, name)

    @property
    def lock(self) -> str:
        return posixpath.join(self.root, ".lock")

    @property
    def record(self) -> str:
        """Lists what was put outside of the root, so that removal needs nobody's memory."""
        return posixpath.join(self.root, "outside.json")

    @property
    def distrusted(self) -> str:
        """Holds the systemd invocation that may have read a file edited by hand: see plan.py."""
        return posixpath.join(self.root, "distrusted")

    @property
    def service(self) -> str:
        return self.name + ".service"

    @property
    def unit(self) -> str:
        return posixpath.join("/etc/systemd/system", self.service)


@dataclass(frozen=True)
class Desired:
    """Everything that makes up one daemon on one host."""

    name: str
    root: str
    user: str
    group: str
    binary: Optional[Binary]
    executable: str
    configs: Tuple[Tuple[str, str], ...]
    environment: Tuple[Tuple[str, str], ...]
    unit_text: str
    checks: Tuple[Tuple[str, ...], ...]
    outside: Tuple[Outside, ...]
    links: Tuple[Tuple[str, str], ...]
    image: Optional[Image] = None

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.name, self.root)

    @cached_property
    def generation(self) -> str:
        """A digest over everything that a restart would change for the process, and nothing else."""
        parts = (
            LAYOUT,
            self.name,
            self.root,
            self.user,
            self.group,
            self._runs,
            self.configs,
            self.environment,
            self.unit_text,
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    @property
    def _runs(self) -> Union[Tuple[str, ...], str]:
        if self.image:
            return self.image.engine, self.image.reference, self.image.program
        return (self.binary.name, self.binary.sha256) if self.binary else self.executable

    @property
    def directory(self) -> str:
        return self.layout.generation(self.generation)

    def fill(self, text: str, directory: Optional[str] = None) -> str:
        """Puts the real paths in for the placeholders; `directory` when the generation isn't where it will be."""
        return (
            text.replace("@dir@", directory or self.directory)
            .replace("@generation@", self.generation)
            .replace("@current@", self.layout.link("current"))
            .replace("@image@", self.image.reference if self.image else "@image@")
        )

    @property
    def unit(self) -> str:
        return self.fill(self.unit_text)

    @property
    def program(self) -> str:
        """The file that the unit runs."""
        return posixpath.join(self.directory, self.binary.name) if self.binary else self.executable

    @cached_property
    def texts(self) -> Dict[str, bytes]:
        """The text files of the generation, by name."""
        texts = {name: content.encode() for name, content in self.configs}
        texts[ENVIRONMENT] = environment_file(self.environment).encode()
        texts[self.layout.service] = self.unit.encode()
        return texts


def environment_file(environment: Sequence[Tuple[str, str]]) -> str:
    """What systemd's EnvironmentFile= reads back as exactly these values; a dollar sign is not special to it."""
    return "".join('%s="%s"\n' % (name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in environment)


def generation_of(unit: Optional[str]) -> Optional[str]:
    """The generation that the text of a unit names; None when it isn't one of ours."""
    found = _MARKED.search(unit or "")
    return found.group(1) if found else None


def sha256_of(checksum: str, variable: str) -> str:
    """The bare digest of a `sha256:<hex>` reference."""
    found = _SHA256.match(checksum.strip().lower())
    if not found:
        raise Refused("%s is %r; it has to be sha256: followed by the 64 hex digits that `sha256sum FILE` prints." % (variable, checksum))
    return found.group(1)


def from_options(options: Mapping[str, Any]) -> Desired:
    """The desired state from the module's options. Refused, with what to change, when they contradict themselves."""
    name = _plain(options["name"], "name")
    layout = Layout(name, root_of(options))
    binary = _binary(options.get("binary"))
    executable = options.get("executable") or ""
    image = _image(options.get("image"))
    if sum(map(bool, (binary, executable, image))) != 1:
        raise Refused("%s: exactly one of binary, executable and image says what the unit runs." % name)
    unit = options.get("unit") or ""
    if "%s=@generation@" % MARK not in unit:
        raise Refused(
            "unit: the text of %s must carry the line Environment=%s=@generation@; without it nobody can tell from which generation the "
            "process was started." % (layout.service, MARK)
        )
    if image and "@image@" not in unit:
        raise Refused("unit: the text of %s must name the image that it runs as @image@." % layout.service)
    configs = tuple((_plain(c["name"], "configs"), c["content"]) for c in options.get("configs") or ())
    _distinct([c for c, _content in configs] + [MANIFEST, ENVIRONMENT, layout.service] + ([binary.name] if binary else []))
    return Desired(
        name=name,
        root=layout.root,
        user=options["user"],
        group=options["group"],
        binary=binary,
        executable=executable,
        configs=configs,
        environment=_environment(options.get("environment") or {}),
        unit_text=unit,
        checks=tuple(tuple(argv) for argv in options.get("checks") or ()),
        outside=outside_of(options),
        links=links_of(options),
        image=image,
    )


def root_of(options: Mapping[str, Any]) -> str:
    root = _absolute(options["root"], "root")
    # `absent` removes what lies below it, and every release of every daemon needs a root of its own.
    if root.count("/") < 2:
        raise Refused("root is %s; it has to be a directory of this daemon's own, such as /opt/%s." % (root, options["name"]))
    return root


def outside_of(options: Mapping[str, Any]) -> Tuple[Outside, ...]:
    return tuple(
        Outside(_absolute(f["path"], "files"), f["content"], int(str(f["mode"]), 8), f["apply"]) for f in options.get("files") or ()
    )


def links_of(options: Mapping[str, Any]) -> Tuple[Tuple[str, str], ...]:
    return tuple((_absolute(link["path"], "links"), link["target"]) for link in options.get("links") or ())


def _binary(option: Optional[Mapping[str, Any]]) -> Optional[Binary]:
    if not option:
        return None
    if not option.get("checksum"):
        raise Refused("binary.checksum is missing: sha256:<hex> of %s." % option["name"])
    return Binary(
        name=_plain(option["name"], "binary.name"),
        sha256=sha256_of(option["checksum"], "binary.checksum"),
        version_command=tuple(option.get("version_command") or ()),
    )


def _image(option: Optional[Mapping[str, Any]]) -> Optional[Image]:
    if not option:
        return None
    reference = option.get("reference") or ""
    if not _PINNED.match(reference):
        raise Refused("image.reference is %r; it has to be name@sha256:<hex>, or the id sha256:<hex> of an image." % reference)
    try:
        engine = container.engine_of(option["engine"]).name
    except ValueError as error:
        raise Refused("image.engine: %s." % error) from None
    return Image(engine, reference, _absolute(option["program"], "image.program"), tuple(option.get("version_command") or ()))


def _environment(environment: Mapping[str, Any]) -> Tuple[Tuple[str, str], ...]:
    for name, value in environment.items():
        if not _ENV_NAME.match(name):
            raise Refused("environment: %r can't be the name of an environment variable (letters, digits and _ only)." % name)
        if name == MARK:
            raise Refused("environment: %s is set by the unit and can't be given." % MARK)
        if not isinstance(value, str):
            raise Refused("environment: the value of %s is not a string; quote it." % name)
        if any(ord(c) < 32 and c != "\t" for c in value):
            raise Refused(
                "environment: the value of %s has a line break or a control character in it, which systemd can't hand over." % name
            )
    return tuple(sorted(environment.items()))


def _plain(name: str, option: str) -> str:
    if not _PLAIN_NAME.match(name):
        raise Refused("%s: %r has to be a plain name (letters, digits, dot, dash and underscore), not a path." % (option, name))
    return name


def _absolute(path: str, option: str) -> str:
    if not path.startswith("/") or posixpath.normpath(path) != path.rstrip("/"):
        raise Refused("%s: %r has to be an absolute path without . and .. in it." % (option, path))
    return path.rstrip("/")


def _distinct(names: Sequence[str]) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise Refused("configs: %s can't be the name of two things in one generation." % ", ".join(twice))

"""The programs under test, simulators or real ones, and others made out of them: later versions, and builds that don't work.

Upstream has one version that is known here, so a later real one is a copy: other bytes, and another number where it says its own.
What doesn't work is a small program of tests/simulator in either case: it dies, or is mute, in front of a real cluster as well.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import subprocess
from collections.abc import Mapping
from typing import Any

from tests.simulator import build
from tests.support.playbook import ROOT
from tests.support.services import process

META, DB = "horaemeta-server", "horaedb-server"
_VARIABLES = {META: "HORAE_META_BIN", DB: "HORAE_DB_BIN"}
_OPTIONS = {META: ("horaemeta", "--version"), DB: ("horaedb", "-V")}
_NUMBER = re.compile(r"(?<![\d.])(\d+)\.(\d+)\.(\d+)(?![\d.])")


def given() -> dict[str, pathlib.Path]:
    """Those that the scenarios deploy."""
    return {name: pathlib.Path(os.environ.get(variable) or ROOT / "build" / name) for name, variable in _VARIABLES.items()}


def is_simulator(path: pathlib.Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(build.SHEBANG)) == build.SHEBANG


def number(path: pathlib.Path) -> str:
    """The version as the program says it, as 2.1.0; empty when it says none."""
    # HoraeMeta says it on stderr.
    said = subprocess.run([path, _OPTIONS[path.name][1]], check=True, capture_output=True, text=True, timeout=20)
    found = _NUMBER.search(said.stdout + said.stderr)
    return found.group(0) if found else ""


def later(folder: pathlib.Path, step: int) -> dict[str, pathlib.Path]:
    """Programs that are `step` versions later than the given ones, and work."""
    folder.mkdir(exist_ok=True)
    made = {}
    for name, path in given().items():
        target = folder / name
        if is_simulator(path):
            target.write_bytes(build.archive(build.sources(build.DAEMONS[name], _later("2.1.0", step), "good")))
        else:
            target.write_bytes(_copy(path, step))
        target.chmod(0o755)
        made[name] = target
        if now := number(path):
            assert number(target) == _later(now, step), "%s says that it is %s" % (target, number(target))
    return made


def broken(folder: pathlib.Path, flavour: str) -> dict[str, pathlib.Path]:
    """Later than any other version, and of no use: see FLAVOURS of tests/simulator/build.py."""
    return build.build(folder, version="9.9.9", flavour=flavour)


def variables(programs: Mapping[str, object]) -> dict[str, str]:
    """What an inventory calls them."""
    return {_OPTIONS[name][0] + "_binary": str(source) for name, source in programs.items()}


def digest(path: pathlib.Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def running(host: Any, daemon: str) -> str:
    """The digest of the program that the running process was started from, as daemon is horaemeta or horaedb. `host` is testinfra's."""
    path = "/opt/%s/generations/%s/%s-server" % (daemon, process(host, daemon).generation, daemon)
    return str(host.check_output("sha256sum %s", path).split()[0])


def _copy(path: pathlib.Path, step: int) -> bytes:
    """Bytes behind the end of an ELF file belong to nothing. The number is as long as before, or everything behind it would move."""
    content = path.read_bytes() + b"later by %d" % step
    if now := number(path):
        content = content.replace(now.encode(), _later(now, step).encode())
    return content


def _later(now: str, step: int) -> str:
    """The second part of the number is larger, or the first where the second has no room."""
    parts = [int(part) for part in now.split(".")]
    place = 1 if len(str(parts[1] + step)) == len(str(parts[1])) else 0
    parts[place] += step
    return ".".join(map(str, parts))

"""Secrets that a test plants wherever the collection takes one, and every place in which none of them may turn up."""

from __future__ import annotations

import base64
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from tests.support.traffic import post

PREFIX = "canary-"
# For searches on a host: it doesn't find itself in a process list or a journal.
_PATTERN = "[c]anary-"
_SEARCHED = "searched to the end"
FOLDERS = ("/etc", "/opt", "/root", "/home", "/run", "/tmp", "/var")
# Folders of container engines: files of any mode behind folders of root's own. What others can read there, the search as nobody finds.
ENGINES = ("/var/lib/containers/", "/var/lib/docker/", "/var/lib/containerd/", "/run/containers/", "/run/containerd/", "/run/docker/", "/run/crun/", "/run/runc/")
UNITS = ("horaemeta", "horaedb", "horaedb-meta-proxy", "horaedb-shard-keeper")
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups sh -c"
_LONGEST = 160

# Where the scenarios' molecule.yml have canaries, other ones: for a change that a diff has to show without showing them.
CHANGED: dict[str, object] = {
    "horaedb_settings": {"limiter": {"write_block_list": ["key_secret=" + PREFIX + "new-in-the-file"]}},
    "horaedb_environment": {"HORAE_TEST_PASSWORD": PREFIX + "new-in-the-environment"},
    "horaemeta_environment": {"HORAE_TEST_PASSWORD": PREFIX + "new-in-the-environment"},
}


def leaks(where: str, text: str) -> list[str]:
    """A sentence for each line with a canary in it."""
    found = []
    for line in text.splitlines():
        if PREFIX in line:
            place = max(0, line.index(PREFIX) - _LONGEST // 2)
            found.append("%s: ...%s..." % (where, line[place : place + _LONGEST]))
    return found


def leaks_on(host: Any, folders: Sequence[str] = FOLDERS, units: Sequence[str] = UNITS) -> list[str]:
    """What others than root and the service can see on a host. `host` is testinfra's, with root's rights."""
    found = leaks("the process list", host.check_output("ps axww -o args="))
    found += leaks("systemctl show", host.check_output("systemctl show %s" % " ".join(units)))
    found += leaks("the journal", host.check_output("journalctl --output=verbose --no-pager"))
    found += ["%s can be read by anybody" % path for path in _as_nobody(host, "find %s -xdev -type f -readable -exec grep -l" % " ".join(folders))]
    found += ["%s can be read by anybody" % path for path in _as_nobody(host, "find /proc -maxdepth 2 -name environ -readable -exec grep -l")]
    return found + [sentence for line in _holders(host, folders) for sentence in _too_open(line)]


def leaks_in_etcd(address: str) -> list[str]:
    """The whole etcd of a cluster, as it goes into every snapshot: record, lock, journal, and what HoraeMeta keeps."""
    everything = base64.b64encode(b"\0").decode()
    answer: Any = post("http://%s:2379/v3/kv/range" % address, {"key": everything, "range_end": everything})
    pairs = [{part: base64.b64decode(pair.get(part, "")).decode(errors="replace") for part in ("key", "value")} for pair in answer["kvs"]]
    assert any("/ansible/horaedb.cluster/" in pair["key"] for pair in pairs), "the collection has left nothing in there, so this proves nothing"
    return [leak for pair in pairs for leak in leaks("etcd", json.dumps(pair))]


def leaks_below(folder: pathlib.Path) -> list[str]:
    """What runs leave on the controller: figures, reports, logs."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [leak for path in files for leak in leaks(str(path), path.read_bytes().decode(errors="replace"))]


def holders(host: Any, folders: Sequence[str] = FOLDERS) -> list[str]:
    """The files that do hold a canary. The control: without any, the search looked for something that isn't there."""
    return [line.split(" ", 2)[2] for line in _holders(host, folders)]


def _as_nobody(host: Any, search: str) -> Iterable[str]:
    said = host.run("%s \"%s '%s' {} +; echo '%s'\"" % (NOBODY, search, _PATTERN, _SEARCHED)).stdout.splitlines()
    assert said and said[-1] == _SEARCHED, "nobody couldn't search: %s" % said
    return said[:-1]


def _holders(host: Any, folders: Sequence[str]) -> list[str]:
    # A file may vanish in between, which is no failure; nor is it one when there is no match.
    command = "find %s -xdev -type f -exec grep -lZ '%s' {} + | xargs -0 -r stat -c '%%a %%U %%n'" % (" ".join(folders), _PATTERN)
    return [line for line in host.run(command).stdout.splitlines() if not line.split(" ", 2)[2].startswith(ENGINES)]


def _too_open(line: str) -> list[str]:
    mode, owner, path = line.split(" ", 2)
    return [] if int(mode, 8) & 0o137 == 0 and owner == "root" else ["%s holds a secret, and is %s's with mode %s" % (path, owner, mode)]

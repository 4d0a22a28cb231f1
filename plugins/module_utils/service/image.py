# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Images on a host: whether one is there, fetching it, proving it, and removing one that nobody uses."""

from __future__ import annotations

import base64
import json
import posixpath
import re
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.service import container
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import TIMED_OUT, Host, Looking, Ran
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Image, Layout, Refused
from ansible_collections.horaedb.cluster.plugins.module_utils.service.version import version_text

# An answer out of the engine's own records.
_ASK_LIMIT = 60.0
# Some 100 MB over a slow line.
_FETCH_LIMIT = 1800.0
# An engine without an overlay filesystem copies the whole image first.
_PROOF_LIMIT = 90.0
_REMOVE_LIMIT = 120.0

_HELP = re.compile(r"(?:Run|See) 'docker ")
_ABSENT = ("no such image", "no such object", "image not known")


@dataclass(frozen=True)
class Source:
    """`archive`: a file on the host that was sent from the controller; without it the host's engine pulls from the registry."""

    archive: str = ""
    username: str = ""
    password: str = ""
    tls_verify: bool = True
    hint: str = ""


def source_of(option: Optional[Mapping[str, Any]]) -> Source:
    given = option or {}
    return Source(
        archive=given.get("path") or "",
        username=given.get("username") or "",
        password=given.get("password") or "",
        tls_verify=given.get("tls_verify") is not False,
        hint=given.get("hint") or "",
    )


def question(image: Image) -> List[str]:
    """The command that succeeds where the image is."""
    return [_path(image), "image", "inspect", "--format={{.Id}}", image.reference]


def present(host: Looking, image: Image) -> bool:
    if host.stat(_path(image)) is None:
        return False
    ran = host.run(question(image), _ASK_LIMIT)
    if ran.rc == 0:
        return True
    if any(words in ran.said.lower() for words in _ABSENT):
        return False
    raise Refused("%s doesn't answer on this host, and it is what would run %s: %s" % (image.engine, image.reference, _last(ran)))


def fetch(host: Host, layout: Layout, image: Image, source: Source) -> None:
    """Refused with the engine's own words. What runs is left alone in any case."""
    ran = _load(host, image, source) if source.archive else _pull(host, layout, image, source)
    if ran.rc != 0:
        verb = "load the archive with the image" if source.archive else "pull"
        why = "it had not ended after %g s" % _FETCH_LIMIT if ran.rc == TIMED_OUT else _last(ran)
        raise Refused(_sentence("%s on this host can't %s %s: %s. Nothing was switched." % (image.engine, verb, image.reference, why), source))
    if not present(host, image):
        raise Refused(
            _sentence("%s took what it was given, but has no image %s now. Nothing was switched." % (image.engine, image.reference), source)
        )


def version(host: Host, image: Image) -> str:
    """What the program in the image says of itself; Refused with the remedy when it can't be run here."""
    if not image.version_command:
        return ""
    argv = container.proof(container.engine_of(image.engine), image.reference, image.program, image.version_command)
    ran = host.run(argv, _PROOF_LIMIT)
    if ran.rc != 0:
        raise Refused("%s from the image %s doesn't run on this host: %s Nothing was switched." % (image.program, image.reference, explain(ran)))
    return version_text(ran.out.strip() or ran.err.strip(), image.reference.rpartition("sha256:")[2])


def explain(ran: Ran) -> str:
    """The engine's own words and what they mean."""
    said = _last(ran)
    if ran.rc == TIMED_OUT:
        return "it had not ended after %g s." % _PROOF_LIMIT
    if "NoCgroups" in said:
        return "%s. Install crun: podman can't use another runtime without cgroups of its own." % said
    if "exec format error" in said.lower():
        return "%s. The image is built for another architecture than this host's." % said
    if "no such file or directory" in said.lower() or "executable file" in said.lower():
        return "%s. Is the program somewhere else in the image?" % said
    return "exit status %d: %s." % (ran.rc, said)


def drop(host: Host, engine: str, reference: str) -> None:
    """Without force: an image that somebody else uses, or has given a name to, is refused by the engine and stays."""
    if engine in container.ENGINES:
        host.run([container.ENGINES[engine].path, "image", "rm", reference], _REMOVE_LIMIT)


def named_in(manifest: Mapping[str, Any]) -> Optional[Tuple[str, str]]:
    """Engine and image of a generation, by its manifest."""
    engine, reference = manifest.get("engine"), manifest.get("image")
    return (str(engine), str(reference)) if engine and reference else None


def _load(host: Host, image: Image, source: Source) -> Ran:
    return host.run([_path(image), "load", "--quiet", "--input", source.archive], _FETCH_LIMIT)


def _pull(host: Host, layout: Layout, image: Image, source: Source) -> Ran:
    podman = image.engine == "podman"
    insecure = ["--tls-verify=false"] if podman and not source.tls_verify else []
    if not source.username:
        return host.run([_path(image), "pull", "--quiet", *insecure, image.reference], _FETCH_LIMIT)
    # A hidden name among the generations: what a kill leaves there, the next run removes.
    folder = posixpath.join(layout.generations, ".login")
    host.mkdir(folder, 0o700, "root")
    config = posixpath.join(folder, "config.json")
    host.write(config, login(image.reference, source.username, source.password).encode(), 0o600, "root")
    words: List[str] = [_path(image), "pull", "--authfile=" + config] if podman else [_path(image), "--config", folder, "pull"]
    ran = host.run([*words, "--quiet", *insecure, image.reference], _FETCH_LIMIT)
    host.remove(folder)
    return ran


def login(reference: str, username: str, password: str) -> str:
    """The file that both engines read a login from."""
    registry = reference.split("/", 1)[0]
    entry = {"auth": base64.b64encode(("%s:%s" % (username, password)).encode()).decode()}
    # docker knows its own registry by an address of old.
    names = [registry, "https://index.docker.io/v1/"] if registry == "docker.io" else [registry]
    return json.dumps({"auths": dict.fromkeys(names, entry)})


def _path(image: Image) -> str:
    return container.engine_of(image.engine).path


def _last(ran: Ran) -> str:
    """podman tells each of its attempts, docker where its help is, and both log; the last line of what is left says it all."""
    said = [line for line in (ran.err.strip() or ran.out.strip()).splitlines() if line.strip() and not _HELP.match(line)]
    said = [line for line in said if not line.startswith('time="')] or said
    return said[-1].rstrip(".") if said else "it printed nothing"


def _sentence(text: str, source: Source) -> str:
    return " ".join(filter(None, [text, source.hint]))

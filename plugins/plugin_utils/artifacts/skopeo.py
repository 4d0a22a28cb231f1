# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Speaks with registries, by the client that the distributions have."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_reference import ImageReference

# Seconds. A registry that takes longer to tell a digest is down; a pull may go over a slow line.
ASK_LIMIT = 60
PULL_LIMIT = 1800
_HUB = "docker.io"
_SAID = re.compile(r'msg="((?:[^"\\]|\\.)*)"')

# What a registry's refusal means, by a word in it, the most telling first.
_MEANINGS = (
    ("unauthorized", "it wants a login: set horaedb_cluster_registry_username and horaedb_cluster_registry_password, or log in with: skopeo login"),
    ("authentication required", "it wants a login: set horaedb_cluster_registry_username and horaedb_cluster_registry_password, or log in with: skopeo login"),
    ("denied", "this login may not read it, or there is no such image"),
    ("manifest unknown", "it has no such tag or digest"),
    ("name unknown", "it has no such image"),
    ("Digest did not match", "what it sent is not what the digest says"),
    ("server gave HTTP response to HTTPS client", "it speaks no TLS; if that is meant: horaedb_cluster_registry_tls_verify=false"),
    ("x509:", "its certificate isn't trusted on the controller; its authority belongs there, or: horaedb_cluster_registry_tls_verify=false"),
    ("no such host", "its name can't be resolved on the controller"),
    ("connection refused", "nothing listens there"),
    ("unexpected EOF", "it broke off in the middle: try again"),
    ("policy.json", "skopeo has no policy on the controller: install the package containers-common"),
)

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@dataclass(frozen=True)
class Registry:
    """How to speak with it. The password is in no repr, and on no command line."""

    username: str = ""
    password: str = field(default="", repr=False)
    tls_verify: bool = True


@dataclass(frozen=True)
class Skopeo:
    registry: Registry
    architecture: str
    run: Run = subprocess.run

    def digest(self, reference: ImageReference) -> str:
        """That of what the tag names now: of an index where the image is made for several architectures."""
        if reference.digest:
            return reference.digest
        # The bytes as the registry has them, since the digest is over these.
        said = self._call(["inspect", "--raw"], [reference.exact()], reference, ASK_LIMIT)
        return "sha256:" + hashlib.sha256(said).hexdigest()

    def pull(self, reference: ImageReference, layout: pathlib.Path) -> None:
        """Into an OCI layout of its own, each blob compared with its digest by skopeo."""
        self._call(
            ["copy", "--quiet", "--dest-oci-accept-uncompressed-layers"], [reference.exact(), "oci:%s" % layout], reference, PULL_LIMIT
        )

    def _call(self, verb: Sequence[str], words: Sequence[str], reference: ImageReference, limit: int) -> bytes:
        program = shutil.which("skopeo")
        if program is None:
            raise Refused(
                "%s: skopeo is not on this controller's PATH. Install it (apt-get install skopeo, dnf install skopeo), or give the image as "
                "an archive: oci-archive:/path." % reference
            )
        copies = verb[0] == "copy"
        with self._login(reference) as authfile:
            options = ["--src-tls-verify" if copies else "--tls-verify"]
            options[0] += "=%s" % str(self.registry.tls_verify).lower()
            if authfile:
                options += ["--src-authfile" if copies else "--authfile", authfile]
            command = [program, "--override-os=linux", "--override-arch=" + self.architecture, *verb, *options, *words]
            try:
                done = self.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=limit, check=False)
            except subprocess.TimeoutExpired:
                raise Refused("%s: the registry didn't answer within %d s." % (reference, limit)) from None
        if done.returncode != 0:
            raise Refused("%s: %s." % (reference, meaning(done.stderr.decode(errors="replace"))))
        return bytes(done.stdout)

    @contextlib.contextmanager
    def _login(self, reference: ImageReference) -> Iterator[str]:
        """A file that only this user can read, for as long as skopeo runs. Empty without a login: then skopeo knows its own."""
        if not self.registry.username:
            yield ""
            return
        text = "%s:%s" % (self.registry.username, self.registry.password)
        login = {"auths": {host_of(reference): {"auth": base64.b64encode(text.encode()).decode()}}}
        with tempfile.TemporaryDirectory(prefix="horaedb-login-") as folder:
            path = os.path.join(folder, "auth.json")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
                json.dump(login, stream)
            yield path


def host_of(reference: ImageReference) -> str:
    """The registry, as logins are filed by it."""
    first, slash, _rest = reference.name.partition("/")
    return first if slash and (first == "localhost" or set(first) & set(".:")) else _HUB


def meaning(stderr: str) -> str:
    """What went wrong, in words that say what to do, and then skopeo's own last ones."""
    said = [found.replace('\\"', '"') for found in _SAID.findall(stderr)] or stderr.strip().splitlines() or ["skopeo said nothing"]
    last = said[-1].strip().rstrip(".")
    known = next((text for word, text in _MEANINGS if word.lower() in last.lower()), None)
    return "%s (%s)" % (known, last) if known else last

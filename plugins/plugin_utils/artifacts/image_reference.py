# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""How an image is written, in the words of skopeo: docker://registry/name:tag@sha256:..., oci-archive:/path, docker-archive:/path.

Pure: nothing here looks for the image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused

REGISTRY = "docker"
OCI_ARCHIVE = "oci-archive"
DOCKER_ARCHIVE = "docker-archive"

_PREFIXES = {"docker://": REGISTRY, "oci-archive:": OCI_ARCHIVE, "docker-archive:": DOCKER_ARCHIVE}
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
# As in docker: without a dot and a port, only localhost is a registry.
_HOST = r"(?:(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|\[[0-9a-fA-F:]+\])(?::[0-9]+)?|[A-Za-z0-9-]+:[0-9]+)"
_NAME = re.compile(r"(?:%s/)?%s(?:/%s)*\Z" % (_HOST, _PART, _PART))
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class ImageReference:
    """`name` is registry and repository, or the path of an archive. `digest` is empty, or sha256: and 64 hexadecimal digits."""

    transport: str
    name: str
    tag: str = ""
    digest: str = ""

    @property
    def archive(self) -> bool:
        """A file on the controller: nothing has to be reached over the network."""
        return self.transport != REGISTRY

    def at(self, digest: str) -> ImageReference:
        return ImageReference(self.transport, self.name, self.tag, digest)

    def exact(self) -> str:
        """For a client that takes a tag or a digest, not both. The digest says more."""
        short = ImageReference(self.transport, self.name, "" if self.digest else self.tag, self.digest)
        return str(short)

    def __str__(self) -> str:
        prefix = next(prefix for prefix, transport in _PREFIXES.items() if transport == self.transport)
        return "".join((prefix, self.name, self.tag and ":" + self.tag, self.digest and "@" + self.digest))


def image_reference(text: str) -> ImageReference | None:
    """None where it isn't an image's, but a path or the address of a file. Raises Refused where it is a wrong one."""
    prefix = next((prefix for prefix in _PREFIXES if text.startswith(prefix)), None)
    if prefix is None:
        return None
    rest, at, digest = text[len(prefix) :].rpartition("@") if "@" in text else (text[len(prefix) :], "", "")
    if at and not _DIGEST.match(digest):
        # It may be a password, so it isn't repeated.
        raise Refused(
            "%s: what follows the @ is not sha256: and 64 hexadecimal digits. A login is set by "
            "horaedb_cluster_registry_username and horaedb_cluster_registry_password."
            % prefix
        )
    transport = _PREFIXES[prefix]
    # A colon before the last slash belongs to the registry's port.
    folder, slash, last = rest.rpartition("/")
    base, colon, tag = last.partition(":")
    name = folder + slash + base
    if colon and not _TAG.match(tag):
        raise Refused("%s: %r is not a tag." % (text, tag))
    if transport == REGISTRY:
        if not _NAME.match(name):
            raise Refused(
                "%s is not the name of an image: it is written docker://registry.example.com/name:tag@sha256:<digest>, in lower case."
                % text
            )
        if not tag and not digest:
            raise Refused("%s has neither a tag nor a digest: which version is meant?" % text)
    elif not base:
        raise Refused("%s names no file: it is written %s/path/to/image.tar." % (text, prefix))
    return ImageReference(transport, name, tag, digest)

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What a container engine on a host is told to run: an image in a registry by its digest, or one out of an archive on the controller.

Nothing is fetched here: a host's own engine pulls, and an archive is sent only to a host that lacks its image.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.service import container
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused, sha256_of
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_reference import OCI_ARCHIVE, ImageReference, image_reference
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.sources import cache_dir, digest_of

_REGISTRY = "docker.io"
_SMALL = 4 << 20


@dataclass(frozen=True)
class HostImage:
    """`reference` is what the engine runs; `archive` is where it comes from, None for a registry."""

    reference: str
    archive: Optional[pathlib.Path] = None


def host_image(image: Mapping[str, Any], find: Callable[[str], str]) -> HostImage:
    """From the option `image` of the module `daemon`; `find` knows where a file is on the controller. Raises Refused."""
    src, checksum = str(image.get("src") or ""), image.get("checksum")
    wanted = image_reference(src)
    if wanted is None:
        raise Refused(
            "%s runs images, and %s is none: an image is written docker://registry.example.com/name:tag@sha256:<digest>, docker-archive:/path or "
            "oci-archive:/path." % (image.get("engine"), src or "an empty name")
        )
    if wanted.archive:
        return _from_archive(wanted, pathlib.Path(find(wanted.name)), checksum)
    if checksum:
        raise Refused("an image in a registry is pinned by the digest in its name, %s, and by no checksum besides: leave that out." % wanted)
    if not wanted.digest:
        raise Refused(
            "%s has no digest. Each host pulls by itself, and a tag may mean something else on each of them, and after each restart: write the "
            "digest behind it, %s@sha256:..., as `skopeo inspect --format '{{.Digest}}' %s` prints it." % (wanted, wanted, wanted)
        )
    return HostImage("%s@%s" % (qualified(wanted.name), wanted.digest))


def qualified(name: str) -> str:
    """With its registry, so that neither the engine nor the host's configuration has a say in which one is meant."""
    first, slash, _rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name
    return "/".join((_REGISTRY, name) if slash else (_REGISTRY, "library", name))


def packages_of(engine: str) -> list[dict[str, str]]:
    """For the option `packages` of the module `daemon`."""
    try:
        return [{"name": name, "provides": path} for name, path in container.engine_of(engine).packages]
    except ValueError as error:
        raise Refused("image.engine: %s." % error) from None


def _from_archive(wanted: ImageReference, path: pathlib.Path, checksum: Optional[str]) -> HostImage:
    got = digest_of(path, cache_dir(os.environ))
    if checksum and got != sha256_of(checksum, "checksum"):
        raise Refused("the checksum says %s, but %s on the controller has sha256:%s: it is another file than was meant." % (checksum, path, got))
    try:
        with tarfile.open(path) as archive:
            config = _oci_config(archive, wanted) if wanted.transport == OCI_ARCHIVE else _docker_config(archive, wanted)
            data = _member(archive, config)
    except (tarfile.TarError, OSError, KeyError, TypeError, ValueError, EOFError) as error:
        raise Refused("%s on the controller is not the archive of one image: %s." % (path, str(error).rstrip("."))) from None
    # The name in the archive is a claim; the engine gives the image the digest of what it reads.
    return HostImage("sha256:" + hashlib.sha256(data).hexdigest(), path)


def _docker_config(archive: tarfile.TarFile, wanted: ImageReference) -> str:
    images = json.loads(_member(archive, "manifest.json"))
    if wanted.digest:
        raise ValueError("an archive of docker's knows no digest of its image; horaemeta_checksum or horaedb_checksum pins the file")
    tags = [[str(tag).rpartition(":")[2] for tag in image.get("RepoTags") or ()] for image in images]
    return str(images[_only(tags, wanted.tag)]["Config"])


def _oci_config(archive: tarfile.TarFile, wanted: ImageReference) -> str:
    manifests = json.loads(_member(archive, "index.json"))["manifests"]
    if wanted.digest:
        manifests = [manifest for manifest in manifests if manifest["digest"] == wanted.digest]
    names = [[str((m.get("annotations") or {}).get("org.opencontainers.image.ref.name", "")).rpartition(":")[2]] for m in manifests]
    manifest = json.loads(_member(archive, _blob(manifests[_only(names, wanted.tag)]["digest"])))
    return _blob(manifest["config"]["digest"])


def _only(tags: Sequence[Sequence[str]], tag: str) -> int:
    found = [index for index, names in enumerate(tags) if not tag or tag in names]
    if len(found) != 1:
        raise ValueError("it has %d images%s" % (len(found), " with the tag " + tag if tag else "; write path:tag to choose one"))
    return found[0]


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    names = {member.name[2:] if member.name.startswith("./") else member.name: member for member in archive.getmembers()}
    stream = archive.extractfile(names[name]) if name in names else None
    if stream is None:
        raise ValueError("it has no %s" % name)
    # What is asked for is a few kB of JSON.
    return stream.read(_SMALL)

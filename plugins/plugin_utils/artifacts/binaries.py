# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""From the options about a binary to where it comes from, on the controller."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.module_utils.urls import open_url
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused, sha256_of
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_program import ImageProgram
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_reference import image_reference
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.skopeo import Registry, Skopeo
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.sources import (
    Artifact,
    Download,
    LocalFile,
    Mirrors,
    Unchecked,
    cache_dir,
)
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import Variables, defaults
from ansible_collections.horaedb.cluster.plugins.plugin_utils.operation.controller_run import this_run

FindNeedle = Callable[[str, str], str]

# Variables about fetching, the same for all daemons, and what they are where nobody sets them.
FETCHING = {
    "horaedb_cluster_unchecked_downloads": False,
    "horaedb_cluster_registry_username": "",
    "horaedb_cluster_registry_password": "",
    "horaedb_cluster_registry_tls_verify": True,
    "horaedb_cluster_image_architecture": "amd64",
}


@dataclass(frozen=True)
class Fetching:
    """How sources are asked."""

    registry: Registry = Registry()
    architecture: str = "amd64"
    unchecked: bool = False

    @staticmethod
    def of(values: Mapping[str, Any]) -> Fetching:
        def yes(name: str) -> bool:
            try:
                return bool(boolean(values[name]))
            except TypeError:
                raise Refused("%s is neither true nor false." % name) from None

        text = {name: "" if values[name] is None else str(values[name]) for name in FETCHING}
        registry = Registry(text["horaedb_cluster_registry_username"], text["horaedb_cluster_registry_password"], yes("horaedb_cluster_registry_tls_verify"))
        return Fetching(registry, text["horaedb_cluster_image_architecture"], yes("horaedb_cluster_unchecked_downloads"))


def source_of(binary: Mapping[str, Any], find_needle: FindNeedle, fetching: Fetching) -> Artifact:
    """What the option `binary` of the module `daemon` names: a file, an address, an image, or a list of them. Raises Refused."""
    given = binary.get("src")
    named = list(given) if isinstance(given, (list, tuple)) else [given]
    if not named or not all(isinstance(src, str) and src for src in named):
        raise Refused("binary.src says where %s comes from: a path, an address, an image, or a list of these." % binary.get("name"))
    expected = sha256_of(binary["checksum"], "binary.checksum") if binary.get("checksum") else None

    def find(path: str) -> str:
        try:
            return on_controller(path, find_needle)
        except Refused:
            if len(named) == 1:
                raise
            # As with every other mirror it turns out when it is asked.
            return os.path.abspath(os.path.expanduser(path))

    sources = [_source(src, binary, expected, find, fetching) for src in named]
    return sources[0] if len(sources) == 1 else Mirrors(sources)


def _source(src: str, binary: Mapping[str, Any], expected: str | None, find: Callable[[str], str], fetching: Fetching) -> Artifact:
    cache = cache_dir(os.environ)
    image = image_reference(src)
    if image:
        if image.archive:
            image = replace(image, name=find(image.name))
        path = str(binary.get("image_path") or "/usr/bin/%s" % binary.get("name"))
        return ImageProgram(image, path, expected, cache, Skopeo(fetching.registry, fetching.architecture), this_run().id)
    if "://" not in src:
        return LocalFile(pathlib.Path(find(src)), expected, cache)
    if expected:
        return Download(src, expected, cache, open_url)
    if fetching.unchecked:
        return Unchecked(src, this_run().id, cache, open_url)
    raise Refused(
        "binary.checksum is missing (only horaedb_cluster_unchecked_downloads=true would do without): a file from a URL is only taken when its "
        "sha256:<hex> is known."
    )


def on_controller(src: str, find_needle: FindNeedle) -> str:
    # The directory of the operator first: the playbook may be one inside of the installed collection.
    if os.path.isfile(os.path.expanduser(src)):
        return os.path.abspath(os.path.expanduser(src))
    try:
        return str(find_needle("files", src))
    except AnsibleError:
        raise Refused("binary.src: %s isn't on the controller, where %s is the current directory." % (src, os.getcwd())) from None


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What the controller's own disk refuses is said like everything else."""
    try:
        yield
    except OSError as error:
        raise Refused("%s on the controller: %s." % (error.filename or cache_dir(os.environ), error.strerror or error)) from error


def wanted(read: Variables, role: str, hosts: Sequence[str]) -> dict[str, list[str]]:
    """The different options `binary` of a role, as JSON, each with its hosts. Hosts that name none are left out: argument_specs tell that."""
    found: dict[str, list[str]] = {}
    names = {"src": role + "_binary", "checksum": role + "_checksum", "image_path": role + "_image_binary", "engine": role + "_install_method"}
    for host in hosts:
        values = read.of(host, {variable: defaults(role).get(variable) for variable in names.values()})
        if values[role + "_binary"]:
            binary = {option: values[variable] for option, variable in names.items()}
            found.setdefault(json.dumps({"name": role + "-server", **binary}), []).append(host)
    return found

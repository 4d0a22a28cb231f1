# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Makes the archive for a site without a network, on the controller alone."""

from __future__ import annotations

import json
import os
import pathlib
import re
import sys
import tempfile
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.binaries import FETCHING, Fetching, source_of, told, wanted
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.sources import Artifact
from ansible_collections.horaedb.cluster.plugins.plugin_utils.bundle import archive, parts
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import ROLES, Variables


class ActionModule(ActionBase):
    """Runs in check mode too, up to the writing."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            {
                "dest": {"type": "path", "required": True},
                "python_version": {"type": "str"},
            }
        )
        try:
            result.update(self._made(args, Variables(self._task, task_vars or {}, self._loader)))
        except (AnsibleError, Refused) as error:
            result.update(failed=True, msg=str(error))
        return result

    def _made(self, args: dict[str, Any], read: Variables) -> dict[str, Any]:
        dest = pathlib.Path(os.path.abspath(args["dest"]))
        if not dest.parent.is_dir() or dest.is_dir():
            raise Refused("dest: %s can't be a file: choose a name in a folder that exists." % dest)
        python = str(args["python_version"] or "%d.%d" % sys.version_info[:2])
        if not re.match(r"3\.[0-9]+\Z", python):
            raise Refused("python_version: %r is not the version of a Python, such as 3.11." % python)
        root = ROLES.parent
        requirements = root / "requirements.txt"
        with told():
            sources = {role: self._source(read, role) for role in ("horaemeta", "horaedb")}
            programs = {role: source.local() for role, source in sources.items()}
            with tempfile.TemporaryDirectory(prefix="horaedb-bundle-") as name:
                scratch = pathlib.Path(name)
                wheels = parts.wheels(requirements, python, scratch)
                collection = parts.collection(root, scratch)
                items = archive.items_of(programs, wheels, collection, requirements.read_bytes(), python)
                changed = archive.write(items, dest, self._task.check_mode)
        return {
            "changed": changed,
            "dest": str(dest),
            "files": sorted(item.name for item in items),
            "warnings": [remark for source in sources.values() for remark in source.remarks()],
        }

    def _source(self, read: Variables, role: str) -> Artifact:
        hosts = read.hosts(role, None)
        method = role + "_install_method"
        engines = [host for host in hosts if read.of(host, {method: "binary"})[method] != "binary"]
        if engines:
            raise Refused(
                "%s: a bundle carries programs, and %s would need the image itself. Save it with skopeo copy docker://... oci-archive:..., take it "
                "along, and name it in %s_binary; or use -e %s=binary." % (method, ", ".join(engines), role, method)
            )
        found = wanted(read, role, hosts)
        if not found:
            raise Refused("%s_binary is set for no host: give the inventory of the site with -i, or the variable with -e." % role)
        if len(found) > 1:
            there = "; ".join("%s on %s" % (json.loads(text)["src"], ", ".join(users)) for text, users in found.items())
            raise Refused(
                "%s_binary: one bundle has one program for all hosts, and there are: %s. Use -e %s_binary=..." % (role, there, role)
            )
        [(text, users)] = found.items()
        try:
            return source_of(json.loads(text), self._find_needle, Fetching.of(read.of(users[0], FETCHING)))
        except Refused as refused:
            raise Refused("%s It is set by %s_binary and %s_checksum." % (refused, role, role)) from None

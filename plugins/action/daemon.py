# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Finds the binary on the controller, runs the module, and hands over what the host turns out to lack."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Any, Dict, Iterator, Optional

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.horaedb.cluster.plugins.module_utils.service import options as service_options
from ansible_collections.horaedb.cluster.plugins.module_utils.service import spec
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.binaries import FETCHING, Fetching, on_controller, source_of, told
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.container_image import HostImage, host_image, packages_of
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.skopeo import Registry
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.sources import Artifact
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.plain import plain
from ansible_collections.horaedb.cluster.plugins.plugin_utils.service import shell_inspection

MODULE = "horaedb.cluster.daemon"


@contextlib.contextmanager
def _hinting(args: Dict[str, Any]) -> Iterator[None]:
    """What is wrong with a binary or an image is said in the names of the options; whoever wrote the task knows who sets them."""
    try:
        with told():
            yield
    except Refused as refused:
        raise Refused(" ".join(filter(None, [str(refused), (args.get("binary") or args["image"]).get("hint")]))) from None


class ActionModule(ActionBase):
    # A temporary folder on the host is made only when there is something to send.
    TRANSFERS_FILES = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        self._supports_check_mode = True
        self._supports_async = False
        result: Dict[str, Any] = super().run(tmp, task_vars)
        try:
            result.update(self._transaction(dict(self._task.args), task_vars or {}))
        except Refused as refused:
            result.update(failed=True, msg=str(refused))
        # With -vvv Ansible prints every option in there, the contents of configurations included.
        result.pop("invocation", None)
        return result

    def _transaction(self, args: Dict[str, Any], task_vars: Dict[str, Any]) -> Dict[str, Any]:
        with _hinting(args):
            source = self._source(args, task_vars)
            if source:
                args["binary"] = dict(args["binary"], checksum="sha256:" + source.sha256(), size=source.size())
            image = self._image(args)
            if image:
                args["image"] = self._image_option(args["image"], image, self._fetching(task_vars).registry)
                args["packages"] = [*(args.get("packages") or ()), *packages_of(args["image"]["engine"])]
        seen = self._look(args)
        if seen is not None:
            return seen
        result = self._module(args, task_vars)
        needs = result.pop("needs", None)
        if not needs:
            return result
        installed = self._install(result.pop("packages"), task_vars) if "packages" in needs else []
        if "binary" in needs and source:
            with _hinting(args):
                local = source.local()
            args["binary"] = self._send(args["binary"], local)
        if "image" in needs and image and image.archive:
            args["image"] = self._send(args["image"], image.archive)
        result = self._module(args, task_vars)
        if result.pop("needs", None):
            names = ", ".join("%s (for %s)" % (p["name"], p["provides"]) for p in args.get("packages") or ())
            raise Refused("packages: what they should provide is still missing after they were installed: %s. Correct provides." % names)
        if installed:
            result["changed"] = True
            result["steps"] = ["install package %s" % name for name in installed] + list(result.get("steps") or ())
        return result

    def _look(self, args: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """The result where a shell line sees that there is nothing to do. None for everything else, mistakes in the options included."""
        checked = ArgumentSpecValidator(service_options.argument_spec()).validate(plain(args))
        options = checked.validated_parameters
        if checked.error_messages or options["state"] not in ("started", "restarted") or options["force"]:
            return None
        desired = spec.from_options(options)
        script = shell_inspection.script(desired, [package["provides"] for package in options["packages"]])
        try:
            said = self._low_level_execute_command(script, executable="/bin/sh")["stdout"]
        except AnsibleConnectionFailure:
            raise
        except AnsibleError:
            return None
        return shell_inspection.unchanged(desired, options, said)

    def _source(self, args: Dict[str, Any], task_vars: Dict[str, Any]) -> Optional[Artifact]:
        """None where no binary is wanted; the module itself tells what is wrong with options of the wrong form."""
        binary = args.get("binary")
        if not isinstance(binary, dict) or args.get("state", "started") not in ("started", "restarted"):
            return None
        return source_of(binary, self._find_needle, self._fetching(task_vars))

    def _fetching(self, task_vars: Dict[str, Any]) -> Fetching:
        given = {name: plain(self._templar.template(task_vars[name])) if name in task_vars else value for name, value in FETCHING.items()}
        return Fetching.of(given)

    def _image(self, args: Dict[str, Any]) -> Optional[HostImage]:
        image = args.get("image")
        if not isinstance(image, dict) or args.get("state", "started") not in ("started", "restarted"):
            return None
        return host_image(image, lambda path: on_controller(path, self._find_needle))

    def _image_option(self, option: Dict[str, Any], image: HostImage, registry: Registry) -> Dict[str, Any]:
        """An archive needs no login, and a secret that isn't needed isn't sent."""
        if image.archive:
            return dict(option, reference=image.reference, archive=True)
        login = {"username": registry.username, "password": registry.password, "tls_verify": registry.tls_verify}
        return dict(option, reference=image.reference, **login)

    def _send(self, option: Dict[str, Any], local: pathlib.Path) -> Dict[str, Any]:
        shell = self._connection._shell
        folder = shell.tmpdir or self._make_tmp_path()
        remote = shell.join_path(folder, "binary")
        self._transfer_file(str(local), remote)
        self._fixup_perms2((folder, remote))
        return dict(option, path=remote, size=local.stat().st_size)

    def _install(self, names: Any, task_vars: Dict[str, Any]) -> Any:
        """First from the lists the host has; only when that fails, after fetching new ones: an offline mirror may not allow it."""
        result: Dict[str, Any] = {}
        for extra in ({}, {"update_cache": True}):
            task = self._task.copy()
            task.args = dict({"name": list(names), "state": "present"}, **extra)
            action = self._shared_loader_obj.action_loader.get(
                "ansible.builtin.package",
                task=task,
                connection=self._connection,
                play_context=self._play_context,
                loader=self._loader,
                templar=self._templar,
                shared_loader_obj=self._shared_loader_obj,
            )
            result = action.run(task_vars=task_vars)
            if not result.get("failed"):
                return names
        raise Refused("packages: %s can't be installed: %s" % (", ".join(names), result.get("msg")))

    def _module(self, args: Dict[str, Any], task_vars: Dict[str, Any]) -> Dict[str, Any]:
        # Keeps Ansible on the host from writing every option, secrets included, to the journal; no_log of AnsibleModule doesn't.
        quiet = dict(task_vars, ansible_no_target_syslog=True)
        result: Dict[str, Any] = self._execute_module(module_name=MODULE, module_args=args, task_vars=quiet)
        return result

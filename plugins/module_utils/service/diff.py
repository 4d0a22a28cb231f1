# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What a plan changes, in the form that ansible-playbook --diff prints, without secrets."""

from __future__ import annotations

import posixpath
from typing import Dict, List, Optional, Sequence, Set

from ansible_collections.horaedb.cluster.plugins.module_utils.common.redact import Redactor
from ansible_collections.horaedb.cluster.plugins.module_utils.service import inspect
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Host
from ansible_collections.horaedb.cluster.plugins.module_utils.service.plan import Do, Found, Step
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Desired

_HIDDEN = "# (the difference is in a masked value)\n"


def diff(host: Host, desired: Desired, found: Found, steps: Sequence[Step], redactor: Redactor) -> List[Dict[str, str]]:
    """One entry per file that is written, one for the binary and one for the service."""
    kinds = {step.do for step in steps}
    entries = [_outside(host, desired, step.arg, redactor) for step in steps if step.do is Do.OUTSIDE]
    base = _base(desired, found)
    if Do.STAGE in kinds or any(d.kind != "attributes" for d in found.damage):
        entries += _texts(host, desired, base, redactor)
        entries += _program(host, desired, base)
    entries += _service(desired, found, kinds)
    return [entry for entry in entries if entry["before"] != entry["after"]]


def _base(desired: Desired, found: Found) -> Optional[str]:
    """The generation that an operator thinks of as the present one."""
    if desired.generation in found.generations:
        return desired.generation
    return found.staged or found.current


def _outside(host: Host, desired: Desired, path: str, redactor: Redactor) -> Dict[str, str]:
    content = next(f.content for f in desired.outside if f.path == path)
    return _text(path, host.read(path), content.encode(), redactor)


def _texts(host: Host, desired: Desired, base: Optional[str], redactor: Redactor) -> List[Dict[str, str]]:
    layout = desired.layout
    entries = []
    for name, content in desired.texts.items():
        before = host.read(posixpath.join(layout.generation(base), name)) if base else None
        if base and name == layout.service and base != desired.generation:
            # The generation's own name is in every unit, and says nothing about what the operator changed.
            before = (before or b"").replace(base.encode(), desired.generation.encode())
        entries.append(_text(posixpath.join(layout.link("current"), name), before, content, redactor))
    return entries


def _text(path: str, before: Optional[bytes], after: bytes, redactor: Redactor) -> Dict[str, str]:
    old, new = redactor.mask((before or b"").decode(errors="replace")), redactor.mask(after.decode(errors="replace"))
    if old == new and before is not None and before != after:
        new += _HIDDEN
    return {"before_header": path, "after_header": path, "before": old, "after": new}


def _program(host: Host, desired: Desired, base: Optional[str]) -> List[Dict[str, str]]:
    """One entry also where the service comes to be run from an image instead of a binary, or the other way round."""
    if desired.binary is None and desired.image is None:
        return []
    known = inspect.manifest(host, desired.layout.generation(base)) if base else {}
    before = "".join("%s\n" % known[key] for key in ("sha256", "image", "version") if known.get(key))
    header, after = (desired.binary.name, desired.binary.sha256) if desired.binary else ("image", desired.image.reference if desired.image else "")
    same = after in (known.get("sha256"), known.get("image"))
    return [_entry(header, before, before if same else "%s\n" % after)]


def _service(desired: Desired, found: Found, kinds: Set[Do]) -> List[Dict[str, str]]:
    service = found.service
    running = ("running generation %s" % service.running) if service.up else "not running"
    after = "running generation %s" % desired.generation if Do.RESTART in kinds else running
    staged = found.staged
    if Do.SELECT in kinds:
        staged = desired.generation
    elif kinds & {Do.SETTLE, Do.UNSELECT}:
        staged = None
    return [_entry(desired.layout.service, running + _waiting(found.staged), after + _waiting(staged))]


def _waiting(generation: Optional[str]) -> str:
    return ", %s staged\n" % generation if generation else "\n"


def _entry(header: str, before: str, after: str) -> Dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}

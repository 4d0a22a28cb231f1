# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Proves a generation on the host it is meant for, before it gets its name."""

from __future__ import annotations

import os
import posixpath
import re
from typing import Callable

from ansible_collections.horaedb.cluster.plugins.module_utils.service import image
from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import CANNOT_RUN, TIMED_OUT, Host, Ran
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Desired, Refused
from ansible_collections.horaedb.cluster.plugins.module_utils.service.version import version_text

# A daemon that needs longer than this to say its version hangs.
VERSION_LIMIT = 20.0
CHECK_LIMIT = 60.0

_NEWER_LIBC = re.compile(r"version `(\w+_[\d.]+)' not found")
_NO_LIBRARY = re.compile(r"error while loading shared libraries: ([^:]+):")

# Of `v2.1.0` and of `2.1.0-rc1` as well.
_NUMBERS = re.compile(r"(?<![\d.])(\d+)\.(\d+)\.(\d+)")


def version(host: Host, desired: Desired, directory: str) -> str:
    """What the binary in `directory` says of itself; Refused with the remedy when it can't be run here."""
    if desired.image:
        return image.version(host, desired.image)
    if desired.binary is None or not desired.binary.version_command:
        return ""
    path = posixpath.join(directory, desired.binary.name)
    # As the service user: it is the one that has to be able to.
    ran = host.run_as(desired.user, desired.group, [path, *desired.binary.version_command], VERSION_LIMIT)
    if ran.rc != 0:
        raise Refused(
            "%s doesn't run on this host: %s Nothing was switched; the new binary was removed again."
            % (desired.binary.name, explain(ran, path, _noexec, os.uname().machine))
        )
    return version_text(ran.out.strip() or ran.err.strip(), desired.binary.sha256)


def not_older(name: str, version_: str, in_use: str) -> None:
    """Refused for a downgrade. What carries no number can't be compared, and is let through."""
    new, old = _NUMBERS.search(version_), _NUMBERS.search(in_use)
    if new and old and tuple(map(int, new.groups())) < tuple(map(int, old.groups())):
        raise Refused(
            "the new binary of %s is %s, and %s is in use on this host: an older version may not understand the data. Nothing was switched. "
            "If that is meant, and upstream's notes allow it: -e horaedb_cluster_allow_downgrade=true" % (name, new.group(0), old.group(0))
        )


def explain(ran: Ran, path: str, noexec: Callable[[str], bool], machine: str) -> str:
    """The loader's own words and what they mean."""
    said = ran.said.replace(posixpath.dirname(path) + "/", "")
    newer = _NEWER_LIBC.search(said)
    if newer:
        wants = newer.group(1)
        return "%s. It was built for a newer system (%s) than this one: use a binary built on this release or an older one." % (said, wants)
    library = _NO_LIBRARY.search(said)
    if library:
        return "%s. Install the package that has %s, or use a binary that doesn't need it." % (said, library.group(1))
    if "Exec format error" in said:
        return "%s. It is built for another architecture than %s, or it is not a program at all (a saved error page?)." % (said, machine)
    if "Permission denied" in said and noexec(path):
        return "%s. The filesystem that holds %s is mounted noexec: mount it without, or choose another root." % (said, path)
    if "Permission denied" in said:
        return (
            "%s. Its filesystem isn't mounted noexec, so the service user may not pass one of the directories above it, or SELinux or AppArmor "
            "forbids it: `namei -l %s`." % (said, posixpath.dirname(posixpath.dirname(path)))
        )
    if "No such file or directory" in said and ran.rc == CANNOT_RUN:
        return "%s. The file is there, so its loader isn't: it is built for another C library than this host has." % said
    if ran.rc == TIMED_OUT:
        return "it had not ended after %g s." % VERSION_LIMIT
    if ran.rc == CANNOT_RUN:
        return "%s." % said
    return "exit status %d: %s." % (ran.rc, said or "it printed nothing")


def unit(host: Host, desired: Desired, directory: str) -> None:
    """systemd's own opinion of the unit. What it says of other units of the host is none of our business."""
    scratch = posixpath.join(directory, "verify", desired.layout.service)
    host.mkdir(posixpath.dirname(scratch), 0o750, desired.group)
    host.write(scratch, desired.fill(desired.unit_text, directory).encode(), 0o640, desired.group)
    ran = host.run(["systemd-analyze", "verify", "--man=no", scratch], limit=CHECK_LIMIT)
    host.remove(posixpath.dirname(scratch))
    said = [line for line in ran.said.splitlines() if desired.layout.service in line]
    if ran.rc != 0 and said:
        raise Refused("systemd refuses the unit %s: %s" % (desired.layout.service, "; ".join(said)))


def checks(host: Host, desired: Desired, directory: str) -> None:
    """The commands that the caller wants to succeed on the new files before they are used."""
    for argv in desired.checks:
        ran = host.run([desired.fill(word, directory) for word in argv], limit=CHECK_LIMIT)
        if ran.rc != 0:
            said = ran.said.replace(directory, desired.directory)
            raise Refused("`%s` refuses the new configuration (exit status %d): %s" % (" ".join(argv), ran.rc, said))


def _noexec(path: str) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""A directory on a data node's own disk, before anything is put there."""

from __future__ import annotations

import os
from typing import Iterator, Tuple

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Finding
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.object_store_checks import finding

MOUNTS = "/proc/self/mounts"

# Bytes. A local WAL begins with a segment of 64 MiB for each shard, and there are 8 shards by default.
ENOUGH = 1024 * 1024 * 1024

MEMORY = ("tmpfs", "ramfs", "devtmpfs")
SHARED = ("nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "fuse.glusterfs", "lustre", "gfs2", "ocfs2", "9p", "fuse.sshfs", "beegfs")


def attempt(folder: str, variable: str, mounts: str = MOUNTS) -> Iterator[Finding]:
    """`variable` names it for the operator. Makes nothing."""
    there = os.path.abspath(folder)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        what = "%s %s can't be made: %s is no directory." % (variable, folder, there)
        yield finding("disk.folder", what, "Take that file away, or correct %s." % variable)
        return
    state = os.statvfs(there)
    if state.f_flag & os.ST_RDONLY:
        what = "%s %s would lie on a file system that is mounted read-only." % (variable, folder)
        yield finding("disk.folder", what, "Mount it writable, or correct %s." % variable)
    free = state.f_bavail * state.f_frsize
    if free < ENOUGH:
        what = "%s %s has %d MiB free; a node with 8 shards begins with 512 MiB of WAL." % (variable, folder, free // 1048576)
        yield finding("disk.space", what, "Make room, or take another disk with %s." % variable)
    kind, point = mount_of(os.path.realpath(there), mounts)
    if kind in MEMORY:
        what = "%s %s would lie in memory (%s at %s), and be gone after a reboot." % (variable, folder, kind, point)
        yield finding("disk.memory", what, "Set %s to a directory on a disk." % variable)
    if kind in SHARED:
        what = "%s %s lies on a network file system (%s at %s); nothing locks it against another node." % (variable, folder, kind, point)
        yield finding("disk.shared", what, "Give each node a disk of its own with %s, or be sure that no other has this directory." % variable, WARNING)


def mount_of(path: str, mounts: str) -> Tuple[str, str]:
    """Type and mount point of the file system that has `path`."""
    found = ("", "/")
    with open(mounts, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            point, kind = line.split(" ")[1:3]
            point = point.encode().decode("unicode_escape")
            # Later lines are mounted over earlier ones.
            if (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(found[1]):
                found = (kind, point)
    return found

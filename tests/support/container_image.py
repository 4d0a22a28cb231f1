"""Images that run the daemons, real ones or simulators, out of what a lab host has itself: no registry, no builder, one layer."""

from __future__ import annotations

import functools
import io
import os
import pathlib
import subprocess
import tarfile
from collections.abc import Mapping

from lab import engine, image, recipe
from tests.support import oci

# Python and etcd, which the simulators need, with the libraries that they and the daemons are linked against.
_TAR = """
programs="$(readlink -f /usr/bin/python3) /usr/bin/etcd /usr/bin/setpriv"
library="/usr/lib/$(basename $(readlink -f /usr/bin/python3))"
files="$programs $(find $library/lib-dynload /given -type f)"
missing=$(for file in $files; do ldd $file 2>/dev/null; done | grep 'not found' | sort -u)
[ -z "$missing" ] || { echo "a lab host lacks libraries: $missing" >&2; exit 1; }
linked=$(for file in $files; do ldd $file 2>/dev/null; done | grep -o '/[^ ]*' | grep -v ':$' | sort -u)
exec tar --create --dereference --exclude=*/test --exclude=*/idlelib --exclude=*/lib2to3 --exclude=*/ensurepip --exclude=*/config-* \
    --absolute-names /usr/bin/python3 $programs $library $linked
"""


@functools.cache
def _base(programs: frozenset[pathlib.Path]) -> bytes:
    tag = image.ensure(recipe.default_distro())
    assert engine.why_unusable() is None
    given = ["--volume=%s:/given/%s:ro" % (path, path.name) for path in programs]
    done = subprocess.run(["docker", "run", "--rm", "--network=none", *given, tag, "sh", "-c", _TAR], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def archive(folder: pathlib.Path, programs: Mapping[str, pathlib.Path], tag: str = "") -> str:
    """An OCI archive in `folder` whose image has these files in /usr/bin. As a reference: oci-archive:/path."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(_base(frozenset(programs.values())))) as base, tarfile.open(fileobj=stream, mode="w") as layer:
        members = base.getmembers()
        names = {member.name.strip("/") for member in members}
        # A folder that is only implied may be closed to everybody but root.
        for parent_folder in sorted({str(parent) for member in members for parent in pathlib.PurePath(member.name.lstrip("/")).parents} - names - {"."}):
            layer.addfile(*oci.folder(parent_folder)[:1])
        for member in members:
            member.name = member.name.lstrip("/")
            member.linkname = member.linkname.lstrip("/") if member.islnk() else member.linkname
            layer.addfile(member, base.extractfile(member) if member.isreg() else None)
        for name, path in programs.items():
            info, content = oci.member("usr/bin/" + name, path.read_bytes())
            layer.addfile(info, io.BytesIO(content))
    layout = oci.Layout(folder / "layout")
    layout.image([stream.getvalue()], tag)
    path = layout.archive(folder / "image.tar")
    return "oci-archive:%s" % os.fspath(path)

"""The ssh keys of a lab: one to come in with, and one identity per host that is known before the host first boots."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from lab.console import run


def ensure_key(path: Path, comment: str) -> str:
    """The public half, the pair being made where it is missing."""
    public = path.with_name(path.name + ".pub")
    if not public.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return public.read_text()


def known_hosts(addresses: Mapping[str, str], public_keys: Mapping[str, str]) -> str:
    return "".join(f"{addresses[host]} {' '.join(public_keys[host].split()[:2])}\n" for host in sorted(addresses))


def identity_archive(host_key: Path, authorized: str) -> bytes:
    """A tar of the files a host gets before its first boot, owned by root whoever runs the lab."""
    files = {
        "etc/ssh/ssh_host_ed25519_key": (host_key.read_bytes(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (host_key.with_name(host_key.name + ".pub").read_bytes(), 0o644),
        "etc/ssh/lab_authorized_keys": (authorized.encode(), 0o644),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()

"""Where the lab keeps things. Nothing outside the cache folder is written, save the inventory that is asked for."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Two checkouts on one machine must not touch each other's hosts, so what they make in the engine carries this tag.
CHECKOUT_TAG = hashlib.sha256(str(ROOT).encode()).hexdigest()[:4]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "horaedb.cluster"
LABS = CACHE / "labs"
TOOLS = CACHE / "tools"
TOOLS_BIN = TOOLS / "usr" / "bin"


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock between processes, so that two of them never make the same thing at once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Readers see the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.touch(mode)
    fresh.write_text(text)
    fresh.replace(path)

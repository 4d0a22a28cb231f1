"""`make clean`: takes away all that the other commands made."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from lab import dockerd, engine, hosts, recipe
from lab.console import say
from lab.paths import CACHE, ROOT

MADE_IN_CHECKOUT = ("build", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".ansible", "tests/output")
# By name and not the whole folder: the collection keeps downloaded binaries there too, for playbooks that are no demo.
MADE_IN_CACHE = (
    *("labs", "venv-demo-*", "venv-test-*", "venv-core-*", "tools", "ansible-test"),
    *("sanity-*", "image-*", "tools-*", "wheels-*", "kafka-*", ".*.lock"),
)
LEFT = "left: Debian packages that were installed, and the kernel's limit on inotify instances where it was raised"


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
            say(f"removed {path}")
        else:
            path.unlink(missing_ok=True)


def _remove_images() -> None:
    images = engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", recipe.REPOSITORY).split()
    if images:
        engine.docker("image", "rm", *images)
        say(f"{len(images)} images removed")


def _clean_engine() -> list[str]:
    """Takes down this checkout's labs; returns the checkouts that still have some."""
    for lab in hosts.labs_here():
        hosts.down(lab)
    others = sorted({one.checkout for one in hosts.containers()})
    if not others:
        _remove_images()
    say(dockerd.stop_if_started_here())
    return others


def run() -> None:
    why = engine.why_unusable()
    if why is None:
        others = _clean_engine()
    else:
        say(f"no engine answers ({why}), so no hosts or images were looked for")
        others = []
    _remove(ROOT / name for name in MADE_IN_CHECKOUT)
    if others:
        say(f"images, environments and tools stay, because labs of {', '.join(others)} use them")
    else:
        _remove(path for pattern in MADE_IN_CACHE for path in CACHE.glob(pattern))
    say(LEFT)

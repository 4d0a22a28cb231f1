"""`make clean`: takes away all that the other commands made."""

from __future__ import annotations

import shutil

from lab import dockerd, engine, hosts, recipe
from lab.console import say
from lab.paths import CACHE, ROOT

MADE_IN_CHECKOUT = ("build", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".ansible", "tests/output")
REPOSITORY = recipe.tag(recipe.DEFAULT_DISTRO).split(":")[0]


def _clean_engine() -> None:
    for lab in hosts.labs_here():
        hosts.down(lab)
    elsewhere = sorted({one.checkout for one in hosts.containers()})
    if elsewhere:
        say(f"images stay: labs of other checkouts use them ({', '.join(elsewhere)})")
        return
    images = engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY).split()
    if images:
        engine.docker("image", "rm", *images)
        say(f"{len(images)} images removed")


def run() -> None:
    why = engine.why_unusable()
    if why is None:
        _clean_engine()
        say(dockerd.stop_if_started_here())
    else:
        say(f"no engine answers ({why}), so no hosts or images were looked for")
    for path in (*(ROOT / name for name in MADE_IN_CHECKOUT), CACHE):
        if path.exists():
            shutil.rmtree(path)
            say(f"removed {path}")
    say("left: Debian packages that were installed, and the kernel's limit on inotify instances where it was raised")

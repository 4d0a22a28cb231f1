"""What the broken builds do, and what both say of their build. Rollback has to be tested against something."""

from __future__ import annotations

import sys
import threading
from typing import List

from common import log
from common.buildinfo import FLAVOUR, VERSION

# Where a real build names its branch.
BRANCH = "v%s (simulator)" % VERSION


def announce(daemon: str) -> str:
    return "%s %s (simulator)" % (daemon, VERSION)


def die_like_an_old_glibc(program: str) -> None:
    if FLAVOUR == "badglibc":
        sys.stderr.write("%s: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.35' not found (required by %s)\n" % (program, program))
        sys.exit(1)


def version_requested(arguments: List[str], flags: List[str]) -> bool:
    return any(argument in flags for argument in arguments)


def misbehave_at_start() -> None:
    """crash: dies with a panic. mute: stays, listens on nothing, never gets ready."""
    if FLAVOUR == "crash":
        log.error("thread 'main' panicked 'simulated crash of this build' at \"src/main.rs:42\"")
        sys.exit(1)
    if FLAVOUR == "mute":
        log.info("Server is starting")
        threading.Event().wait()

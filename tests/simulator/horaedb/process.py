"""How horaedb-server ends."""

from __future__ import annotations

import os
import random
import sys
from typing import Mapping, NoReturn, Optional

from common import log

CONFIG_FAILURE = 101
# Seen on the real one: this share of SIGTERM stops end with exit code 1, no acknowledged row lost.
SHUTDOWN_RACE = 0.08
RACE_WORDS = (
    "Cannot drop a runtime in a context where blocking is not allowed. "
    "This happens when a runtime is dropped from within an asynchronous context."
)


PANIC_HOOK = "src/components/panic_ext/src/lib.rs:57"
# Built without debug information: a backtrace that tells nothing, and hides what stands before it.
FRAMES = 30


def panic(message: str, where: str = "src/server/src/server.rs:229", thread: str = "main") -> NoReturn:
    """Any panic in any thread ends the process with 1, once there is a log: it goes there, with a backtrace."""
    frames = "".join("%4d: <unknown>\n" % number for number in range(FRAMES))
    log.error("thread '%s' panicked '%s' at \"%s\"\n%s" % (thread, message, where, frames), PANIC_HOOK)
    sys.stdout.flush()
    os._exit(1)


def panic_early(message: str, where: str) -> NoReturn:
    """Before there is a log: Rust's own words, on standard error."""
    sys.stderr.write(
        "thread 'main' panicked at %s:\n%s\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n"
        % (where, message)
    )
    sys.stderr.flush()
    os._exit(CONFIG_FAILURE)


def races_at_shutdown(seed: Optional[str]) -> bool:
    return random.Random(seed).random() < SHUTDOWN_RACE


def stop(environment: Mapping[str, str] = os.environ) -> NoReturn:
    """SIGTERM: no flush, no shard is closed, no lock released."""
    if races_at_shutdown(environment.get("HORAE_SIM_SEED")):
        panic(RACE_WORDS, "/usr/local/cargo/registry/src/tokio-1.29.1/src/runtime/blocking/shutdown.rs:51")
    sys.stdout.flush()
    os._exit(0)

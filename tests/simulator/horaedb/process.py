"""How horaedb-server ends."""

from __future__ import annotations

import os
import random
import sys
from typing import Mapping, NoReturn, Optional

from common import log

# Seen on the real one: this share of SIGTERM stops end with exit code 1, no acknowledged row lost.
SHUTDOWN_RACE = 0.08
RACE_WORDS = (
    "Cannot drop a runtime in a context where blocking is not allowed. "
    "This happens when a runtime is dropped from within an asynchronous context."
)


def panic(message: str) -> NoReturn:
    """Any panic in any thread ends the process with 1."""
    log.error("thread 'main' panicked 'simulated': %s" % message)
    sys.stdout.flush()
    os._exit(1)


def races_at_shutdown(seed: Optional[str]) -> bool:
    return random.Random(seed).random() < SHUTDOWN_RACE


def stop(environment: Mapping[str, str] = os.environ) -> NoReturn:
    """SIGTERM: no flush, no shard is closed, no lock released."""
    if races_at_shutdown(environment.get("HORAE_SIM_SEED")):
        panic(RACE_WORDS)
    sys.stdout.flush()
    os._exit(0)

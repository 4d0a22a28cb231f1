"""Log lines on standard output, where both daemons write theirs."""

from __future__ import annotations

import datetime
import sys
import threading

_LOCK = threading.Lock()


def _write(level: str, text: str) -> None:
    now = datetime.datetime.now()
    with _LOCK:
        sys.stdout.write("%s %s %s\n" % (now.isoformat(timespec="milliseconds"), level, text))
        sys.stdout.flush()


def info(text: str) -> None:
    _write("INFO", text)


def warn(text: str) -> None:
    _write("WARN", text)


def error(text: str) -> None:
    _write("ERRO", text)

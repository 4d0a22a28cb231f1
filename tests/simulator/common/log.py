"""Log lines on standard output, where both daemons write theirs."""

from __future__ import annotations

import datetime
import sys
import threading
import traceback
from types import TracebackType
from typing import Optional, Type

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


def failure_text(kind: Type[BaseException], value: Optional[BaseException], trace: Optional[TracebackType]) -> str:
    """A bug of the simulator, as the panic that ends the process: a daemon with a dead thread would only look alive."""
    return "".join(traceback.format_exception(kind, value, trace))

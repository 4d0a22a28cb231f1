"""Log lines on standard output, where both daemons write theirs, each in its own form."""

from __future__ import annotations

import datetime
import json
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, Callable, Mapping, Optional, Type

Form = Callable[[datetime.datetime, str, str, str, Mapping[str, Any]], str]
_LOCK = threading.Lock()
_SLOG_LEVELS = {"info": "INFO", "warn": "WARN", "error": "ERRO"}


def zap(now: datetime.datetime, level: str, text: str, source: str, fields: Mapping[str, Any]) -> str:
    """HoraeMeta's."""
    stamp = now.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (now.microsecond // 1000)
    parts = [stamp, level, source or "server/server.go:279", text]
    return "\t".join(parts + ([json.dumps(fields, ensure_ascii=False)] if fields else []))


def slog(now: datetime.datetime, level: str, text: str, source: str, _: Mapping[str, Any]) -> str:
    """HoraeDB's, which has no fields."""
    stamp = now.strftime("%Y-%m-%d %H:%M:%S.") + "%03d" % (now.microsecond // 1000)
    return "%s %s [%s] %s" % (stamp, _SLOG_LEVELS[level], source or "src/server/src/server.rs:229", text)


_form: Form = zap


def use(form: Form) -> None:
    global _form
    _form = form


def _write(level: str, text: str, source: str, fields: Mapping[str, Any]) -> None:
    line = _form(datetime.datetime.now(), level, text, source, fields)
    with _LOCK:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def info(text: str, source: str = "", **fields: Any) -> None:
    _write("info", text, source, fields)


def warn(text: str, source: str = "", **fields: Any) -> None:
    _write("warn", text, source, fields)


def error(text: str, source: str = "", **fields: Any) -> None:
    _write("error", text, source, fields)


def failure_text(kind: Type[BaseException], value: Optional[BaseException], trace: Optional[TracebackType]) -> str:
    """A bug of the simulator, as the panic that ends the process: a daemon with a dead thread would only look alive."""
    return "".join(traceback.format_exception(kind, value, trace))

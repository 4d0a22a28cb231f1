"""What Go adds to HoraeMeta's words: stack traces in errors, log lines and panics."""

from __future__ import annotations

import os
import sys
from typing import NoReturn, Sequence, Tuple

from common import log

MODULE = "github.com/apache/incubator-horaedb-meta/"
SOURCES = "/horaemeta/"

Frame = Tuple[str, str]

WITH_CAUSE: Frame = (MODULE + "pkg/coderr.(*codeError).WithCausef", SOURCES + "pkg/coderr/error.go:91")
GET_CLUSTER: Frame = (MODULE + "server/cluster.(*managerImpl).getCluster", SOURCES + "server/cluster/manager.go:406")
HTTP: Sequence[Frame] = (
    (MODULE + "server/service/http.(*API).NewAPIRouter.wrap.func7", SOURCES + "server/service/http/api.go:769"),
    ("net/http.HandlerFunc.ServeHTTP", "/usr/local/go/src/net/http/server.go:2286"),
    (MODULE + "server/service/http.printRequestInfo.func1", SOURCES + "server/service/http/api.go:689"),
    (MODULE + "server/service/http.(*Router).handle.func1", SOURCES + "server/service/http/route.go:120"),
    (
        "github.com/julienschmidt/httprouter.(*Router).ServeHTTP",
        "/go/pkg/mod/github.com/julienschmidt/httprouter@v1.3.0/router.go:387",
    ),
    (MODULE + "server/service/http.(*Router).ServeHTTP", SOURCES + "server/service/http/route.go:64"),
    ("net/http.serverHandler.ServeHTTP", "/usr/local/go/src/net/http/server.go:3311"),
    ("net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go:2067"),
)
MAIN: Sequence[Frame] = (
    ("main.main", SOURCES + "cmd/horaemeta-server/main.go:123"),
    ("runtime.main", "/usr/local/go/src/runtime/proc.go:290"),
)
EXIT: Frame = ("runtime.goexit", "/usr/local/go/src/runtime/asm_amd64.s:1771")
# A panic, and a missing or bad configuration.
PANIC_CODE = 2


def _lines(frames: Sequence[Frame]) -> str:
    return "".join("\n%s\n\t%s" % frame for frame in frames)


def caused(message: str, inner: Sequence[Frame], outer: Sequence[Frame] = HTTP) -> str:
    """An error that was made with a cause: its text carries the stack, twice."""
    return message + _lines([WITH_CAUSE, *inner, *outer, EXIT]) * 2


def method(where: str, name: str, line: str) -> Frame:
    """method("cluster", "managerImpl.DropTable", "manager.go:297")"""
    kind, _, function = name.partition(".")
    return "%sserver/%s.(*%s).%s" % (MODULE, where, kind, function), "%sserver/%s/%s" % (SOURCES, where, line)


def log_failure(text: str, source: str, error: str) -> None:
    """An error in the log has the stack of whoever logged it below it."""
    log.error(text, source, error=error)
    sys.stdout.write(_lines(MAIN)[1:] + "\n")
    sys.stdout.flush()


def panic(message: str, trace: str = "") -> NoReturn:
    sys.stdout.flush()
    sys.stderr.write("panic: %s\n%s\n" % (message, trace or "\ngoroutine 1 [running]:" + _goroutine(MAIN)))
    sys.stderr.flush()
    os._exit(PANIC_CODE)


def nil_pointer(frames: Sequence[Frame]) -> NoReturn:
    fault = "[signal SIGSEGV: segmentation violation code=0x1 addr=0x68 pc=0xbd2cc4]\n\ngoroutine 231 [running]:"
    panic("runtime error: invalid memory address or nil pointer dereference", fault + _goroutine(frames))


def _goroutine(frames: Sequence[Frame]) -> str:
    """A panic's frames have arguments and offsets."""
    return "".join("\n%s(...)\n\t%s +0x54" % frame for frame in frames)


def goroutines(stuck: bool) -> str:
    """As much of /debug/pprof/goroutine?debug=2 as shows where a hung member waits."""
    listed = "goroutine 1 [chan receive]:" + _goroutine(MAIN) + "\n"
    if stuck:
        writer = (
            ("sync.(*RWMutex).Lock", "/usr/local/go/src/sync/rwmutex.go:155"),
            method("cluster", "managerImpl.CreateCluster", "manager.go:117"),
        )
        reader = (
            ("sync.(*RWMutex).RLock", "/usr/local/go/src/sync/rwmutex.go:74"),
            GET_CLUSTER,
            method("cluster", "managerImpl.RegisterNode", "manager.go:364"),
        )
        listed += "\ngoroutine 93 [sync.RWMutex.Lock]:" + _goroutine(writer) + "\n"
        listed += "\ngoroutine 214 [sync.RWMutex.RLock]:" + _goroutine(reader) + "\n"
    return listed

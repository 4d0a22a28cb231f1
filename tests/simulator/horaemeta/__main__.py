"""The double of horaemeta-server."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import List, Optional

from common import flavour, log
from common.etcd import Etcd
from common.http import listen
from common.knobs import Knobs
from common.log import failure_text

from horaemeta import golang
from horaemeta.api import TOPOLOGY_TYPES, Api
from horaemeta.config import Config, ConfigError, host_and_port, load
from horaemeta.etcd_process import EtcdProcess, Panicked, StartFailed
from horaemeta.front import Front
from horaemeta.leadership import Leadership
from horaemeta.manager import Manager
from horaemeta.members import MemberApi
from horaemeta.rpc import Rpc
from horaemeta.store import Store

# On one machine several members can't all have the same port on every interface: tests set this.
HTTP_HOST = os.environ.get("HORAE_SIM_HTTP_HOST", "0.0.0.0")
WATCHDOG = 0.1
# The knob SEGFAULT: how many starts are caught by a request that comes before the member knows itself, and for how long they can be.
# The real ones do so rarely, and only when somebody asks in that moment.
SEGFAULTS = 0.01
UNKNOWN_TO_ITSELF = 0.3


def arguments(words: List[str]) -> Optional[str]:
    """The configuration file. Exits as Go's flag package does."""
    path = None
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, _, value = word.lstrip("-").partition("=")
        if name == "config" and (value or rest):
            path = value or rest.pop(0)
        else:
            sys.stderr.write("flag provided but not defined: %s\n" % word)
            sys.exit(2)
    return path


def main() -> None:
    log.use(log.zap)
    flavour.die_like_an_old_glibc(sys.argv[0])
    if flavour.version_requested(sys.argv[1:], ["--version", "-version"]):
        # Go's println writes there.
        sys.stderr.write(version_text() + "\n")
        return
    try:
        config = load(arguments(sys.argv[1:]))
    except ConfigError as error:
        golang.panic(str(error))
    threading.excepthook = lambda failure: golang.panic(failure_text(failure.exc_type, failure.exc_value, failure.exc_traceback))
    log.info("server start with version: %s" % version_text(), "horaemeta-server/main.go:98")
    log.info("server start with config", "horaemeta-server/main.go:100", config=config.dump())
    flavour.misbehave_at_start()
    run(config)


def version_text() -> str:
    """Four lines; a plain build of the real one has nothing behind the colons."""
    return "HoraeMeta Server\nGit commit:%s\nGit branch:%s\nBuild date:%s" % ("0" * 40, flavour.BRANCH, "1980-01-01")


def run(config: Config) -> None:
    """Failures end with exit code 0, as in the real one."""
    stopping = threading.Event()
    etcd_process = EtcdProcess(config)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda *_: _stop_early(stopping, etcd_process))
    rpc = Rpc()
    try:
        os.makedirs(config["data-dir"], exist_ok=True)
    except OSError as error:
        golang.panic("fail to create data dir, data_dir:%s, err:%s" % (config["data-dir"], error))
    try:
        # The ports are open from the start, as the embedded etcd's are: who comes early is answered when there is a leader.
        fronts = [Front(*host_and_port(url), etcd_url=etcd_process.url, rpc=rpc) for url in config.client_urls]
        etcd_process.start()
    except Panicked as panicked:
        golang.panic(str(panicked), panicked.trace)
    except (StartFailed, OSError) as error:
        golang.log_failure("fail to run server", "horaemeta-server/main.go:124", str(error))
        etcd_process.stop()
        return
    for front in fronts:
        threading.Thread(target=front.serve_forever, daemon=True).start()
    serve(config, etcd_process, rpc, stopping)


def _stop_early(stopping: threading.Event, etcd_process: EtcdProcess) -> None:
    """While etcd still waits for a quorum nobody looks at the event yet."""
    if stopping.is_set():
        return
    stopping.set()
    if not etcd_process.started:
        etcd_process.stop()
        os._exit(0)


def serve(config: Config, etcd_process: EtcdProcess, rpc: Rpc, stopping: threading.Event) -> None:
    knobs = Knobs([os.path.join(config["data-dir"], "simulator")])
    if knobs.happens("SEGFAULT", SEGFAULTS):
        # A member that is asked before it knows itself dies of it.
        time.sleep(UNKNOWN_TO_ITSELF)
    if config["topology-type"] not in TOPOLOGY_TYPES:
        message = "could not be parsed to topologyType, rawString:%s: (#500)parse topology type, cause:<nil>" % config["topology-type"]
        golang.log_failure("fail to run server", "horaemeta-server/main.go:124", message)
        etcd_process.stop()
        return
    etcd = Etcd([etcd_process.url], config["etcd-call-timeout-ms"] / 1000)
    store = Store(etcd, config["storage-root-path"], config["id-allocator-step"])
    manager = Manager(config, store, golang.panic, knobs)
    leadership = Leadership(etcd, store.root, config["node-name"], config.endpoint, config["lease-sec"], manager.elected, manager.deposed)
    limiter = {name: config["flow-limiter." + name] for name in ("enable", "limit", "burst")}
    api = Api(manager, leadership, config["http-port"], limiter)
    MemberApi(etcd).add_to(api)
    rpc.begin(manager, leadership)
    try:
        http = listen(HTTP_HOST, config["http-port"], api.routes)
        threading.Thread(target=http.serve_forever, daemon=True).start()
    except OSError as error:
        # The real one goes on without its HTTP API.
        golang.log_failure("start http service failed", "server/server.go:274", str(error))
    log.info("server started", "server/server.go:279")
    leadership.start()
    while not stopping.wait(WATCHDOG):
        if etcd_process.exited():
            log.error("embedded etcd has exited")
            break
    log.info("got signal to exit", "horaemeta-server/main.go:129", signal="terminated")
    # A member that hangs never gets beyond this line, answers as before, and ends by SIGKILL only.
    leadership.stop()
    etcd_process.stop()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

"""The double of horaemeta-server."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import List, NoReturn, Optional

from common import flavour, log
from common.etcd import Etcd
from common.http import Server, listen
from common.log import failure_text

from horaemeta.api import TOPOLOGY_TYPES, Api
from horaemeta.config import Config, ConfigError, host_and_port, load
from horaemeta.etcd_process import EtcdProcess, StartFailed
from horaemeta.front import Front
from horaemeta.leadership import Leadership
from horaemeta.manager import Manager
from horaemeta.members import MemberApi
from horaemeta.rpc import Rpc
from horaemeta.store import Store

# On one machine several members can't all have the same port on every interface: tests set this.
HTTP_HOST = os.environ.get("HORAE_SIM_HTTP_HOST", "0.0.0.0")
WATCHDOG = 0.5


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


def panic(message: str) -> NoReturn:
    log.error("panic: %s" % message)
    sys.stdout.write("goroutine 1 [running]:\n")
    sys.stdout.flush()
    os._exit(2)


def main() -> None:
    flavour.die_like_an_old_glibc(sys.argv[0])
    if flavour.version_requested(sys.argv[1:], ["--version", "-version"]):
        print("Version: %s" % flavour.announce("horaemeta-server"))
        return
    try:
        config = load(arguments(sys.argv[1:]))
    except ConfigError as error:
        log.error("panic: %s" % error)
        sys.exit(2)
    threading.excepthook = lambda failure: panic(failure_text(failure.exc_type, failure.exc_value, failure.exc_traceback))
    log.info("%s starts; this is a simulator, not the real HoraeMeta" % flavour.announce("horaemeta-server"))
    log.info("server start with config: %s" % config.dump())
    flavour.misbehave_at_start()
    run(config)


def run(config: Config) -> None:
    """Failures end with exit code 0, as in the real one."""
    if config["topology-type"] not in TOPOLOGY_TYPES:
        log.error("fail to create server: could not be parsed to topologyType, rawString:%s" % config["topology-type"])
        return
    stopping = threading.Event()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda *_: _stop_early(stopping, etcd_process))
    etcd_process = EtcdProcess(config)
    try:
        etcd_process.start()
    except StartFailed as error:
        log.error("fail to run server: start embedded etcd: %s" % error)
        etcd_process.stop()
        return
    serve(config, etcd_process, stopping)


def _stop_early(stopping: threading.Event, etcd_process: EtcdProcess) -> None:
    """While etcd still waits for a quorum nobody looks at the event yet."""
    if stopping.is_set():
        return
    stopping.set()
    if not etcd_process.healthy():
        etcd_process.stop()
        os._exit(0)


def serve(config: Config, etcd_process: EtcdProcess, stopping: threading.Event) -> None:
    etcd = Etcd([etcd_process.url], config["etcd-call-timeout-ms"] / 1000)
    store = Store(etcd, config["storage-root-path"], config["id-allocator-step"])
    manager = Manager(config, store, panic)
    leadership = Leadership(etcd, store.root, config["node-name"], config.endpoint, config["lease-sec"], manager.elected, manager.deposed)
    limiter = {name: config["flow-limiter." + name] for name in ("enable", "limit", "burst")}
    api = Api(manager, leadership, config["http-port"], limiter)
    MemberApi(etcd).add_to(api)
    rpc = Rpc(manager, leadership)
    try:
        servers: List[Server] = [listen(HTTP_HOST, config["http-port"], api.routes)]
        servers += [Front(*host_and_port(url), etcd_url=etcd_process.url, rpc=rpc) for url in config.client_urls]
    except OSError as error:
        log.error("fail to run server: %s" % error)
        etcd_process.stop()
        return
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    leadership.start()
    log.info("server is serving")
    while not stopping.wait(WATCHDOG):
        if etcd_process.exited():
            log.error("embedded etcd has exited")
            break
    log.info("server is closing")
    for server in servers:
        server.socket.close()
    leadership.stop()
    etcd_process.stop()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

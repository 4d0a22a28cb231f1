"""Kafka for tests: a double that speaks the two requests which tell of a cluster, and a real broker where lab/kafka.py found a JVM."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import socketserver
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Optional

from lab.kafka import JARS, VERSION, can_run

PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://{address}:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{address}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/log
offsets.topic.replication.factor=1
"""


def text(value: Optional[str]) -> bytes:
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value)) + value.encode()


class Broker(socketserver.ThreadingTCPServer):
    """The double. What it says can be changed while it runs."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((address, port), _Handler)
        self.address = (address, int(self.server_address[1]))
        self.brokers: list[tuple[str, int]] = [self.address]
        self.topics: list[str] = []
        self.versions = {3: (0, 13), 18: (0, 4)}
        # Instead of an answer, if there are any.
        self.raw: Optional[bytes] = None
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def name(self) -> str:
        return "%s:%d" % self.address

    def versions_answer(self) -> bytes:
        entries = [struct.pack(">hhh", api, *span) for api, span in self.versions.items()]
        return struct.pack(">hi", 0, len(entries)) + b"".join(entries)

    def metadata_answer(self) -> bytes:
        brokers = [struct.pack(">i", number) + text(host) + struct.pack(">i", port) + text(None) for number, (host, port) in enumerate(self.brokers, 1)]
        partition = struct.pack(">hiii", 0, 0, 1, 1) + struct.pack(">i", 1) + struct.pack(">ii", 1, 1)
        topics = [struct.pack(">h", 0) + text(name) + b"\0" + struct.pack(">i", 1) + partition for name in self.topics]
        return (
            struct.pack(">i", len(brokers)) + b"".join(brokers) + struct.pack(">i", 1) + struct.pack(">i", len(topics)) + b"".join(topics)
        )

    def __exit__(self, *_exception: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(socketserver.BaseRequestHandler):
    server: Broker

    def handle(self) -> None:
        with contextlib.suppress(OSError, struct.error):
            while True:
                (length,) = struct.unpack(">i", self._take(4))
                asked = self._take(length)
                api, version, correlation = struct.unpack(">hhi", asked[:8])
                if self.server.raw is not None:
                    self.request.sendall(self.server.raw)
                    return
                # A real broker hangs up on a version that it doesn't know.
                if (api, version) not in ((3, 1), (18, 0)):
                    return
                answer = struct.pack(">i", correlation) + (self.server.metadata_answer() if api == 3 else self.server.versions_answer())
                self.request.sendall(struct.pack(">i", len(answer)) + answer)

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self.request.recv(count - len(data)) or self._gone()
        return data

    def _gone(self) -> bytes:
        raise ConnectionResetError


def _java(memory: int) -> list[str]:
    return ["java", "-Xmx%dm" % memory, "-XX:TieredStopAtLevel=1", "-cp", "%s/*" % JARS]


def free_port(address: str = "127.0.0.1") -> int:
    with socket.create_server((address, 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def kafka(folder: pathlib.Path, address: str = "127.0.0.1") -> Iterator[str]:
    """A real broker of one node, as host:port. It takes 300 MB and 4 s."""
    java = _java(256)
    port, controller = free_port(address), free_port()
    properties = folder / "server.properties"
    properties.write_text(PROPERTIES.format(address=address, port=port, controller=controller, folder=folder))
    formatting = [*java, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(properties)]
    subprocess.run(formatting, check=True, timeout=60, capture_output=True)
    with (folder / "kafka.log").open("wb") as log:
        process = subprocess.Popen([*java, "kafka.Kafka", str(properties)], stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait(address, port, process, folder / "kafka.log")
            yield "%s:%d" % (address, port)
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def some(folder: pathlib.Path, address: str) -> Iterator[str]:
    """A real broker where one can be had, else the double; which of them is printed."""
    real = can_run()
    print("Kafka is %s" % ("%s, on a JVM" % VERSION if real else "a double"))
    if real:
        with kafka(folder, address) as name:
            yield name
    else:
        with Broker(address) as broker:
            yield broker.name


def make_topics(broker: str, topics: Sequence[str]) -> None:
    """By Kafka's own tool."""
    for topic in topics:
        command = [*_java(128), "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", broker, "--create", "--topic", topic]
        subprocess.run(command, check=True, timeout=60, capture_output=True)


def _wait(address: str, port: int, process: subprocess.Popen[bytes], log: pathlib.Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection((address, port), timeout=1).close()
            return
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.1)

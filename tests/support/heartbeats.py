"""Sends the heartbeats of data nodes that don't exist: `python3 -m tests.support.heartbeats http://192.0.2.11:2379 http://192.0.2.12:2379`.

A static cluster takes them and forgets such a node 10 s after its last heartbeat. What HoraeMeta does under many nodes, an election above
all, can so be seen with none. It ends with SIGTERM or SIGINT, or after --seconds, and says each 10 s what became of the heartbeats.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import grpc
import grpc.aio

# rpc NodeHeartbeat(NodeHeartbeatRequest) of HoraeDB's meta_service.proto.
METHOD = "/meta_service.MetaRpcService/NodeHeartbeat"


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _field(number: int, value: bytes | str | int) -> bytes:
    """One field of a protobuf message: text, a message, or an unsigned number."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def heartbeat(cluster: str, name: str, lease_ms: int) -> bytes:
    """NodeHeartbeatRequest: header = 1 {node = 1, cluster_name = 2}, info = 2 {endpoint = 1, lease = 2, zone = 3, binary_version = 4}."""
    header = _field(1, name) + _field(2, cluster)
    info = _field(1, name) + _field(2, lease_ms) + _field(3, "") + _field(4, "2.1.0")
    return _field(1, header) + _field(2, info)


def outcome(answer: bytes) -> str:
    """Of NodeHeartbeatResponse: header = 1 {code = 1, error = 2}; an empty one means success."""
    fields = list(answer[2 : 2 + answer[1]]) if len(answer) > 1 else []
    return "refused" if fields[:1] == [1 << 3] and fields[1:2] != [0] else "ok"


class Node:
    """One name. It stays with a member until that one fails, as a node behind a proxy does."""

    def __init__(self, name: str, cluster: str, period: float, first: int) -> None:
        self._message = heartbeat(cluster, name, int(period * 1500))
        self._period = period
        self._at = first

    async def run(self, calls: Sequence[grpc.aio.UnaryUnaryMultiCallable], delay: float, seen: Counter[str]) -> None:
        await asyncio.sleep(delay)
        clock = asyncio.get_running_loop()
        while True:
            began = clock.time()
            try:
                answer = await calls[self._at % len(calls)](self._message, timeout=self._period)
                seen[outcome(answer)] += 1
            except grpc.aio.AioRpcError as error:
                seen[error.code().name] += 1
                self._at += 1
            await asyncio.sleep(max(0.0, self._period - (clock.time() - began)))


def names(count: int) -> Iterator[str]:
    """Nobody's addresses (RFC 2544)."""
    for number in range(count):
        yield "198.18.%d.%d:8831" % divmod(number + 1, 250)


async def send(urls: Sequence[str], cluster: str, count: int, period: float, seconds: float) -> None:
    channels = [grpc.aio.insecure_channel(urlsplit(url).netloc) for url in urls]
    calls = [channel.unary_unary(METHOD) for channel in channels]
    seen: Counter[str] = Counter()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    nodes = [Node(name, cluster, period, index) for index, name in enumerate(names(count))]
    tasks = [asyncio.create_task(node.run(calls, period * index / count, seen)) for index, node in enumerate(nodes)]
    end = asyncio.get_running_loop().time() + seconds if seconds else float("inf")
    while not stop.is_set() and asyncio.get_running_loop().time() < end:
        try:
            await asyncio.wait_for(stop.wait(), min(10.0, end - asyncio.get_running_loop().time()))
        except asyncio.TimeoutError:
            sys.stdout.write(", ".join("%s %d" % pair for pair in sorted(seen.items())) + "\n")
            sys.stdout.flush()
            seen.clear()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for channel in channels:
        await channel.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Sends the heartbeats of data nodes that don't exist.")
    parser.add_argument("members", nargs="+", help="the members' client URLs")
    parser.add_argument("--cluster", default="defaultCluster")
    parser.add_argument("--names", type=int, default=50, help="how many data nodes")
    parser.add_argument("--period", type=float, default=2.0, help="seconds between two heartbeats of one")
    parser.add_argument("--seconds", type=float, default=0.0, help="when to end; 0: when it is told to")
    chosen = parser.parse_args()
    asyncio.run(send(chosen.members, chosen.cluster, chosen.names, chosen.period, chosen.seconds))


if __name__ == "__main__":
    main()

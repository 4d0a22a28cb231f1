# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The few bytes of Kafka's protocol that tell who the brokers of a cluster are and which topics it has.

Own code, because a host has nothing but Python's standard library before anything is installed there. The versions are the
oldest that brokers of today still speak, Kafka 4 included: ApiVersions 0 and Metadata 1, which is what HoraeDB's own client sends.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple, TypeVar

from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure

CLIENT = b"horaedb.cluster"
METADATA, METADATA_VERSION = 3, 1
API_VERSIONS, API_VERSIONS_VERSION = 18, 0
# A broker with ten thousand topics answers with about a megabyte.
LONGEST = 64 * 1024 * 1024

# HoraeDB's own, one of each for every shard; the name of the cluster isn't in them.
TOPIC = re.compile(r"(wal|manifest)_(data|meta)_\d+")

Item = TypeVar("Item")


class NotKafka(Failure):
    """Something answered that isn't a Kafka broker, or one that can't be understood. As text: the reason, without a full stop."""

    kind = "storage.not_kafka"


@dataclass(frozen=True)
class Metadata:
    """`brokers`: as they tell their own addresses, which is where clients go from then on."""

    brokers: Tuple[Tuple[str, int], ...]
    topics: Tuple[str, ...]

    @property
    def of_horaedb(self) -> Tuple[str, ...]:
        return tuple(sorted(topic for topic in self.topics if TOPIC.fullmatch(topic)))


class Reader:
    """What is left of an answer. Whatever is cut off raises NotKafka."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._data):
            raise NotKafka("its answer is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def int8(self) -> int:
        return int(struct.unpack(">b", self.take(1))[0])

    def int16(self) -> int:
        return int(struct.unpack(">h", self.take(2))[0])

    def int32(self) -> int:
        return int(struct.unpack(">i", self.take(4))[0])

    def text(self) -> Optional[str]:
        length = self.int16()
        return None if length == -1 else self.take(length).decode("utf-8", "replace")

    def array(self, item: Callable[[], Item]) -> List[Item]:
        count = self.int32()
        # Every item has a byte at least, so a larger number is no number of items.
        if count > len(self._data) - self._at:
            raise NotKafka("its answer is cut off")
        return [item() for _number in range(max(0, count))]


def request(api: int, version: int, correlation: int, body: bytes = b"") -> bytes:
    header = struct.pack(">hhih", api, version, correlation, len(CLIENT)) + CLIENT
    return struct.pack(">i", len(header) + len(body)) + header + body


def api_versions(data: bytes) -> Dict[int, Tuple[int, int]]:
    """Kind of request -> the oldest and the newest version of it that the broker knows."""
    read = Reader(data)
    error = read.int16()
    if error:
        raise NotKafka("it answered the question for its versions with error %d" % error)
    return {api: (oldest, newest) for api, oldest, newest in read.array(lambda: (read.int16(), read.int16(), read.int16()))}


def metadata(data: bytes) -> Metadata:
    read = Reader(data)

    def broker() -> Tuple[str, int]:
        read.int32()
        host, port = read.text() or "", read.int32()
        read.text()
        return host, port

    def partition() -> None:
        read.take(2 + 4 + 4)
        read.array(read.int32)
        read.array(read.int32)

    def topic() -> str:
        read.int16()
        name = read.text() or ""
        read.int8()
        read.array(partition)
        return name

    brokers = read.array(broker)
    read.int32()
    return Metadata(tuple(brokers), tuple(read.array(topic)))


def asked(wire: socket.socket, timeout: float) -> Metadata:
    """All brokers and topics, by the broker at the other end of `wire`. Raises NotKafka, and OSError when it falls silent."""
    end = time.monotonic() + timeout
    known = api_versions(_answer(wire, API_VERSIONS, API_VERSIONS_VERSION, 1, b"", end))
    oldest, newest = known.get(METADATA, (0, -1))
    if not oldest <= METADATA_VERSION <= newest:
        raise NotKafka("it doesn't know version %d of the metadata request, which HoraeDB sends" % METADATA_VERSION)
    # An absent list of topics means all of them.
    return metadata(_answer(wire, METADATA, METADATA_VERSION, 2, struct.pack(">i", -1), end))


def _answer(wire: socket.socket, api: int, version: int, correlation: int, body: bytes, end: float) -> bytes:
    wire.settimeout(max(0.001, end - time.monotonic()))
    wire.sendall(request(api, version, correlation, body))
    (length,) = struct.unpack(">i", _exactly(wire, 4, end))
    if not 4 <= length <= LONGEST:
        raise NotKafka("it answered something that isn't Kafka's protocol")
    answer = _exactly(wire, length, end)
    if struct.unpack(">i", answer[:4])[0] != correlation:
        raise NotKafka("it answered another question than the one it was asked")
    return answer[4:]


def _exactly(wire: socket.socket, count: int, end: float) -> bytes:
    pieces: List[bytes] = []
    while count:
        wire.settimeout(max(0.001, end - time.monotonic()))
        piece = wire.recv(min(count, 1 << 20))
        if not piece:
            raise NotKafka("it hung up on a Kafka request")
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)

"""As much of protobuf as the daemons' values in etcd need: strings and unsigned numbers, by field number."""

from __future__ import annotations

from typing import Dict, Tuple, Union

Field = Union[int, str]
VARINT, BYTES = 0, 2


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> Tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return number, at
        shift += 7


def encode(fields: Dict[int, Field]) -> bytes:
    """Empty fields are left out, as proto3 does."""
    out = bytearray()
    for number, value in sorted(fields.items()):
        if not value:
            continue
        if isinstance(value, int):
            out += _varint(number << 3 | VARINT) + _varint(value)
        else:
            text = value.encode()
            out += _varint(number << 3 | BYTES) + _varint(len(text)) + text
    return bytes(out)


def decode(data: bytes) -> Dict[int, Field]:
    """Raises ValueError."""
    found: Dict[int, Field] = {}
    at = 0
    try:
        while at < len(data):
            tag, at = _read_varint(data, at)
            value, at = _read_varint(data, at)
            if tag & 7 == VARINT:
                found[tag >> 3] = value
            elif tag & 7 == BYTES:
                found[tag >> 3] = data[at : at + value].decode()
                at += value
            else:
                raise ValueError("field %d has wire type %d" % (tag >> 3, tag & 7))
    except IndexError:
        raise ValueError("the message ends too early") from None
    return found

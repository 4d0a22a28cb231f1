from __future__ import annotations

import base64

import pytest
from common import protobuf
from horaemeta.leadership import Leader

# The leader's key of a real member.
CAPTURED = base64.b64decode("CgJtMRDw17nfme+97rEBGhVodHRwOi8vMTAuNzcuMC4xOjIzNzk=")


def test_the_leader_in_the_key_is_written_as_the_real_one_writes_it() -> None:
    assert Leader(12816390741268786160, "m1", "http://10.77.0.1:2379", 2).encoded() == CAPTURED
    assert protobuf.decode(CAPTURED) == {1: "m1", 2: 12816390741268786160, 3: "http://10.77.0.1:2379"}


def test_empty_fields_are_left_out() -> None:
    assert protobuf.encode({1: "", 2: 0}) == b""


@pytest.mark.parametrize("data", [CAPTURED[:1], CAPTURED[:7], b"\x0d\x00"])
def test_what_is_cut_off_or_of_another_kind_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        protobuf.decode(data)

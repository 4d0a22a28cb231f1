"""The double's object store, against moto's S3 with checked signatures."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator

import pytest
from horaedb.store import BucketStore, StoreError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3]))

from tests.support.objects import EVERYTHING, Objects, objects  # noqa: E402


@pytest.fixture(scope="module")
def s3() -> Iterator[Objects]:
    with objects() as server:
        server.bucket("sim")
        yield server


def test_what_is_put_is_got_with_the_right_keys_only(s3: Objects) -> None:
    table = s3.table(s3.user("sim", *EVERYTHING), "sim")
    store = BucketStore(table, 5)
    store.put("2/4.json", b"rows")
    assert (store.get("2/4.json"), store.get("2/5.json")) == (b"rows", None)
    assert s3.names("sim") == ["production/2/4.json"]
    for wrong in ({"key_secret": "other"}, {"key_id": ""}, {"bucket": "nowhere"}):
        with pytest.raises(StoreError):
            BucketStore({**table, **wrong}, 5).put("2/4.json", b"rows")

"""Signatures, held against botocore's own signer the example of Amazon's documentation, and openssl."""

from __future__ import annotations

import datetime
from typing import Any

import botocore.auth
import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.storage import signing
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = st.text("abcXYZ019-_.~ +/=&%ä:", min_size=1, max_size=20)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "PUT", "DELETE"]),
    host=st.sampled_from(["s3.example.com", "192.0.2.7:9000", "[2001:db8::1]:9000"]),
    key=NAMES,
    query=st.lists(st.tuples(st.sampled_from(["list-type", "prefix", "max-keys"]), NAMES), max_size=3, unique_by=lambda pair: pair[0]),
    body=st.binary(max_size=40),
    secret=st.text("abc/+=ZX9", min_size=1, max_size=40),
    now=st.integers(0, 4000000000),
)
def test_a_signature_is_the_one_that_botocore_makes(
    monkeypatch: pytest.MonkeyPatch, method: str, host: str, key: str, query: Any, body: bytes, secret: str, now: int
) -> None:
    moment = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: moment)
    path = signing.path_of("bucket", key)
    ours = signing.sigv4(method, host, path, query, body, "eu-central-1", "KEYID", secret, now)
    encoded = signing.query_of(query)
    request = AWSRequest(method, "http://%s%s%s" % (host, path, "?" + encoded if encoded else ""), data=body, headers={"host": host})
    botocore.auth.S3SigV4Auth(Credentials("KEYID", secret), "s3", "eu-central-1").add_auth(request)
    assert ours["authorization"] == request.headers["Authorization"]
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]


def test_the_example_of_amazons_documentation() -> None:
    """GET Object's neighbour, GET Bucket (List Objects), of `Signature Calculations for the Authorization Header`."""
    now = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc).timestamp()
    query = [("max-keys", "2"), ("prefix", "J")]
    host = "examplebucket.s3.amazonaws.com"
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    made = signing.sigv4("GET", host, "/", query, b"", "us-east-1", "AKIAIOSFODNN7EXAMPLE", secret, now)
    assert made["authorization"].endswith("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")


def test_oss_signs_the_date_and_the_resource() -> None:
    made = signing.oss("GET", "oss-example", "nelson", "44CF9590006BF252F707", "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV", 1132272399)
    assert made["date"] == "Fri, 18 Nov 2005 00:06:39 GMT"
    # openssl dgst -sha1 -hmac over "GET\n\n\nFri, 18 Nov 2005 00:06:39 GMT\n/oss-example/nelson", in base64.
    assert made["authorization"] == "OSS 44CF9590006BF252F707:khgcnmMGQiIciowxXzqA9hmjoF8="

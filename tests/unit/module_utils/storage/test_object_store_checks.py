"""An object store as a data node finds it: moto's S3 with checked signatures and policies, and servers that are wrong in one way each."""

from __future__ import annotations

import json
import pathlib
import ssl
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.storage import connection, object_store_checks
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.object_store import BadEndpoint, endpoint_of
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.object_store_checks import TriedStore, attempt

from tests.support.objects import EVERYTHING, Keys, Objects
from tests.unit.helpers.storage_servers import LISTING, Oss, Web, black_hole, certificate, drip, error, refused, secure

TIMEOUT = 10.0
# What no operator may see.
SECRET = "canary-of-the-object-store"
TABLE = {"type": "S3", "region": "r", "bucket": "horaedb", "prefix": "production", "key_id": "id", "key_secret": SECRET}


def found(tried: TriedStore) -> list[str]:
    return [finding.rule for finding in tried.findings]


def judged(tried: TriedStore, rule: str, *words: str) -> None:
    """This rule alone, in one sentence with all the words, which names the variable and no secret."""
    assert found(tried) == [rule], tried.findings
    sentence = tried.findings[0].sentence()
    assert not [word for word in words if word not in sentence], sentence
    assert SECRET not in sentence
    assert "horaedb_object_store" in tried.findings[0].change or rule in ("store.bucket", "store.clock"), sentence


def of(web: Web, **over: Any) -> dict[str, Any]:
    return {**TABLE, "endpoint": "http://127.0.0.1:%d" % web.port, **over}


def test_everything_is_right_and_nothing_is_left_there(s3: Objects, keys: Keys) -> None:
    """Breaks when a step is wrong for a good store, or when what was written is not taken away again."""
    s3.bucket("clean")
    tried = attempt(s3.table(keys, "clean"), True, TIMEOUT)
    assert (found(tried), tried.holds, tried.owner) == ([], False, None)
    assert tried.place == "S3 %s clean/production" % s3.url
    assert s3.names("clean") == []


def test_in_check_mode_nothing_is_written(s3: Objects) -> None:
    """A reader's rights are enough for it, and are told as too few by a real run."""
    reader = s3.user("reader", "s3:ListBucket", "s3:GetObject")
    assert found(attempt(s3.table(reader, "horaedb"), False, TIMEOUT)) == []
    judged(attempt(s3.table(reader, "horaedb"), True, TIMEOUT), "store.denied", "may not write", "AccessDenied", "key_id")


@pytest.mark.parametrize(("missing", "words"), [("s3:ListBucket", "may not list"), ("s3:GetObject", "may not read"), ("s3:DeleteObject", "may not delete")])
def test_each_right_is_needed(s3: Objects, missing: str, words: str) -> None:
    user = s3.user(missing.split(":")[1], *[action for action in EVERYTHING if action != missing])
    judged(attempt(s3.table(user, "horaedb"), True, TIMEOUT), "store.denied", words, "horaedb/production", s3.url)


@pytest.mark.parametrize(
    ("over", "rule", "words"),
    [
        ({"key_secret": SECRET}, "store.secret", ["horaedb_object_store.key_secret"]),
        ({"key_id": "AKIANOBODY"}, "store.key", ["horaedb_object_store.key_id"]),
        ({"bucket": "nowhere"}, "store.bucket", ["no bucket nowhere", "s3 mb s3://nowhere", "horaedb_object_store.bucket"]),
        ({"endpoint": ""}, "store.missing", ["horaedb_object_store.endpoint is empty"]),
        ({"bucket": None}, "store.missing", ["horaedb_object_store.bucket is empty"]),
    ],
)
def test_what_is_wrong_is_told_apart(s3: Objects, keys: Keys, over: dict[str, Any], rule: str, words: Sequence[str]) -> None:
    judged(attempt({**s3.table(keys, "horaedb"), **over}, True, TIMEOUT), rule, *words)


def test_objects_and_the_mark_are_seen_and_the_own_ones_do_not_count(s3: Objects, keys: Keys) -> None:
    s3.bucket("used")
    table = s3.table(keys, "used")
    mark = {"cluster": "defaultCluster", "members": {"http://192.0.2.11:2380": "m"}}
    assert object_store_checks.claim(table, mark, TIMEOUT) is None
    assert s3.names("used") == ["production/.horaedb-cluster-owner"]
    assert json.loads(s3.text("used", "production/.horaedb-cluster-owner")) == mark
    tried = attempt(table, True, TIMEOUT)
    assert (tried.owner, tried.holds) == (mark, False)
    s3.admin.put_object(Bucket="used", Key="production/2/4/7.sst", Body=b"rows")
    assert attempt(table, True, TIMEOUT).holds is True
    assert attempt(dict(table, prefix="other"), True, TIMEOUT).holds is False
    # A name that begins alike is another prefix.
    assert attempt(dict(table, prefix="prod"), True, TIMEOUT).holds is False


def test_a_mark_that_cannot_be_written_is_a_sentence(s3: Objects) -> None:
    reader = s3.user("reader2", "s3:ListBucket", "s3:GetObject")
    finding = object_store_checks.claim(s3.table(reader, "horaedb"), {}, TIMEOUT)
    assert finding is not None and finding.rule == "store.denied" and "may not write" in finding.what


@pytest.mark.parametrize("text", ["{", "[]", '{"members": 1}'])
def test_a_mark_that_nobody_can_read_is_a_mark(s3: Objects, keys: Keys, text: str) -> None:
    s3.admin.put_object(Bucket="horaedb", Key="odd/.horaedb-cluster-owner", Body=text.encode())
    assert attempt(s3.table(keys, "horaedb", prefix="odd"), True, TIMEOUT).owner == {"cluster": "?", "members": {}}


def test_a_store_that_is_down() -> None:
    with refused() as port:
        tried = attempt(dict(TABLE, endpoint="http://127.0.0.1:%d" % port), True, TIMEOUT)
    judged(tried, "store.connect", "http://127.0.0.1:%d" % port, "connection refused", "horaedb_object_store.endpoint")


@pytest.mark.parametrize("scheme", ["http://", "https://", ""])
def test_a_black_hole_takes_its_time_and_no_more(scheme: str) -> None:
    with black_hole() as port:
        began = time.monotonic()
        tried = attempt(dict(TABLE, endpoint="%s127.0.0.1:%d" % (scheme, port)), True, 0.5)
        assert time.monotonic() - began < 5
    judged(tried, "store.answer" if scheme == "http://" else "store.tls", "within 0.5 s")


def test_a_name_that_nobody_knows() -> None:
    tried = attempt(dict(TABLE, endpoint="http://no-such-name.invalid:9000"), True, TIMEOUT)
    judged(tried, "store.name", "no-such-name.invalid", "getent hosts no-such-name.invalid", "horaedb_object_store.endpoint")


def test_a_resolver_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.socket, "getaddrinfo", lambda *_args, **_more: time.sleep(30))
    began = time.monotonic()
    judged(attempt(dict(TABLE, endpoint="http://s3.example.com"), True, 0.3), "store.name", "no resolver answered within 0.3 s")
    assert time.monotonic() - began < 5


def test_an_answer_that_is_cut_off_is_none() -> None:
    with Web(lambda *_request: (200, LISTING, {"Content-Length": "1000"})) as web:
        judged(attempt(of(web), True, TIMEOUT), "store.answer", "cut off")


def test_an_answer_that_drips_is_bounded() -> None:
    """Each byte comes in time, and the last one never does."""
    with drip() as port:
        began = time.monotonic()
        judged(attempt(dict(TABLE, endpoint="http://127.0.0.1:%d" % port), True, 0.5), "store.answer", "within 0.5 s")
        assert time.monotonic() - began < 5


class TestTls:
    def test_a_certificate_that_nobody_vouches_for(self, tmp_path: pathlib.Path) -> None:
        with secure(certificate(tmp_path), error(404, "NoSuchBucket")) as web:
            tried = attempt(of(web, endpoint="https://127.0.0.1:%d" % web.port), True, TIMEOUT)
        judged(tried, "store.tls", "isn't trusted", "self", "update-ca-certificates", "horaedb_object_store.endpoint")

    def test_a_certificate_that_the_system_trusts(self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The control of the tests beside it; and no scheme means TLS."""
        pem = certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        with secure(pem, error(404, "NoSuchBucket")) as web:
            judged(attempt(of(web, endpoint="127.0.0.1:%d" % web.port), True, TIMEOUT), "store.bucket")

    def test_a_certificate_of_another_name(self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pem = certificate(tmp_path, "other.example.com")
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        with secure(pem, error(404, "NoSuchBucket")) as web:
            judged(attempt(of(web, endpoint="https://localhost:%d" % web.port), True, TIMEOUT), "store.tls", "localhost")

    def test_https_where_there_is_none(self) -> None:
        with Web(error(404, "NoSuchBucket")) as web:
            judged(attempt(of(web, endpoint="127.0.0.1:%d" % web.port), True, TIMEOUT), "store.tls", "doesn't speak TLS", "Write http:// in horaedb_object_store.endpoint if it has no TLS")

    def test_http_where_tls_is_wanted(self, tmp_path: pathlib.Path) -> None:
        with secure(certificate(tmp_path), error(404, "NoSuchBucket")) as web:
            tried = attempt(of(web), True, TIMEOUT)
        judged(tried, "store.answer", "Write https://")

    def test_the_check_trusts_what_the_system_trusts(self) -> None:
        assert ssl.create_default_context().verify_mode == ssl.CERT_REQUIRED


REFUSALS = [
    (error(403, "RequestTimeTooSkewed"), "store.clock", ["time service"]),
    (error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"), "store.region", ["'r'", "eu-west-1", "horaedb_object_store.region"]),
    (error(301, "PermanentRedirect", "<Endpoint>horaedb.s3.eu-west-3.example.com</Endpoint>"), "store.region", ["eu-west-3"]),
    (error(301, "", **{"x-amz-bucket-region": "eu-north-1"}), "store.region", ["eu-north-1"]),
    (error(503, "SlowDown"), "store.answer", ["HTTP 503", "SlowDown", "said so", "list"]),
    (error(403, ""), "store.denied", ["HTTP 403"]),
    (error(401, "Unauthorized"), "store.denied", ["Unauthorized"]),
    (lambda *_request: (200, b"<html>please log in</html>", {}), "store.answer", ["isn't an object store"]),
    (lambda *_request: (404, b"<html>no page</html>", {}), "store.answer", ["HTTP 404"]),
]


@pytest.mark.parametrize(("reply", "rule", "words"), REFUSALS, ids=[str(number) for number in range(len(REFUSALS))])
def test_other_refusals(reply: Callable[..., Any], rule: str, words: Sequence[str]) -> None:
    with Web(reply) as web:
        judged(attempt(of(web), True, TIMEOUT), rule, *words)


def test_something_that_is_not_http() -> None:
    with Web(lambda *_request: (200, b"", {"Transfer-Encoding": "chunked"})) as web:
        tried = attempt(of(web), True, 0.5)
    assert found(tried) == ["store.answer"], tried.findings


def test_what_comes_back_is_compared() -> None:
    """Breaks when a store is believed that answers 200 to everything."""

    def cache(_method: str, path: str, _headers: Any, _body: bytes) -> Any:
        if "owner" in path:
            return error(404, "NoSuchKey")()
        return 200, LISTING if "prefix=" in path else b"of yesterday", {}

    with Web(cache) as web:
        judged(attempt(of(web), True, TIMEOUT), "store.changed", "production/.horaedb-cluster-check-", "cache")
        assert [line.split(" ")[0] for line in web.asked] == ["GET", "GET", "PUT", "GET", "DELETE"]


@pytest.mark.parametrize(
    ("minutes", "severity", "words"),
    [(0.5, None, []), (2, "warning", ["2 min behind"]), (-3, "warning", ["3 min ahead of"]), (16, "error", ["16 min behind"]), (-20, "error", ["20 min ahead of"])],
)
def test_the_clocks_are_compared(minutes: float, severity: str | None, words: Sequence[str]) -> None:
    """Breaks when the difference isn't told before the store refuses, or is told the wrong way round."""
    with Web(lambda *_request: (200, LISTING, {"Date": formatdate(time.time() + 60 * minutes, usegmt=True)})) as web:
        tried = attempt(of(web), False, TIMEOUT)
    told = [finding for finding in tried.findings if finding.rule == "store.clock"]
    assert [finding.severity for finding in told] == ([severity] if severity else []), tried.findings
    assert all(word in told[0].what for word in words)


def test_a_date_that_is_none_is_left_alone() -> None:
    with Web(lambda *_request: (200, LISTING, {"Date": "yesterday"})) as web:
        assert "store.clock" not in found(attempt(of(web), False, TIMEOUT))


def test_credentials_of_the_environment_cannot_be_tried() -> None:
    with Web(error(403, "AccessDenied")) as web:
        tried = attempt(of(web, key_id="", key_secret=""), True, TIMEOUT)
        judged(tried, "store.unsigned", "environment")
        assert tried.findings[0].severity == "warning"
    with refused() as port:
        assert found(attempt(dict(TABLE, key_id=None, endpoint="http://127.0.0.1:%d" % port), True, TIMEOUT)) == ["store.connect"]


class TestEndpoint:
    @pytest.mark.parametrize(
        ("text", "url"),
        [
            ("http://192.0.2.7:9000", "http://192.0.2.7:9000"),
            ("s3.example.com", "https://s3.example.com"),
            ("s3.example.com:443", "https://s3.example.com"),
            ("192.0.2.7:9000", "https://192.0.2.7:9000"),
            ("http://s3.example.com/", "http://s3.example.com"),
            ("https://horaedb.s3.example.com", "https://s3.example.com"),
            ("http://horaedb2.example.com:80", "http://horaedb2.example.com"),
            ("http://[2001:db8::1]:9000", "http://[2001:db8::1]:9000"),
        ],
    )
    def test_as_horaedb_reads_it(self, text: str, url: str) -> None:
        assert endpoint_of(text, "horaedb").url == url

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("https://s3.example.com/horaedb", "has a path"),
            ("s3.example.com/?x", "has a path"),
            ("ftp://s3.example.com", "begins with ftp://"),
            ("https://", "names no host"),
            ("http://user@s3.example.com", "names no host"),
            ("s3 example.com", "names no host"),
            ("http://s3.example.com:port", "no valid port"),
            ("http://s3.example.com:70000", "no valid port"),
        ],
    )
    def test_what_it_would_misread(self, text: str, words: str) -> None:
        with pytest.raises(BadEndpoint) as bad:
            endpoint_of(text, "horaedb")
        assert words in str(bad.value)
        judged(attempt(dict(TABLE, endpoint=text), True, TIMEOUT), "store.url", words, "horaedb_object_store.endpoint", "http://host:port")


class TestOss:
    """Against a double that makes the signature by itself."""

    @pytest.fixture
    def oss(self) -> Oss:
        return Oss("horaedb", "oss-id", SECRET)

    def table(self, web: Web, **over: Any) -> dict[str, Any]:
        return of(web, type="Aliyun", key_id="oss-id", **over)

    def test_everything_is_right(self, oss: Oss) -> None:
        with Web(oss) as web:
            tried = attempt(self.table(web), True, TIMEOUT)
        # It is said of every OSS, and lets the run go on.
        assert [(finding.rule, finding.severity) for finding in tried.findings] == [("store.aliyun", "warning")]
        assert (oss.objects, tried.holds) == ({}, False)

    @pytest.mark.parametrize(("over", "rule"), [({"key_secret": "other"}, "store.secret"), ({"key_id": "other"}, "store.key")])
    def test_wrong_credentials(self, oss: Oss, over: dict[str, str], rule: str) -> None:
        with Web(oss) as web:
            tried = attempt(self.table(web) | over, True, TIMEOUT)
        assert found(tried) == ["store.aliyun", rule]

    def test_the_bucket_is_a_part_of_the_host_where_the_host_is_a_name(self, oss: Oss, monkeypatch: pytest.MonkeyPatch) -> None:
        """OSS takes no bucket in the path of its own names."""

        def there(method: str, path: str, headers: Any, body: bytes) -> Any:
            return oss(method, "/horaedb" + path, headers, body)

        with Web(there) as web:
            real = connection.socket.getaddrinfo
            monkeypatch.setattr(connection.socket, "getaddrinfo", lambda _host, port, **more: real("127.0.0.1", port, **more))
            tried = attempt(self.table(web, endpoint="http://oss.example.com:%d" % web.port), True, TIMEOUT)
            assert oss.hosts == {"horaedb.oss.example.com:%d" % web.port}
        assert found(tried) == ["store.aliyun"]

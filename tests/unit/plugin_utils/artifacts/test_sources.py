"""From a reference to a file on the controller."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import pathlib
import threading
from typing import Any, Iterator, List

import pytest
from ansible.module_utils.urls import open_url
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts import sources
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.sources import (
    Download,
    LocalFile,
    Mirrors,
    Unchecked,
    cache_dir,
    digest_of,
    once_in_a_run,
    shown,
)

CONTENT = b"a program" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.SimpleHTTPRequestHandler):
    asked: List[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "9000")
            self.end_headers()
            self.wfile.write(CONTENT[:100])
        else:
            super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[str]:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "program").write_bytes(CONTENT)
    Handler.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path / "www"))) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield "http://127.0.0.1:%d" % httpd.server_address[1]
        httpd.shutdown()


def reference(cache: pathlib.Path, src: str = "", url: str = "", sha256: str = "") -> sources.Artifact:
    return Download(url, sha256, cache, open_url) if url else LocalFile(pathlib.Path(src), sha256 or None, cache)


def test_a_file_is_hashed_once_and_again_when_it_changes(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(CONTENT)
    assert reference(src=str(path), cache=tmp_path / "c").sha256() == SHA256
    # A wrong note shows that the second answer comes from it.
    note = next(p for p in (tmp_path / "c" / "digests").iterdir() if not p.name.endswith(".lock"))
    note.write_text("remembered")
    assert digest_of(path, tmp_path / "c") == "remembered"
    os.utime(path, ns=(1, 1))
    assert digest_of(path, tmp_path / "c") == SHA256


def test_a_url_is_fetched_once_and_only_when_it_is_needed(tmp_path: pathlib.Path, server: str) -> None:
    wanted = {"url": server + "/program", "sha256": SHA256, "cache": tmp_path / "c"}
    assert reference(**wanted).sha256() == SHA256 and Handler.asked == []
    assert reference(**wanted).local().read_bytes() == CONTENT
    reference(**wanted).local().write_bytes(b"spoilt")
    assert reference(**wanted).local().read_bytes() == CONTENT, "a spoilt copy is fetched again"
    threads = [threading.Thread(target=reference(**wanted).local) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert Handler.asked == ["/program"] * 2


def test_a_file_url_works(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(CONTENT)
    assert reference(url=path.as_uri(), sha256=SHA256, cache=tmp_path / "c").local().read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/missing", "/missing answers 404"),
        ("/cut", "broke off after 100 of 9000 bytes"),
        ("/program", "answered a file with sha256:%s, but binary.checksum says sha256:%s" % (SHA256, "0" * 64)),
    ],
)
def test_a_bad_download_is_told_and_leaves_nothing(tmp_path: pathlib.Path, server: str, path: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        reference(url=server + path, sha256="0" * 64, cache=tmp_path / "c").local()
    assert [p.name for p in (tmp_path / "c" / "artifacts").iterdir()] == ["0" * 64 + ".lock"]


def mirrors(tmp_path: pathlib.Path, *urls: str) -> Mirrors:
    return Mirrors([Download(url, SHA256, tmp_path / "c", open_url) for url in urls])


def test_mirrors_are_tried_in_their_order_and_what_failed_is_told(tmp_path: pathlib.Path, server: str) -> None:
    """Breaks when a mirror with another file stops the search, or is passed over in silence."""
    (tmp_path / "www" / "other").write_bytes(b"another program")
    tried = mirrors(
        tmp_path, server + "/missing", server + "/cut", server + "/other", "http://127.0.0.1:1/x", server + "/program", server + "/never"
    )
    assert tried.sha256() == SHA256 and Handler.asked == []
    assert tried.local().read_bytes() == CONTENT
    assert Handler.asked == ["/missing", "/cut", "/other", "/program"]
    words = (
        "/missing answers 404",
        "/cut broke off after 100 of 9000",
        "/other answered a file with sha256:",
        "127.0.0.1:1/x: Connection refused",
    )
    assert [word in remark for word, remark in zip(words, tried.remarks())] == [True] * 4, tried.remarks()
    assert len(tried.remarks()) == 4 and "the next one was asked" in tried.remarks()[0]


def test_when_no_mirror_has_it_each_failure_is_told(tmp_path: pathlib.Path, server: str) -> None:
    with pytest.raises(Refused, match="none of 2 mirrors has it: .*/missing answers 404.*127.0.0.1:1/x: Connection refused"):
        mirrors(tmp_path, server + "/missing", "http://127.0.0.1:1/x").local()


def test_mirrors_without_a_checksum_have_to_agree(tmp_path: pathlib.Path) -> None:
    """Breaks when one host gets the program of one mirror, and another host that of another."""
    for name, content in (("a", CONTENT), ("b", b"another")):
        (tmp_path / name).write_bytes(content)
    first, second = (LocalFile(tmp_path / name, None, tmp_path / "c") for name in "ab")
    both = Mirrors([first, second])
    assert both.local() == tmp_path / "a"
    assert Mirrors([LocalFile(tmp_path / "gone", None, tmp_path / "c"), second]).local() == tmp_path / "b"

    class Lost(LocalFile):
        def local(self) -> pathlib.Path:
            raise Refused("lost.")

    with pytest.raises(Refused, match="another program, with sha256:"):
        Mirrors([Lost(tmp_path / "a", None, tmp_path / "c"), second]).local()


def test_a_file_that_nothing_vouches_for_is_fetched_once_in_a_run_and_told(tmp_path: pathlib.Path, server: str) -> None:
    """Breaks when the hosts of one run get different files, or a later run an old one."""

    def unchecked(run: str) -> Unchecked:
        return Unchecked(server + "/program?token=canary", run, tmp_path / "c", open_url)

    assert unchecked("one").sha256() == SHA256
    assert unchecked("one").local().read_bytes() == CONTENT
    assert unchecked("one").remarks() == [
        server + "/program was taken unchecked. What it answered has the checksum sha256:%s; write that down." % SHA256
    ]
    assert len(Handler.asked) == 1
    (tmp_path / "www" / "program").write_bytes(b"changed")
    assert unchecked("two").local().read_bytes() == b"changed" and len(Handler.asked) == 2
    unchecked("two").local().unlink()
    (tmp_path / "www" / "program").write_bytes(b"again")
    with pytest.raises(Refused, match="answered another file than before in the same run"):
        unchecked("two").local()


def test_what_may_change_is_asked_once_in_a_run(tmp_path: pathlib.Path) -> None:
    answers = iter("abcd")
    assert [once_in_a_run(tmp_path, run, "tag", lambda: next(answers)) for run in ("1", "1", "2", "2", "", "")] == [
        "a",
        "a",
        "b",
        "b",
        "c",
        "d",
    ]


def test_a_refused_connection_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Refused, match="can't fetch http://127.0.0.1:1/x: Connection refused"):
        reference(url="http://127.0.0.1:1/x", sha256=SHA256, cache=tmp_path).local()


def test_local_files_that_are_none(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        reference(src=str(tmp_path / "missing"), cache=tmp_path / "c").sha256()
    with pytest.raises(Refused, match="not a regular file"):
        reference(src=str(tmp_path), cache=tmp_path / "c").sha256()


def test_a_wrong_checksum_of_a_local_file_names_both(tmp_path: pathlib.Path) -> None:
    (tmp_path / "program").write_bytes(CONTENT)
    with pytest.raises(Refused, match="sha256:%s, but .*/program on the controller has sha256:%s" % ("0" * 64, SHA256)):
        reference(src=str(tmp_path / "program"), sha256="0" * 64, cache=tmp_path / "c").sha256()


def test_credentials_in_an_address_are_not_shown() -> None:
    assert shown("https://me:canary@example.com:8443/a?token=canary") == "https://example.com:8443/a"


def test_the_cache_is_where_the_user_wants_it() -> None:
    assert cache_dir({"XDG_CACHE_HOME": "/x"}) == pathlib.Path("/x/horaedb.cluster")

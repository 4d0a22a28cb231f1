"""Images as sources: pulled once, kept by their digest, and nothing kept of what was not whole."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts import skopeo
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.binaries import FETCHING, Fetching, source_of
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_program import ImageProgram
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_reference import image_reference
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.skopeo import Registry, Skopeo, host_of, meaning

from tests.support.oci import Layout, layer, member

PATH = "/usr/bin/horaedb-server"
CONTENT = b"a program"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TAG = "docker://registry.example.com:5000/db:v1"


class Client:
    """Stands for skopeo. `layout` is what the registry has; `said` fails instead."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.said = ""
        self.calls: list[list[str]] = []
        self.authfiles: list[tuple[int, Any]] = []

    def __call__(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        assert options["timeout"] and options["stdin"] == subprocess.DEVNULL
        self.calls.append(list(command[1:]))
        self._login(command)
        if self.said:
            return subprocess.CompletedProcess(command, 1, b"", self.said.encode())
        if "inspect" in command:
            return subprocess.CompletedProcess(command, 0, self.layout.blob(self.layout.top[0]["digest"]).read_bytes(), b"")
        time.sleep(0.02)
        shutil.copytree(self.layout.path, command[-1].removeprefix("oci:"))
        return subprocess.CompletedProcess(command, 0, b"", b"")

    def _login(self, command: Sequence[str]) -> None:
        for option, value in zip(command, command[1:], strict=False):
            if option in ("--authfile", "--src-authfile"):
                mode = stat.S_IMODE(os.stat(value).st_mode)
                self.authfiles.append((mode, json.loads(pathlib.Path(value).read_text())))

    def verbs(self) -> list[str]:
        return [call[2] for call in self.calls]


@pytest.fixture(autouse=True)
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skopeo.shutil, "which", lambda name: "/usr/bin/" + name)


@pytest.fixture
def layout(tmp_path: pathlib.Path) -> Layout:
    made = Layout(tmp_path / "layout")
    made.image([layer(member(PATH, CONTENT))])
    return made


@pytest.fixture
def client(layout: Layout) -> Client:
    return Client(layout)


@pytest.fixture
def cache(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "cache"


def image(
    client: Any, cache: pathlib.Path, text: str = TAG, expected: str | None = None, run: str = "one", registry: Registry | None = None
) -> ImageProgram:
    reference = image_reference(text)
    assert reference
    return ImageProgram(reference, PATH, expected, cache, Skopeo(registry or Registry(), "amd64", client), run)


def test_a_tag_is_asked_for_and_pulled_once_in_a_run(client: Client, cache: pathlib.Path) -> None:
    """Breaks when each host pulls for itself, or two hosts of a run get what a tag means at two times."""
    digest = client.layout.top[0]["digest"]
    for _host in range(3):
        source = image(client, cache)
        assert source.sha256() == SHA256
        assert source.local().read_bytes() == CONTENT
    assert client.verbs() == ["inspect", "copy"]
    assert client.calls[1][-2] == "docker://registry.example.com:5000/db@" + digest, "what is pulled is what was asked for"
    [remark] = source.remarks()
    assert "is a tag" in remark and "write %s@%s." % (TAG, digest) in remark
    assert image(client, cache, run="two").sha256() == SHA256
    assert client.verbs() == ["inspect", "copy", "inspect"], "the same image isn't pulled again"


def test_with_a_digest_a_second_run_asks_nobody(client: Client, cache: pathlib.Path) -> None:
    text = TAG + "@" + client.layout.top[0]["digest"]
    assert image(client, cache, text).local().read_bytes() == CONTENT
    client.said = "down"
    assert image(client, cache, text, run="two").sha256() == SHA256
    assert image(client, cache, text, run="two").local().read_bytes() == CONTENT
    assert image(client, cache, text).remarks() == [] and client.verbs() == ["copy"]


def test_hosts_at_once_pull_once(client: Client, cache: pathlib.Path) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(image(client, cache).local().read_bytes())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [CONTENT] * 5 and client.verbs() == ["inspect", "copy"]


def test_with_a_checksum_nothing_is_pulled_to_know_it(client: Client, cache: pathlib.Path) -> None:
    assert image(client, cache, expected=SHA256).sha256() == SHA256 and client.calls == []
    with pytest.raises(Refused, match="checksum says sha256:%s, but %s in %s has sha256:%s" % ("0" * 64, PATH, TAG, SHA256)):
        image(client, cache, expected="0" * 64).local()
    with pytest.raises(Refused, match="another file than was meant"):
        image(client, cache, expected="0" * 64).local()


def test_what_is_spoilt_or_lost_is_pulled_again(client: Client, cache: pathlib.Path) -> None:
    image(client, cache).local().write_bytes(b"spoilt")
    assert image(client, cache).local().read_bytes() == CONTENT
    image(client, cache).local().unlink()
    assert image(client, cache).local().read_bytes() == CONTENT


def test_what_a_killed_run_has_left_is_in_nobodys_way(client: Client, cache: pathlib.Path) -> None:
    note = image(client, cache)._note()
    (note.with_suffix(".part") / "blobs").mkdir(parents=True)
    assert image(client, cache).local().read_bytes() == CONTENT
    assert not list(cache.rglob("*.part*"))


@pytest.mark.parametrize("damage", [lambda blob: blob.write_bytes(blob.read_bytes()[:-5]), lambda blob: blob.unlink()])
def test_a_damaged_image_leaves_nothing(client: Client, cache: pathlib.Path, damage: Any) -> None:
    """Breaks when a part of a program is kept, and found by the next run."""
    manifest = json.loads(client.layout.blob(client.layout.top[0]["digest"]).read_text())
    damage(client.layout.blob(manifest["layers"][0]["digest"]))
    with pytest.raises(Refused, match=r"^%s: (layer )?sha256:\w+ is (damaged|missing)" % TAG):
        image(client, cache).local()
    assert [path.name for path in (cache / "artifacts").iterdir()] == []
    assert not [path for path in (cache / "images").iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize("pinned", [False, True])
def test_a_registry_that_is_down_leaves_nothing(client: Client, cache: pathlib.Path, pinned: bool) -> None:
    client.said = (
        'time="x" level=fatal msg="Get \\"https://registry.example.com/v2/\\": dial tcp 192.0.2.1:443: connect: connection refused"'
    )
    with pytest.raises(Refused, match="^%s.*: nothing listens there .*connection refused" % TAG):
        image(client, cache, TAG + "@sha256:" + "1" * 64 if pinned else TAG).local()
    client.said = ""
    assert image(client, cache).local().read_bytes() == CONTENT


def test_a_login_is_seen_by_skopeo_alone(client: Client, cache: pathlib.Path) -> None:
    """Breaks when a password is on a command line, in a file that others can read, in one that stays, or in a repr."""
    source = image(client, cache, registry=Registry("me", "canary"))
    source.local()
    auth = base64.b64encode(b"me:canary").decode()
    assert client.authfiles == [(0o600, {"auths": {"registry.example.com:5000": {"auth": auth}}})] * 2
    assert "canary" not in json.dumps(client.calls) + repr(source)
    for call in client.calls:
        assert not pathlib.Path(next(word for word in call if word.endswith("auth.json"))).exists()
    client.said = "unauthorized: authentication required"
    with pytest.raises(Refused, match="it wants a login: set horaedb_cluster_registry_username") as caught:
        image(client, cache, "docker://registry.example.com:5000/other:v1", registry=Registry("me", "canary")).local()
    assert "canary" not in str(caught.value)


def test_how_skopeo_is_called(client: Client, cache: pathlib.Path) -> None:
    image(client, cache, registry=Registry(tls_verify=False)).local()
    ask, pull = client.calls
    assert ask == ["--override-os=linux", "--override-arch=amd64", "inspect", "--raw", "--tls-verify=false", TAG]
    assert pull[:6] == [
        "--override-os=linux",
        "--override-arch=amd64",
        "copy",
        "--quiet",
        "--dest-oci-accept-uncompressed-layers",
        "--src-tls-verify=false",
    ]
    client.calls.clear()
    image(client, cache, TAG + "2").local()
    assert "--tls-verify=true" in client.calls[0] and client.authfiles == []


def test_without_skopeo_it_is_said_what_to_install(client: Client, cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skopeo.shutil, "which", lambda _name: None)
    with pytest.raises(Refused, match="apt-get install skopeo.*oci-archive:/path"):
        image(client, cache).local()


def test_a_registry_that_hangs(cache: pathlib.Path) -> None:
    def hang(command: Sequence[str], timeout: float, **_more: Any) -> Any:
        raise subprocess.TimeoutExpired(command, timeout)

    with pytest.raises(Refused, match="didn't answer within 60 s"):
        image(hang, cache).local()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('level=fatal msg="reading manifest v9 in r/db: manifest unknown: manifest unknown"', "it has no such tag or digest ("),
        ('level=fatal msg="a: name unknown: repository name not known to registry"', "it has no such image ("),
        ('level=fatal msg="pinging: http: server gave HTTP response to HTTPS client"', "horaedb_cluster_registry_tls_verify=false ("),
        ('level=fatal msg="happened during read: Digest did not match, expected sha256:1, got sha256:2"', "not what the digest says ("),
        ('level=warning msg="x"\nlevel=fatal msg="reading blob: unexpected EOF"', "broke off in the middle: try again ("),
        ("a bare word.", "a bare word"),
        ("", "skopeo said nothing"),
    ],
)
def test_what_skopeo_says_is_explained(said: str, words: str) -> None:
    assert words in meaning(said)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("docker://apache/horaedb-server:v2", "docker.io"),
        ("docker://localhost/a:v", "localhost"),
        ("docker://registry:5000/a:v", "registry:5000"),
        ("docker://db:v", "docker.io"),
    ],
)
def test_logins_are_filed_by_registry(text: str, host: str) -> None:
    reference = image_reference(text)
    assert reference and host_of(reference) == host


def named(src: Any, **more: Any) -> Any:
    binary = {"name": "horaedb-server", "src": src, **more}
    return source_of(binary, lambda _folder, name: name, Fetching.of(FETCHING))


def test_an_archive_needs_neither_a_network_nor_skopeo(layout: Layout, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(skopeo.shutil, "which", lambda _name: None)
    monkeypatch.chdir(tmp_path)
    layout.archive(tmp_path / "db.tar")
    digest = layout.top[0]["digest"]
    for src in ("oci-archive:db.tar", "oci-archive:%s/db.tar@%s" % (tmp_path, digest)):
        source = named(src)
        assert source.local().read_bytes() == CONTENT and source.sha256() == SHA256 and source.remarks() == []
    with pytest.raises(Refused, match="another image than was meant"):
        named("oci-archive:db.tar@sha256:" + "0" * 64).sha256()
    with pytest.raises(Refused, match="there is no /opt/db in it; there is"[:24]):
        named("oci-archive:db.tar", image_path="/opt/db").sha256()
    assert named("oci-archive:db.tar", checksum="sha256:" + SHA256).local().read_bytes() == CONTENT


def test_a_changed_archive_is_read_again(layout: Layout, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    path = layout.archive(tmp_path / "db.tar")
    assert named("oci-archive:%s" % path).local().read_bytes() == CONTENT
    other = Layout(tmp_path / "other")
    other.image([layer(member(PATH, b"another"))])
    other.archive(path)
    assert named("oci-archive:%s" % path).local().read_bytes() == b"another"


def test_switches_that_are_none() -> None:
    with pytest.raises(Refused, match="horaedb_cluster_registry_tls_verify is neither true nor false"):
        Fetching.of({**FETCHING, "horaedb_cluster_registry_tls_verify": "perhaps"})
    assert Fetching.of({**FETCHING, "horaedb_cluster_registry_tls_verify": "no", "horaedb_cluster_unchecked_downloads": "true"}) == Fetching(
        Registry(tls_verify=False), unchecked=True
    )

"""From an image's name, or an archive, to what an engine is told to run: always by a digest."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.container_image import HostImage, host_image, packages_of, qualified

from tests.support.oci import Layout, docker_archive, layer, member

DIGEST = "sha256:" + "a" * 64


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def of(src: object, checksum: str | None = None) -> HostImage:
    return host_image({"engine": "podman", "src": src, "checksum": checksum}, lambda path: path)


def oci(path: Path, *tags: str) -> tuple[Path, list[str]]:
    """An archive, and the ids of its images."""
    layout = Layout(path / "layout")
    manifests = [layout.image([layer(member("usr/bin/horaedb-server", tag.encode()))], tag) for tag in tags]
    ids = [str(json.loads(layout.blob(manifest).read_text())["config"]["digest"]) for manifest in manifests]
    return layout.archive(path / "oci.tar"), ids


def test_an_image_in_a_registry_is_run_by_its_digest() -> None:
    assert of("docker://registry.example.com:5000/h/horaedb-server:v2.1.0@" + DIGEST) == HostImage("registry.example.com:5000/h/horaedb-server@" + DIGEST)


def test_a_tag_alone_is_refused_with_the_command_that_tells_the_digest() -> None:
    with pytest.raises(Refused, match="has no digest.*skopeo inspect --format '{{.Digest}}' docker://apache/horaedb-server:v2.1.0"):
        of("docker://apache/horaedb-server:v2.1.0")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("apache/horaedb-server", "docker.io/apache/horaedb-server"),
        ("tiny", "docker.io/library/tiny"),
        ("localhost/tiny", "localhost/tiny"),
        ("registry:5000/tiny", "registry:5000/tiny"),
    ],
)
def test_a_name_always_has_its_registry(name: str, full: str) -> None:
    """podman asks its configuration otherwise, which may differ from host to host."""
    assert qualified(name) == full


@pytest.mark.parametrize("src", ["build/horaedb-server", "https://example.com/horaedb-server", "", ["docker://a/b@" + DIGEST]])
def test_what_is_no_image_is_refused(src: object) -> None:
    with pytest.raises(Refused, match="podman runs images, and .* is none"):
        of(src)


def test_a_checksum_besides_a_digest_is_refused() -> None:
    with pytest.raises(Refused, match="by no checksum besides"):
        of("docker://apache/horaedb-server@" + DIGEST, DIGEST)


@pytest.mark.parametrize(("transport", "make"), [("oci-archive", oci), ("docker-archive", docker_archive)])
def test_an_image_out_of_an_archive_is_run_by_its_id(tmp_path: Path, transport: str, make: object) -> None:
    path, (first, second) = make(tmp_path, "v1", "v2")  # type: ignore[operator]
    assert of("%s:%s:v1" % (transport, path)) == HostImage(first, path)
    assert of("%s:%s:v2" % (transport, path)) == HostImage(second, path)
    for tag, count in ((":v3", 0), ("", 2)):
        with pytest.raises(Refused, match="it has %d images" % count):
            of("%s:%s%s" % (transport, path, tag))


def test_the_id_is_that_of_the_content_and_not_of_its_name(tmp_path: Path) -> None:
    path, (real,) = docker_archive(tmp_path, "v1", lie=True)
    assert of("docker-archive:%s" % path).reference == real


def test_a_compressed_archive_is_read(tmp_path: Path) -> None:
    path, (real,) = docker_archive(tmp_path, "v1")
    packed = tmp_path / "docker.tar.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert of("docker-archive:%s" % packed).reference == real


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"x" * 10000, mtime=0)[:50]], ids=["empty", "text", "cut off"])
def test_what_is_no_archive_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.tar"
    path.write_bytes(content)
    with pytest.raises(Refused, match="is not the archive of one image"):
        of("docker-archive:%s" % path)


def test_an_archive_of_the_other_kind_is_said(tmp_path: Path) -> None:
    path, _ids = docker_archive(tmp_path, "v1")
    with pytest.raises(Refused, match="it has no index.json"):
        of("oci-archive:%s" % path)


def test_an_archive_with_another_checksum_is_refused(tmp_path: Path) -> None:
    path, _ids = docker_archive(tmp_path, "v1")
    with pytest.raises(Refused, match="another file than was meant"):
        of("docker-archive:%s" % path, DIGEST)


def test_podman_comes_with_the_runtime_that_it_needs_here() -> None:
    assert [package["name"] for package in packages_of("podman")] == ["podman", "crun"]
    with pytest.raises(Refused, match="there are: docker, podman"):
        packages_of("rkt")

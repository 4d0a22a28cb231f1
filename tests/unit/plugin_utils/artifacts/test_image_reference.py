"""How images are written."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_reference import ImageReference, image_reference

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "parts", "exact"),
    [
        (
            "docker://apache/horaedb-server:v2.1.0",
            ("docker", "apache/horaedb-server", "v2.1.0", ""),
            "docker://apache/horaedb-server:v2.1.0",
        ),
        ("docker://localhost:5000/a/b@" + DIGEST, ("docker", "localhost:5000/a/b", "", DIGEST), "docker://localhost:5000/a/b@" + DIGEST),
        (
            "docker://r.example.com:5000/a:t@" + DIGEST,
            ("docker", "r.example.com:5000/a", "t", DIGEST),
            "docker://r.example.com:5000/a@" + DIGEST,
        ),
        ("docker://[2001:db8::1]:5000/a:t", ("docker", "[2001:db8::1]:5000/a", "t", ""), "docker://[2001:db8::1]:5000/a:t"),
        ("docker://registry:5000/a:t", ("docker", "registry:5000/a", "t", ""), "docker://registry:5000/a:t"),
        ("oci-archive:/x/db.tar", ("oci-archive", "/x/db.tar", "", ""), "oci-archive:/x/db.tar"),
        ("oci-archive:x/db.tar:v1@" + DIGEST, ("oci-archive", "x/db.tar", "v1", DIGEST), "oci-archive:x/db.tar@" + DIGEST),
        ("docker-archive:db.tar", ("docker-archive", "db.tar", "", ""), "docker-archive:db.tar"),
    ],
)
def test_references(text: str, parts: tuple[str, ...], exact: str) -> None:
    """Breaks when a registry's port is taken for a tag, or a client is handed both a tag and a digest."""
    reference = image_reference(text)
    assert reference == ImageReference(*parts)
    assert (str(reference), reference.exact(), reference.archive) == (text, exact, not text.startswith("docker://"))


@pytest.mark.parametrize("text", ["artifacts/horaedb-server", "/opt/x", "https://example.com/docker://x", "dockerfile", ""])
def test_other_things_are_no_images(text: str) -> None:
    assert image_reference(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("docker://apache/horaedb-server", "neither a tag nor a digest"),
        ("docker://Apache/horaedb:v1", "not the name of an image"),
        ("docker://:v1", "not the name of an image"),
        ("docker://a/b:" + "x" * 129, "is not a tag"),
        ("docker://a/b:", "is not a tag"),
        ("docker://a/b@sha256:12", "not sha256: and 64"),
        ("docker://a/b@", "not sha256: and 64"),
        ("oci-archive:", "names no file"),
        ("oci-archive:x/", "names no file"),
    ],
)
def test_wrong_references(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        image_reference(text)


def test_a_password_in_a_reference_is_not_repeated() -> None:
    with pytest.raises(Refused, match="horaedb_cluster_registry_password") as caught:
        image_reference("docker://me:canary@registry.example.com/a:v1")
    assert "canary" not in str(caught.value)

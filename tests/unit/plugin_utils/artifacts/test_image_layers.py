"""One program out of an image: what a container would see there, and nothing that isn't of its digest."""

from __future__ import annotations

import io
import json
import pathlib
import tarfile
from typing import Any

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import Refused
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_layers import Folder, archive_files, layers_of
from ansible_collections.horaedb.cluster.plugins.plugin_utils.artifacts.image_tree import extract

from tests.support import oci
from tests.support.oci import Layout, folder, hard_link, layer, member, symlink

PATH = "/usr/bin/horaedb-server"
OLD, NEW = member("usr/bin/horaedb-server", b"old"), member("usr/bin/horaedb-server", b"new")
GONE = member("usr/bin/.wh.horaedb-server")


@pytest.fixture
def layout(tmp_path: pathlib.Path) -> Layout:
    return Layout(tmp_path / "layout")


def program(layout: Layout, path: str = PATH, tag: str = "", digest: str = "", architecture: str = "amd64") -> bytes:
    out = io.BytesIO()
    extract(layers_of(Folder(layout.path), tag, digest, architecture), path, out.write)
    return out.getvalue()


@pytest.mark.parametrize(
    ("layers", "content"),
    [
        pytest.param([[folder("usr/"), folder("usr/bin/"), OLD]], b"old", id="one layer"),
        pytest.param([[member("./usr/bin/horaedb-server", b"dotted")]], b"dotted", id="names that start with a dot"),
        pytest.param([[member("/usr/bin/horaedb-server", b"absolute")]], b"absolute", id="absolute names"),
        pytest.param([[OLD], [NEW]], b"new", id="the upper layer wins"),
        pytest.param([[OLD], [GONE], [NEW]], b"new", id="gone and there again"),
        pytest.param([[OLD], [GONE, NEW]], b"new", id="a whiteout is about the layers below"),
        pytest.param([[OLD], [NEW, GONE]], b"new", id="wherever it stands"),
        pytest.param([[OLD], [NEW, member("usr/bin/.wh..wh..opq")]], b"new", id="an emptied folder"),
        pytest.param([[OLD, NEW]], b"new", id="twice in one layer"),
        pytest.param([[member("opt/db", b"real"), hard_link("usr/bin/horaedb-server", "opt/db")]], b"real", id="a hard link"),
        pytest.param(
            [[member("opt/db", b"real")], [hard_link("usr/bin/horaedb-server", "opt/db"), member("opt/.wh.db")]],
            b"real",
            id="its first name is gone",
        ),
        pytest.param([[member("opt/db", b"real"), symlink("usr/bin/horaedb-server", "../../opt/db")]], b"real", id="a relative link"),
        pytest.param([[member("opt/db", b"real"), symlink("usr/bin/horaedb-server", "/opt/db")]], b"real", id="an absolute link"),
        pytest.param([[member("bin/horaedb-server", b"real"), symlink("usr/bin", "/bin")]], b"real", id="a linked folder"),
        pytest.param([[symlink("usr/bin", "../bin")], [member("bin/horaedb-server", b"real")]], b"real", id="a link into an upper layer"),
    ],
)
def test_what_a_container_would_see(layout: Layout, layers: Any, content: bytes) -> None:
    """Breaks when whiteouts, links or the order of the layers are taken for something else than what they are."""
    layout.image([layer(*members, compress=number % 2 == 0) for number, members in enumerate(layers)])
    assert program(layout) == content


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        pytest.param([[]], "there is no /usr/bin/horaedb-server in it", id="empty"),
        pytest.param([[OLD], [GONE]], "there is no /usr/bin/horaedb-server in it", id="gone"),
        pytest.param([[folder("usr"), OLD], [member(".wh.usr")]], "there is no", id="its folder is gone"),
        pytest.param([[OLD], [member("usr/bin/.wh..wh..opq")]], "there is no", id="its folder is emptied"),
        pytest.param([[OLD], [member("usr", b"a file")]], "there is no", id="a file instead of its folder"),
        pytest.param([[member("opt/horaedb-server", b"x")]], "there is /opt/horaedb-server", id="elsewhere"),
        pytest.param([[folder("usr/bin/horaedb-server")]], "is not a file", id="a folder"),
        pytest.param([[symlink("usr/bin/horaedb-server", "horaedb-server")]], "leads in a circle", id="a circle"),
        pytest.param([[symlink("usr/bin/horaedb-server", "/nowhere")]], "there is no", id="a link to nothing"),
        pytest.param([[symlink("usr/bin/horaedb-server", "../../../../etc/passwd")]], "there is no", id="a link out of the image"),
        pytest.param([[member("usr/bin/horaedb-server", b"x", mode=0o644)]], r"can't be executed \(mode 0644\)", id="not executable"),
    ],
)
def test_no_such_program(layout: Layout, layers: Any, words: str) -> None:
    layout.image([layer(*members) for members in layers])
    with pytest.raises(Refused, match=words):
        program(layout)


def test_the_image_for_the_architecture(layout: Layout) -> None:
    """Breaks when a host gets the program of another processor."""
    digest = layout.index({"amd64": [layer(OLD)], "arm64": [layer(NEW)]})
    assert (program(layout), program(layout, architecture="arm64")) == (b"old", b"new")
    assert program(layout, digest=digest, architecture="arm64") == b"new"
    with pytest.raises(Refused, match="no image for linux/s390x in it, but for linux/amd64, linux/arm64"):
        program(layout, architecture="s390x")


def test_an_image_for_another_architecture(layout: Layout) -> None:
    layout.image([layer(OLD)], architecture="arm64")
    with pytest.raises(Refused, match="built for arm64, and amd64 is wanted"):
        program(layout)


def test_one_of_several_images(layout: Layout) -> None:
    first, second = layout.image([layer(OLD)], "v1"), layout.image([layer(NEW)], "example.com/db:v2")
    assert (program(layout, tag="v1"), program(layout, tag="v2")) == (b"old", b"new")
    assert (program(layout, digest=first), program(layout, digest=second)) == (b"old", b"new")
    for words, choice in (("more than one of its 2 images may be meant", {}), ("none of its 2 images is v3", {"tag": "v3"})):
        with pytest.raises(Refused, match=words):
            program(layout, **choice)
    with pytest.raises(Refused, match="another image than was meant"):
        program(layout, digest="sha256:" + "0" * 64)


def test_an_image_in_an_index_by_its_own_digest(layout: Layout) -> None:
    layout.index({"amd64": [layer(OLD)], "arm64": [layer(NEW)]})
    index = json.loads(layout.blob(layout.top[0]["digest"]).read_text())
    assert program(layout, digest=index["manifests"][0]["digest"]) == b"old"


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_a_damaged_blob(layout: Layout, damage: str, which: str) -> None:
    """Breaks when any part of an image is believed without its digest."""
    # A second layer, so that the damaged one isn't the one with the program.
    digest = layout.image([layer(member("etc/x", b"x" * 5000)), layer(OLD)])
    manifest = json.loads(layout.blob(digest).read_text())
    blob = layout.blob({"manifest": digest, "config": manifest["config"]["digest"], "layer": manifest["layers"][0]["digest"]}[which])
    content = blob.read_bytes()
    if damage == "missing":
        blob.unlink()
    else:
        blob.write_bytes(content[:-9] if damage == "truncated" else content[:-9] + b"x" * 9)
    words = {
        "truncated": r"is damaged: %d of %d bytes are there" % (len(content) - 9, len(content)),
        "changed": "its content has sha256",
        "missing": "is missing in it",
    }
    with pytest.raises(Refused, match=words[damage]):
        program(layout)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x28\xb5\x2f\xfd rest", "zstd, which this Python can't read"),
        (b"no tar" * 200, "can't be unpacked"),
        (layer(OLD)[: len(layer(OLD)) // 2], "can't be unpacked"),
    ],
)
def test_a_layer_that_is_what_it_was_made_as_but_no_archive(
    layout: Layout, content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oci.gzip, "decompress", lambda given: given)
    layout.image([content])
    with pytest.raises(Refused, match=words):
        program(layout)


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"manifests": [1]}', '{"manifests": [{"digest": "md5:1"}]}', "no json", '{"manifests": [{}]}']
)
def test_an_index_that_is_none(layout: Layout, text: str) -> None:
    (layout.path / "index.json").write_text(text)
    with pytest.raises(Refused, match="not JSON|isn't one|names a blob|none of its 0"):
        program(layout)


def test_an_archive(layout: Layout, tmp_path: pathlib.Path) -> None:
    layout.image([layer(OLD)])
    path, out = layout.archive(tmp_path / "image.tar"), io.BytesIO()
    with archive_files(path) as files:
        extract(layers_of(files, "", "", "amd64"), PATH, out.write)
    assert out.getvalue() == b"old"
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(Refused, match="no tar archive, or a part of one|missing|damaged"), archive_files(path) as files:
        extract(layers_of(files, "", "", "amd64"), PATH, out.write)


def saved(path: pathlib.Path, diff_id: str, architecture: str = "amd64") -> pathlib.Path:
    """As `docker save` of old writes it: the second layer is a link to the first."""
    config = {"architecture": architecture, "rootfs": {"diff_ids": [diff_id, diff_id]}}
    content = layer(OLD, compress=False)
    images = [{"Config": "c.json", "RepoTags": ["example.com/db:v1"], "Layers": ["a/layer.tar", "b/layer.tar"]}]
    texts = {"a/layer.tar": content, "c.json": json.dumps(config).encode(), "manifest.json": json.dumps(images).encode()}
    with tarfile.open(path, "w") as archive:
        for name, text in texts.items():
            info, _content = member(name, text)
            archive.addfile(info, io.BytesIO(text))
        archive.addfile(symlink("b/layer.tar", "../a/layer.tar")[0])
    return path


def test_what_docker_saves(tmp_path: pathlib.Path) -> None:
    right = oci.digest_of(layer(OLD, compress=False))
    for tag, digest, diff_id, architecture, words in (
        ("", "", right, "amd64", ""),
        ("v1", "", right, "amd64", ""),
        ("v2", "", right, "amd64", "0 of its 1 images are meant; there are: example.com/db:v1"),
        ("", right, right, "amd64", "no digest of its own"),
        ("", "", "sha256:" + "0" * 64, "amd64", "is damaged"),
        ("", "", right, "arm64", "built for arm64"),
    ):
        out = io.BytesIO()
        with archive_files(saved(tmp_path / "image.tar", diff_id, architecture)) as files:
            if words:
                with pytest.raises(Refused, match=words):
                    extract(layers_of(files, tag, digest, "amd64"), PATH, out.write)
            else:
                extract(layers_of(files, tag, digest, "amd64"), PATH, out.write)
                assert out.getvalue() == b"old"


def test_an_archive_of_something_else(tmp_path: pathlib.Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w"):
        pass
    with pytest.raises(Refused, match="it is no image"), archive_files(tmp_path / "x.tar") as files:
        layers_of(files, "", "", "amd64")

"""Makes OCI images out of nothing but this process: the tests need no builder, and may damage what they made."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
PROGRAM = 0o755


def member(
    name: str, content: bytes = b"", *, mode: int = PROGRAM, kind: bytes = tarfile.REGTYPE, target: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.linkname = len(content), mode, kind, target
    return info, content


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.DIRTYPE)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.SYMTYPE, target=target)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.LNKTYPE, target=target)


def layer(*members: tuple[tarfile.TarInfo, bytes], compress: bool = True) -> bytes:
    """The file of a layer."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    # Real programs are large, and nobody keeps these.
    return gzip.compress(stream.getvalue(), compresslevel=1, mtime=0) if compress else stream.getvalue()


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Layout:
    """An OCI layout in a folder, and the digests in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.top: list[dict[str, Any]] = []
        (path / "blobs" / "sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._write_index()

    def blob(self, digest: str) -> Path:
        return self.path / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def image(self, layers: Sequence[bytes], tag: str = "", architecture: str = "amd64") -> str:
        """The digest of its manifest."""
        return self._name(self._manifest(layers, architecture), tag)

    def index(self, images: Mapping[str, Sequence[bytes]], tag: str = "") -> str:
        """One image for each architecture, under one name."""
        entries = [
            dict(self._manifest(layers, architecture), platform={"os": "linux", "architecture": architecture})
            for architecture, layers in images.items()
        ]
        return self._name(self._store({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX), tag)

    def archive(self, path: Path) -> Path:
        with tarfile.open(path, "w") as archive:
            for child in sorted(self.path.iterdir()):
                archive.add(child, child.name)
        return path

    def _manifest(self, layers: Sequence[bytes], architecture: str) -> dict[str, Any]:
        plain = [gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content for content in layers]
        rootfs = {"type": "layers", "diff_ids": [digest_of(content) for content in plain]}
        config = self._store({"os": "linux", "architecture": architecture, "rootfs": rootfs, "config": {}}, CONFIG)
        entries = [self._put(content, LAYER + ("+gzip" if content[:2] == b"\x1f\x8b" else "")) for content in layers]
        return self._store({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": entries}, MANIFEST)

    def _name(self, entry: dict[str, Any], tag: str) -> str:
        self.top.append(dict(entry, annotations={"org.opencontainers.image.ref.name": tag}) if tag else entry)
        self._write_index()
        return str(entry["digest"])

    def _store(self, document: Mapping[str, Any], media_type: str) -> dict[str, Any]:
        return self._put(json.dumps(document).encode(), media_type)

    def _put(self, content: bytes, media_type: str) -> dict[str, Any]:
        digest = digest_of(content)
        self.blob(digest).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def _write_index(self) -> None:
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.top}))


def docker_archive(folder: Path, *tags: str, lie: bool = False) -> tuple[Path, list[str]]:
    """What `docker save` writes, without layers, and the ids of its images. With `lie`, a config's name is not its digest."""
    target, listed, ids = folder / "docker.tar", [], []
    with tarfile.open(target, "w") as archive:
        for tag in tags:
            content = json.dumps({"os": "linux", "tag": tag}).encode()
            ids.append(digest_of(content))
            name = ("0" * 64 if lie else ids[-1].removeprefix("sha256:")) + ".json"
            listed.append({"Config": name, "RepoTags": ["localhost/tiny:" + tag], "Layers": []})
            _add(archive, name, content)
        _add(archive, "manifest.json", json.dumps(listed).encode())
    return target, ids


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info, _content = member(name, content)
    archive.addfile(info, io.BytesIO(content))

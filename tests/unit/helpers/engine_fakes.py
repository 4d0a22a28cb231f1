"""A container engine in a folder: knows images, has a registry, and answers in the words of podman 4 and docker 20."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any, Dict, List, Sequence, Set

from ansible_collections.horaedb.cluster.plugins.module_utils.service.host import Ran

from tests.unit.helpers.daemon_fakes import FakeHost, options

UNIT = """[Service]
Environment=HORAE_GENERATION=@generation@
EnvironmentFile=@dir@/environment
ExecStart=%s run @image@ --config @dir@/tiny.toml
[Install]
WantedBy=multi-user.target
"""
ABSENT = {"podman": "Error: inspecting object: %s: image not known", "docker": "Error: No such image: %s"}


def pinned(number: int) -> str:
    return "registry.example.com/tiny@sha256:" + ("%x" % number) * 64


def archived(number: int) -> str:
    return "sha256:" + ("%x" % number) * 64


class EngineHost(FakeHost):
    def __init__(self, base: pathlib.Path, engine: str = "podman") -> None:
        super().__init__(base)
        self.engine = engine
        self.images: Set[str] = set()
        self.registry: Set[str] = set()
        self.in_use: Set[str] = set()
        self.login_wanted = ""
        self.logins: List[str] = []
        self.program = Ran(0, "tinyd 1.0\n", "")
        self.down = ""
        path = base / "usr" / "bin" / engine
        path.parent.mkdir(parents=True)
        path.touch()

    def run(self, argv: Sequence[str], limit: float = 0) -> Ran:
        words = list(argv)
        if os.path.basename(words[0]) != self.engine:
            return super().run(argv, limit)
        if self.down:
            return Ran(1, "", self.down)
        if words[1:3] != ["image", "inspect"]:
            self.point()
            self.commands.append(words)
        return self._answer(words)

    def _answer(self, words: List[str]) -> Ran:
        reference = words[-1]
        if words[1] == "run":
            return self.program
        if words[1] == "load":
            self.images.add((self.read(reference) or b"").decode())
        elif "pull" in words:
            return self._pull(words, reference)
        elif words[1:3] == ["image", "rm"]:
            if reference in self.in_use and "--force" not in words:
                return Ran(2, "", "Error: image is in use by a container")
            self.images.discard(reference)
        elif reference not in self.images:
            return Ran(125, "", ABSENT[self.engine] % reference)
        return Ran(0, "", "")

    def _pull(self, words: List[str], reference: str) -> Ran:
        files = [word.partition("=")[2] or words[place + 1] + "/config.json" for place, word in enumerate(words) if word.startswith(("--authfile", "--config"))]
        for path in files:
            stat = self.stat(path)
            assert stat and stat.mode == 0o600, "a login that others can read"
            self.logins.append((self.read(path) or b"").decode())
        if self.login_wanted and not any(self.login_wanted in login for login in self.logins):
            return Ran(125, "", "trying\nError: initializing source: unauthorized: authentication required")
        if reference not in self.registry:
            return Ran(125, "", "level=warning msg=retrying\nError: initializing source: manifest unknown")
        self.images.add(reference)
        return Ran(0, "", "")


def image_options(reference: str, config: str = "a = 1\n", engine: str = "podman", image: Any = None, **more: Any) -> Dict[str, Any]:
    given = {"engine": engine, "reference": reference, "program": "/usr/bin/tinyd", "version_command": ["--version"], **(image or {})}
    return options(config, binary=None, unit=UNIT % ("/usr/bin/" + engine), image=given, **more)


def manifest_of(host: FakeHost, generation: str) -> Dict[str, Any]:
    return dict(json.loads(host.read("/opt/tiny/generations/%s/manifest.json" % generation) or b"{}"))

"""The image: from which sources, named after what."""

from __future__ import annotations

import pathlib

import pytest

from lab import apt, image, recipe
from lab.console import LabError

DEB822 = """\
# a comment
Types: deb
URIs: http://mirror.example.com/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.com/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://old.example.com/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://sources.example.com/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://inline.example.com/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://vendor.example.com/apt
Suites: vendor-bookworm
Components: main
"""
ONE_LINE = """\
# deb http://commented.example.com/debian bookworm main
deb http://mirror.example.com/debian bookworm main contrib
deb-src http://mirror.example.com/debian bookworm main
deb [arch=amd64 trusted=yes] http://mirror.example.com/debian bookworm-updates main
deb http://vendor.example.com/apt stable main
"""


def lines(name: str, text: str, wanted: str = "bookworm") -> list[str]:
    return [source.line() for source in apt.for_distro(apt.parse(name, text), "bookworm", wanted)]


def test_deb822_sources_of_the_release_are_taken_and_others_are_not() -> None:
    key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
    assert lines("debian.sources", DEB822) == [
        f"deb {key}http://mirror.example.com/debian bookworm main",
        f"deb {key}http://mirror.example.com/debian bookworm-updates main",
        "deb http://mirror.example.com/debian-security bookworm-security main",
        "deb http://inline.example.com/debian bookworm main",
    ]


def test_one_line_sources_of_the_release_are_taken_and_others_are_not() -> None:
    assert lines("sources.list", ONE_LINE) == [
        "deb http://mirror.example.com/debian bookworm main",
        "deb [arch=amd64 trusted=yes] http://mirror.example.com/debian bookworm-updates main",
    ]


def test_the_same_mirror_is_asked_for_another_release() -> None:
    assert lines("sources.list", ONE_LINE, "trixie") == [
        "deb http://mirror.example.com/debian trixie main",
        "deb [arch=amd64 trusted=yes] http://mirror.example.com/debian trixie-updates main",
    ]


def test_a_machine_that_is_not_debian_leaves_the_mirror_to_mmdebstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('ID=ubuntu\nVERSION_CODENAME="jammy"\n')
    monkeypatch.setattr(apt, "OS_RELEASE", release)
    assert apt.sources_for("bookworm") == []
    argv, sources = image.build_command("bookworm", tmp_path / "root.tar", [])
    assert argv[-2:] == ["bookworm", str(tmp_path / "root.tar")]
    assert sources == ""


def test_sources_go_in_on_standard_input(tmp_path: pathlib.Path) -> None:
    argv, sources = image.build_command("trixie", tmp_path / "root.tar", [apt.Source("http://mirror.example.com/debian", "trixie")])
    assert argv[-3:] == ["trixie", str(tmp_path / "root.tar"), "-"]
    assert sources == "deb http://mirror.example.com/debian trixie main\n"


def test_the_name_follows_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {recipe.tag(distro) for distro in recipe.DISTROS}
    assert len(names) == len(recipe.DISTROS)
    monkeypatch.setattr(recipe, "PACKAGES", (*recipe.PACKAGES, "one-more"))
    assert recipe.tag(recipe.DISTROS[0]) not in names


def test_the_distribution_is_a_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(recipe.DISTRO_VARIABLE, raising=False)
    assert recipe.default_distro() == "bookworm"
    monkeypatch.setenv(recipe.DISTRO_VARIABLE, "trixie")
    assert recipe.default_distro() == "trixie"
    monkeypatch.setenv(recipe.DISTRO_VARIABLE, "woody")
    with pytest.raises(LabError, match="LAB_DISTRO is 'woody'; there are: bookworm, bullseye, trixie"):
        recipe.default_distro()

"""Options to desired state: what is refused, and what a generation's name depends on."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.service.spec import (
    Refused,
    environment_file,
    from_options,
    generation_of,
    sha256_of,
)

from tests.unit.helpers.daemon_fakes import UNIT, binary, options


@pytest.mark.parametrize(
    "change",
    [
        {"configs": [{"name": "tiny.toml", "content": "a = 2\n"}]},
        {"configs": [{"name": "other.toml", "content": "a = 1\n"}]},
        {"environment": {"GREETING": "bye"}},
        {"unit": UNIT + "# more\n"},
        {"binary": binary("program 2")},
        {"user": "other"},
        {"group": "other"},
        {"root": "/opt/other"},
    ],
)
def test_whatever_a_restart_would_change_names_another_generation(change: Dict[str, Any]) -> None:
    assert from_options(options()).generation != from_options(options(**change)).generation


@pytest.mark.parametrize(
    "change",
    [
        {"files": []},
        {"links": []},
        {"checks": []},
        {"ready": None},
        {"binary": dict(binary(), path=None, version_command=[])},
        {"keep": 9},
    ],
)
def test_what_the_process_never_sees_does_not(change: Dict[str, Any]) -> None:
    assert from_options(options()).generation == from_options(options(**change)).generation


def test_the_order_of_environment_variables_means_nothing() -> None:
    one, two = ({"A": "1", "B": "2"}, {"B": "2", "A": "1"})
    assert from_options(options(environment=one)).generation == from_options(options(environment=two)).generation


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": "[Service]\n"}, "HORAE_GENERATION=@generation@"),
        ({"executable": "/bin/x"}, "exactly one of binary, executable and image"),
        ({"binary": None}, "exactly one of binary, executable and image"),
        ({"binary": {"name": "tinyd", "checksum": "md5:1"}}, "sha256sum"),
        ({"binary": {"name": "tinyd", "checksum": None}}, "checksum is missing"),
        ({"binary": dict(binary(), name="../tinyd")}, "plain name"),
        ({"name": "tiny/x"}, "plain name"),
        ({"configs": [{"name": "a/b", "content": ""}]}, "plain name"),
        ({"configs": [{"name": ".hidden", "content": ""}]}, "plain name"),
        ({"configs": [{"name": "tinyd", "content": ""}]}, "tinyd can't be the name of two things"),
        ({"configs": [{"name": "environment", "content": ""}]}, "environment can't be the name of two things"),
        ({"configs": [{"name": "manifest.json", "content": ""}]}, "manifest.json can't be"),
        ({"root": "/opt"}, "directory of this daemon's own"),
        ({"root": "opt/tiny"}, "absolute path"),
        ({"root": "/opt/../etc"}, "absolute path"),
        ({"links": [{"path": "x", "target": "y"}]}, "absolute path"),
        ({"environment": {"AUTO-COMPACTION-MODE": "x"}}, "AUTO-COMPACTION-MODE"),
        ({"environment": {"A": "x\ny"}}, "line break"),
        ({"environment": {"A": 1}}, "quote it"),
        ({"environment": {"HORAE_GENERATION": "x"}}, "set by the unit"),
    ],
)
def test_contradictions_are_refused_with_what_to_change(change: Dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        from_options(options(**change))


def test_placeholders_are_filled() -> None:
    desired = from_options(options())
    assert "ExecStart=%s/tinyd --config %s/tiny.toml\n" % (desired.directory, desired.directory) in desired.unit
    assert generation_of(desired.unit) == desired.generation
    assert "@" not in desired.unit


@pytest.mark.parametrize("unit", [None, "", "[Service]\nEnvironment=A=1\n", "# HORAE_GENERATION=x\n"])
def test_a_unit_of_somebody_else_names_no_generation(unit: Any) -> None:
    assert generation_of(unit) is None


def test_environment_is_quoted_as_systemd_reads_it() -> None:
    assert environment_file([("A", 'say "hi" $x \\ # `y`')]) == 'A="say \\"hi\\" $x \\\\ # `y`"\n'


def test_checksums_are_taken_in_any_case() -> None:
    assert sha256_of("SHA256:" + "AB" * 32, "x") == "ab" * 32

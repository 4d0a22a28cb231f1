"""Nothing that sounds secret, and nothing that was named secret, is left in a text."""

from __future__ import annotations

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.common.redact import Redactor


@pytest.mark.parametrize(
    "line",
    [
        'key_secret = "canary"',
        "key_id = 'canary'",
        'password = "ca\\"nary"',
        'password = """\ncanary\n"""',
        "passwd='''canary'''",
        'secrets = ["a", "canary"]',
        'http = {token = "x", key_secret = "canary", a = 1}',
        "AWS_SECRET_ACCESS_KEY=canary",
        'DB_PASSWORD="canary"',
        '{"sys_password": "canary", "n": 1}',
        'S3Options { key_secret: "canary", region: "x" }',
        'password: Some("canary")',
        "credential: canary",
        "SECRETACCESSKEY: canary",
        # HoraeDB prints its configuration as Rust's Debug form, on one line and on many.
        'config:Config { object_store: S3(S3Options { key_id: "canary", key_secret: "ca\\"nary", endpoint: "http://192.0.2.1" }), obkv: '
        'ObkvConfig { password: "canary", client: C { sys_password: "canary" } } }',
        'S3Options {\n    key_id: "canary",\n    key_secret: "canary",\n}',
        # An error about a file carries all of it in a string.
        'TomlError { original: Some("a = 1\\nkey_secret = \\"canary\\"\\npassword = \\"ca\\\\\\"nary\\"\\n") }',
        r'{"config": "password = \"canary\"\n", "n": 1}',
    ],
)
def test_values_of_secret_keys_are_masked(line: str) -> None:
    masked = Redactor().mask("before = 1\n%s\nafter = 2" % line)
    assert "canary" not in masked and "nary" not in masked.replace("canary", "")
    assert masked.startswith("before = 1\n") and masked.endswith("\nafter = 2")


def test_what_is_beside_a_secret_in_a_debug_form_stays() -> None:
    masked = Redactor().mask('S3Options { key_secret: "ca\\"nary", endpoint: "http://192.0.2.1" }')
    assert masked == 'S3Options { key_secret: "********", endpoint: "http://192.0.2.1" }'


@pytest.mark.parametrize("line", ['endpoint = "http://192.0.2.1"', "the password is wrong", "lease = '3s'", "keyed = 1"])
def test_other_text_is_left_alone(line: str) -> None:
    assert Redactor().mask(line) == line


def test_quotes_are_kept() -> None:
    assert Redactor().mask('password = "x"') == 'password = "********"'


def test_named_secrets_are_masked_anywhere_and_in_every_spelling() -> None:
    redactor = Redactor(['can"ary\u00e9', "other"])
    assert redactor.mask('x can"ary\u00e9 y can\\"ary\u00e9 z can\\"ary\\u00e9 other') == "x ******** y ******** z ******** ********"


def test_named_secrets_are_masked_in_what_rust_prints_of_them() -> None:
    secret = 'a"b\\c\u007f\td\u00e9'
    printed = 'note: "a\\"b\\\\c\\u{7f}\\td\u00e9"'
    assert Redactor([secret]).mask(printed) == 'note: "********"'
    quoted = 'original: "note = \\"a\\\\\\"b\\\\\\\\c\\\\u{7f}\\\\td\u00e9\\""'
    assert Redactor([secret]).mask(quoted) == 'original: "note = \\"********\\""'


def test_a_secret_too_short_to_be_one_hides_nothing() -> None:
    assert Redactor(["", "1", "abc"]).mask("1 of abc") == "1 of abc"

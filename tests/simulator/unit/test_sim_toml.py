from __future__ import annotations

import pytest
import tomllib
from common.toml import TomlError, loads

GOOD = [
    "",
    "# nothing\n\n",
    'a = 1\nb = "x"\nc = 1.5\nd = true\ne = false\n',
    "hex = 0xff\noct = 0o17\nbin = 0b101\nbig = 1_000_000\nneg = -7\nexp = 1e3\n",
    'basic = "tab\\t quote\\" back\\\\ \\u00e9"\nliteral = \'C:\\raw\'\n',
    'list = [1, 2, 3,]\nlines = [\n  "a", # one\n  "b",\n]\nnested = [[1], ["x"]]\nempty = []\n',
    "[a]\nx = 1\n[a.b]\ny = 2\n[c.d.e]\nz = 3\n",
    'a.b.c = 1\na.b.d = 2\n"quoted.key" = 3\n',
    'point = { x = 1, y = { z = "deep" } }\nnone = {}\n',
    "[[shards]]\nid = 0\n[shards.endpoint]\nport = 1\n[[shards]]\nid = 1\n[shards.endpoint]\nport = 2\n",
    'addr = "http://127.0.0.1:2379" # comment\r\n',
]

BAD = [
    ("a = \n", "line 1"),
    ("a = 1\na = 2\n", "duplicate key"),
    ('x = "open\n', "unterminated"),
    ("[a]\n[a]\n", "duplicate table"),
    ("a = 1 b = 2\n", "expected"),
    ("ok = 1\n\n[table\n", "line 3"),
    ("a = tru\n", "invalid value"),
    ("a = 1\n[a.b]\n", "not a table"),
]


@pytest.mark.parametrize("text", GOOD)
def test_reads_what_the_standard_library_reads(text: str) -> None:
    assert loads(text) == tomllib.loads(text)


@pytest.mark.parametrize(("text", "words"), BAD)
def test_says_what_is_wrong_and_where(text: str, words: str) -> None:
    with pytest.raises(TomlError, match=words):
        loads(text)

"""What the documents name is there: files, headings, commands of make and lab, and the layers in CONTRIBUTING.md."""

from __future__ import annotations

import functools
import pathlib
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import pytest

from lab.__main__ import _parser
from tests.unit.test_layers import LAYERS

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "molecule/README.md", "tests/simulator/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "roles").glob("*/README.md")),
)
# A path of the repository begins with one of these. Named here, so that a path stays one when its folder has gone.
FOLDERS = (
    *("LICENSES", "changelogs", "docs", "inventories", "lab", "meta", "molecule", "playbooks", "plugins", "roles", "tests"),
    *(".ci", ".collections", ".config"),
)
FILES = re.compile(r"[A-Z][A-Z_]+\.(?:md|rst)|(?:galaxy|site)\.yml|ansible\.cfg|pyproject\.toml|requirements[\w-]*\.txt|Makefile|LICENSE")
# Made by whoever reads the document.
MADE = ("inventories/mine", "inventories/lab/hosts.yml", "changelogs/fragments")
NOT_OURS = ("build", "artifacts")

FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
PATH = re.compile(r"[\w.<>*/-]+(?:::\w+)?")
BARE = re.compile(r"\w+\.(?:py|yml|j2)")
FILE = re.compile(r"[\w./-]+\.(?:py|yml|md|j2|json|toml|rst)(?:::\w+)?")
PLACEHOLDER = re.compile(r"<[\w-]+>")
MAKE = re.compile(r"\bmake ([a-z-]+)(?= *(?:`|$|  | [A-Z]+=))", re.MULTILINE)
LAB = re.compile(r"python3 -m lab (\S+)")


def code(text: str) -> Iterator[str]:
    """What stands in backticks, and the lines of blocks without their comments."""
    for block in FENCED.findall(text):
        yield from block.splitlines()[1:-1]
    text = FENCED.sub("", text)
    yield from SPAN.findall(text)
    yield from (line.split("  #")[0] for line in text.splitlines() if line.startswith("    ") and line.strip())


def named(text: str) -> Iterator[str]:
    """The paths of this repository in a document: in its code whatever looks like one, in its sentences files in folders."""
    for piece in code(text):
        for path in map(bare, piece.split()):
            if PATH.fullmatch(path) and (is_inside(path) or FILES.fullmatch(path)) and not path.startswith(MADE):
                yield path
    for path in map(bare, LINK.sub("]", SPAN.sub("", text)).split()):
        if FILE.fullmatch(path) and is_inside(path) and not path.startswith(MADE):
            yield path


def missing(text: str) -> list[str]:
    bare_names = [name for name in SPAN.findall(FENCED.sub("", text)) if BARE.fullmatch(name) and name not in file_names()]
    return [path for path in dict.fromkeys(named(text)) if not is_there(path)] + bare_names


@functools.cache
def file_names() -> frozenset[str]:
    """Of every file in the folders, and of those beside them: a sentence may name one whose folder it has named before."""
    return frozenset(path.name for folder in FOLDERS if folder != ".collections" for path in (ROOT / folder).rglob("*.*")) | {
        path.name for path in ROOT.iterdir()
    }


def bare(word: str) -> str:
    return word.rstrip(",.;:)").lstrip("(")


def is_inside(path: str) -> bool:
    return "/" in path and path.split("/")[0] in FOLDERS


def is_there(path: str, root: pathlib.Path = ROOT) -> bool:
    """With <placeholders> and stars there has to be one that fits; behind :: stands something that the file has."""
    name, _, inside = path.partition("::")
    found = list(root.glob(PLACEHOLDER.sub("*", name.rstrip("/"))))
    return bool(found) and (not inside or any(re.search(r"\b%s\b" % inside, file.read_text(encoding="utf-8")) for file in found if file.is_file()))


def anchors(text: str) -> set[str]:
    """As the hosts of repositories make them of headings."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCED.sub("", text)):
        plain = LINK.sub("", heading.replace("`", "").replace("[", "")).lower()
        base = name = re.sub(r"[^\w -]", "", plain).replace(" ", "-")
        number = 0
        while name in found:
            number += 1
            name = "%s-%d" % (base, number)
        found.add(name)
    return found


def broken_links(document: pathlib.Path) -> Iterator[str]:
    for link in LINK.findall(FENCED.sub("", document.read_text(encoding="utf-8"))):
        target, _, anchor = unquote(link).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = document.parent / target if target else document
        if not path.exists() or anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
            yield link


def drawn(text: str) -> Mapping[str, int]:
    """Each package in the drawing of CONTRIBUTING.md, and its line; what is imported stands on a later one."""
    found: dict[str, int] = {}
    kind = ""
    for number, line in enumerate(text.split("## The layers")[1].split("\n\n    ")[1].split("\n\n")[0].splitlines()):
        half = re.search(r"plugins/(module_utils|plugin_utils)", line)
        kind = half[1] if half else kind
        if kind and not half:
            for name in line.split():
                assert "%s.%s" % (kind, name) not in found, "%s.%s is drawn twice" % (kind, name)
                found["%s.%s" % (kind, name)] = number
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_files_that_a_document_names_are_there(document: pathlib.Path) -> None:
    """Breaks when a file is moved or removed and a document goes on naming it."""
    assert missing(document.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_document_lead_somewhere(document: pathlib.Path) -> None:
    """Breaks when a page or a heading that another page links gets another name."""
    assert list(broken_links(document)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_that_a_document_names_are_there(document: pathlib.Path) -> None:
    """Breaks when a target of make, or a command of lab, gets another name."""
    text = "\n".join(code(document.read_text(encoding="utf-8")))
    targets = set(re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split())  # type: ignore[index]
    commands = {name for action in _parser()._actions for name in getattr(action, "choices", None) or ()}
    assert set(MAKE.findall(text)) - targets == set()
    assert {name for name in LAB.findall(text) if name.islower()} - commands == set()


def test_every_folder_is_one_that_a_path_may_begin_with() -> None:
    """Breaks when a folder is added, whose files no document would be held to."""
    here = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert here - {*FOLDERS, *NOT_OURS} == set()


def test_the_drawing_has_every_package_above_those_that_it_imports() -> None:
    """Breaks when a package is added or an import turned round, and CONTRIBUTING.md still shows the layers as they were."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lines = drawn(text)
    assert set(lines) == set(LAYERS)
    rows = {name: ("| `plugins/%s` |" % name.replace(".", "/"), "| `plugins/%s.py` |" % name.replace(".", "/")) for name in LAYERS}
    assert [name for name, row in rows.items() if not any(words in text for words in row)] == []
    assert [(name, other) for name, others in LAYERS.items() for other in others if lines[other] <= lines[name]] == []


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("see `plugins/modules/daemon.py`", []),
        ("see `plugins/modules/gone.py`", ["plugins/modules/gone.py"]),
        ("its `daemon.yml`, and `gone.yml`", ["gone.yml"]),
        ("see `tests/unit/test_<name>.py` and `molecule/*/molecule.yml`", []),
        ("see `tests/unit/gone_<name>.py`", ["tests/unit/gone_<name>.py"]),
        ("run\n\n    python3 -m lab tool pytest tests/unit/gone.py    # a comment", ["tests/unit/gone.py"]),
        ("run\n\n```\nansible-playbook playbooks/gone.yml\n```\n", ["playbooks/gone.yml"]),
        ("the tests (tests/unit/gone.py, tests/unit/conftest.py).", ["tests/unit/gone.py"]),
        ("`tests/unit/test_layers.py::problems`", []),
        ("`tests/unit/test_layers.py::test_gone`", ["tests/unit/test_layers.py::test_gone"]),
        ("`GONE.md`, `SECURITY.md`, `/opt/horaedb/current`, `inventories/mine/hosts.yml`, `application/json`", ["GONE.md"]),
    ],
)
def test_a_path_that_is_not_there_is_found(text: str, gone: list[str]) -> None:
    assert missing(text) == gone


@pytest.mark.parametrize(
    ("link", "broken"),
    [("a.md", False), ("b.md", True), ("#two-words-1", False), ("a.md#two-words", False), ("#three", True), ("https://example.com/b.md", False)],
)
def test_a_link_that_leads_nowhere_is_found(link: str, broken: bool, tmp_path: pathlib.Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("# Two `words`\n\n## Two words\n\n[here](%s)\n" % link, encoding="utf-8")
    assert list(broken_links(document)) == ([link] if broken else [])

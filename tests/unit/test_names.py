"""A name has one meaning: whoever greps for a class finds one."""

from __future__ import annotations

import ast
import pathlib
from collections import defaultdict
from collections.abc import Iterable

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Ansible asks for these names.
ANSIBLES = {"ActionModule", "FilterModule", "ModuleDocFragment"}


def twice(sources: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Public classes of a module that stand in several files, with those."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, source in sources:
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in ANSIBLES:
                found[node.name].append(name)
    return {name: files for name, files in found.items() if len(files) > 1}


def test_a_class_has_a_name_of_its_own() -> None:
    assert twice((str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in (ROOT / "plugins").rglob("*.py")) == {}


def test_a_second_one_is_seen() -> None:
    assert twice([("a.py", "class Step:\n    pass"), ("b.py", "class Step(Enum):\n    pass"), ("c.py", "class _Step:\n    pass")]) == {"Step": ["a.py", "b.py"]}

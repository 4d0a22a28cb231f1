"""What ends a task: each kind of it has a name of its own, and none is lost on the way to the result."""

from __future__ import annotations

import ast
import importlib
import pathlib
from collections import Counter
from collections.abc import Iterator

from ansible_collections.horaedb.cluster.plugins.module_utils import errors
from ansible_collections.horaedb.cluster.plugins.module_utils.errors import Failure
from ansible_collections.horaedb.cluster.plugins.module_utils.verification.verify import Failed

PLUGINS = pathlib.Path(__file__).resolve().parents[3] / "plugins"
BASE = "ansible_collections.horaedb.cluster.plugins."


def exceptions() -> Iterator[type[Exception]]:
    """All public ones of the core, by their files."""
    for path in sorted((*(PLUGINS / "module_utils").rglob("*.py"), *(PLUGINS / "plugin_utils").rglob("*.py"))):
        names = [node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
        if names:
            module = importlib.import_module(BASE + ".".join(path.relative_to(PLUGINS).with_suffix("").parts))
            yield from (found for name in names if isinstance(found := getattr(module, name), type) and issubclass(found, Exception))


def test_each_has_a_kind_of_its_own() -> None:
    """Breaks when one is no Failure, or has the kind of another: whoever acts on a kind would act on the wrong one."""
    found = [one for one in exceptions() if one is not Failure]
    assert len(found) > 10
    assert [one for one in found if not issubclass(one, Failure)] == []
    kinds = Counter(one.kind for one in found if issubclass(one, Failure))
    assert [kind for kind, times in kinds.items() if times > 1 or not kind] == []


def test_a_result_has_the_sentence_the_kind_and_the_fields() -> None:
    failed = Failed("not ready", ["db1 is away"], hung=["meta1"])
    assert errors.result_of(failed, "in the end %s") == {
        "msg": "in the end not ready:\n  db1 is away",
        "kind": "cluster.not_ready",
        "problems": ["db1 is away"],
        "forgotten": False,
        "hung": ["meta1"],
    }
    assert errors.wrong_option(ValueError("keep has to be 1 or more")) == {"msg": "keep has to be 1 or more", "kind": "option"}


def test_the_modules_document_their_kinds() -> None:
    """Each kind that a module says it returns is there."""
    kinds = {one.kind for one in exceptions() if issubclass(one, Failure)} | {errors.OPTION}
    for path in (PLUGINS / "modules").glob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "What ended the task, for programs" in line:
                assert {part.partition(")")[0] for part in line.split("V(")[1:]} <= kinds

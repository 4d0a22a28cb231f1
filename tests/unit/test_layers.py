"""Who may import whom among the packages of plugins/module_utils and plugins/plugin_utils."""

from __future__ import annotations

import ast
import pathlib
import shutil
from collections.abc import Iterator, Mapping

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = "ansible_collections.horaedb.cluster.plugins"
HOSTS, CONTROLLER = "module_utils", "plugin_utils"

# Each package, or file that is in none, and which of those before it it imports: so there is no cycle among them.
LAYERS: Mapping[str, tuple[str, ...]] = {
    "module_utils.errors": (),
    "module_utils.common": ("module_utils.errors",),
    "module_utils.model": (),
    "module_utils.api": ("module_utils.errors", "module_utils.common", "module_utils.model"),
    "module_utils.records": ("module_utils.errors", "module_utils.common", "module_utils.model", "module_utils.api"),
    "module_utils.health": (
        "module_utils.errors",
        "module_utils.common",
        "module_utils.model",
        "module_utils.api",
        "module_utils.records",
    ),
    "module_utils.leadership": (
        "module_utils.errors",
        "module_utils.common",
        "module_utils.model",
        "module_utils.api",
        "module_utils.records",
        "module_utils.health",
    ),
    "module_utils.repair": (
        "module_utils.errors",
        "module_utils.common",
        "module_utils.model",
        "module_utils.api",
        "module_utils.records",
        "module_utils.health",
        "module_utils.leadership",
    ),
    "module_utils.verification": (
        "module_utils.errors",
        "module_utils.common",
        "module_utils.model",
        "module_utils.api",
        "module_utils.records",
        "module_utils.health",
        "module_utils.leadership",
    ),
    "module_utils.service": ("module_utils.errors", "module_utils.common", "module_utils.leadership"),
    "module_utils.storage": ("module_utils.errors", "module_utils.model", "module_utils.api"),
    "plugin_utils.operation": ("module_utils.records",),
    "plugin_utils.render": (
        "module_utils.common",
        "module_utils.model",
        "module_utils.records",
        "module_utils.service",
    ),
    "plugin_utils.inventory": ("module_utils.model", "plugin_utils.render"),
    "plugin_utils.schema": ("module_utils.common", "plugin_utils.render"),
    "plugin_utils.artifacts": (
        "module_utils.common",
        "module_utils.service",
        "plugin_utils.operation",
        "plugin_utils.inventory",
    ),
    "plugin_utils.service": ("module_utils.errors", "module_utils.service"),
    "plugin_utils.preflight": (
        "module_utils.common",
        "module_utils.model",
        "module_utils.api",
        "module_utils.health",
        "module_utils.repair",
        "module_utils.service",
        "module_utils.storage",
        "plugin_utils.render",
        "plugin_utils.inventory",
        "plugin_utils.schema",
        "plugin_utils.artifacts",
    ),
    "plugin_utils.adopt": (
        "module_utils.errors",
        "module_utils.service",
        "plugin_utils.inventory",
        "plugin_utils.schema",
        "plugin_utils.preflight",
    ),
    "plugin_utils.bundle": ("module_utils.common", "module_utils.service"),
}


class Source:
    """The Python files below a folder `plugins`, by their dotted names, and what they import of each other."""

    def __init__(self, plugins: pathlib.Path) -> None:
        self.files = {".".join(path.relative_to(plugins).with_suffix("").parts): path for path in sorted(plugins.rglob("*.py"))}
        self.imports = {name: set(self._imported(name)) for name in self.files}

    def _imported(self, name: str) -> Iterator[str]:
        """In functions, too: what is imported late is imported."""
        for node in ast.walk(ast.parse(self.files[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name[len(BASE) + 1 :] for alias in node.names if alias.name.startswith(BASE + "."))
            elif isinstance(node, ast.ImportFrom):
                above = [BASE, *name.split(".")[: -node.level]] if node.level else []
                whole = ".".join([*above, *([node.module] if node.module else [])])
                if whole.startswith(BASE + "."):
                    found = whole[len(BASE) + 1 :]
                    yield from ([found] if found in self.files else ["%s.%s" % (found, alias.name) for alias in node.names])

    def packages(self) -> set[str]:
        return {package(name) for name in self.files if name.startswith((HOSTS + ".", CONTROLLER + "."))}

    def between_packages(self) -> set[tuple[str, str]]:
        found = {(package(name), package(other)) for name, others in self.imports.items() for other in others}
        return {(one, other) for one, other in found if one != other and one in self.packages()}

    def reached(self, starts: str) -> set[str]:
        """Whatever is imported, by however many steps, by those whose names begin so."""
        waiting = [name for name in self.files if name.startswith(starts)]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += self.imports.get(name, ())
        return seen


def package(name: str) -> str:
    return ".".join(name.split(".")[:2])


def problems(plugins: pathlib.Path) -> list[str]:
    source = Source(plugins)
    found = ["%s isn't in LAYERS" % name for name in sorted(source.packages() - set(LAYERS))]
    found += ["%s is in LAYERS and isn't there" % name for name in sorted(set(LAYERS) - source.packages())]
    found += ["%s may not import %s" % pair for pair in sorted(source.between_packages()) if pair[1] not in LAYERS.get(pair[0], ())]
    found += ["%s imports itself, by way of %s" % (name, other) for name, other in circles(source)]
    for folder in sorted({path.parent for name, path in source.files.items() if package(name) in LAYERS and name.count(".") > 1}):
        init = folder / "__init__.py"
        if not init.exists() or init.read_bytes():
            found.append("%s is missing or not empty" % init.relative_to(plugins))
    of_controller = {name for name in source.reached("modules.") if name.startswith(CONTROLLER)}
    found += ["a module imports %s, which no host has" % name for name in sorted(of_controller)]
    for_nobody = {name for name in source.files if name.startswith(HOSTS) and not name.endswith(".__init__")} - source.reached("modules.")
    found += ["%s is imported by no module: it belongs to %s" % (name, CONTROLLER) for name in sorted(for_nobody)]
    return found


def circles(source: Source) -> Iterator[tuple[str, str]]:
    for name in source.files:
        for other in source.imports[name]:
            seen, waiting = set(), [other]
            while waiting:
                one = waiting.pop()
                if one == name:
                    yield name, other
                    break
                if one not in seen:
                    seen.add(one)
                    waiting += source.imports.get(one, ())


def test_nobody_imports_what_comes_after_it() -> None:
    assert problems(ROOT / "plugins") == []


def test_a_layer_comes_after_all_that_it_imports() -> None:
    order = list(LAYERS)
    assert [(name, other) for name, others in LAYERS.items() for other in others if other not in order[: order.index(name)]] == []
    assert [name for name, others in LAYERS.items() if name.startswith(HOSTS) and any(other.startswith(CONTROLLER) for other in others)] == []


def test_nothing_is_allowed_that_nobody_needs() -> None:
    assert {(name, other) for name, others in LAYERS.items() for other in others} == Source(ROOT / "plugins").between_packages()


def test_the_tests_mirror_the_packages() -> None:
    unit = pathlib.Path(__file__).parent
    folders = {"%s.%s" % (kind, path.parent.name) for kind in (HOSTS, CONTROLLER) for path in (unit / kind).glob("*/*.py")}
    assert folders - set(LAYERS) == set()


READ = "from %s.module_utils.health.read import observe\n" % BASE


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("module_utils/model/topology.py", READ, "module_utils.model may not import module_utils.health"),
        ("module_utils/api/etcd.py", "from ..health import read\n", "module_utils.api may not import module_utils.health"),
        ("module_utils/api/etcd.py", "def late():\n    " + READ, "module_utils.api may not import module_utils.health"),
        ("module_utils/service/run.py", "import %s.repair.plan\n" % (BASE + ".module_utils"), "module_utils.service may not import module_utils.repair"),
        (
            "module_utils/health/read.py",
            "from %s.plugin_utils.inventory.plain import plain\n" % BASE,
            "module_utils.health may not import plugin_utils.inventory",
        ),
        ("modules/daemon.py", "from %s.plugin_utils.inventory.plain import plain\n" % BASE, "a module imports plugin_utils.inventory.plain"),
        ("module_utils/health/observation.py", READ, "module_utils.health.observation imports itself"),
        ("module_utils/health/__init__.py", "VERSION = 1\n", "module_utils/health/__init__.py is missing or not empty"),
        ("module_utils/helpers.py", "", "module_utils.helpers isn't in LAYERS"),
        ("module_utils/misc/__init__.py", "", "module_utils.misc isn't in LAYERS"),
        ("module_utils/health/guess.py", "", "module_utils.health.guess is imported by no module"),
    ],
)
def test_it_turns_red(file: str, text: str, words: str, tmp_path: pathlib.Path) -> None:
    copy = tmp_path / "plugins"
    shutil.copytree(ROOT / "plugins", copy, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + text, encoding="utf-8")
    assert [problem for problem in problems(copy) if problem.startswith(words)]


def test_a_package_needs_its_file(tmp_path: pathlib.Path) -> None:
    copy = tmp_path / "plugins"
    shutil.copytree(ROOT / "plugins", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "module_utils" / "health" / "__init__.py").unlink()
    assert problems(copy) == ["module_utils/health/__init__.py is missing or not empty"]

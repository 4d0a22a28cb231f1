"""A rule is at home in one file of the plugins; besides, its id stands in one page for operators and in tests."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight import host_rules, registry

from tests.unit.plugin_utils.preflight import guard_cases, host_cases, live_cases, static_cases

ROOT = pathlib.Path(__file__).parents[4]
IDS = [rule.id for rule in registry.RULES]
PAGES = {"docs/topology.md": set(IDS) - {rule.id for rule in registry.STORAGE}, "docs/storage.md": {rule.id for rule in registry.STORAGE}}
# Data nodes look at their own storage by themselves (module storage_check): those ids are the hosts', and stand in docs/storage.md, too.
ON_HOSTS = "module_utils/storage"
# Where no id has a place, but for the plugins and the two pages.
ELSEWHERE = ("docs", "lab", "playbooks", "roles", "inventories", "README.md", "CONTRIBUTING.md", "site.yml")


def made(source: str) -> Iterator[str]:
    """The ids of the rules that a source makes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "rule":
            assert isinstance(node.args[0], ast.Constant), "an id that can't be found: %s" % ast.unparse(node)
            yield str(node.args[0].value)


def findings_by_hand(source: str) -> list[str]:
    """Findings that no rule has made. Those with ** come from a host and have been made there."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding"]
    return [ast.unparse(call) for call in calls if call.args]


def named(text: str, rule_id: str) -> bool:
    """As an id, in whatever quotes; `store.key` isn't in `store.key_id` and `store.key()`."""
    return re.search(r"(?<![\w./%%-])%s(?![\w(-]|\.\w)" % re.escape(rule_id), text) is not None


def texts(*places: str) -> dict[str, str]:
    files = [path for place in places for path in ([ROOT / place] if (ROOT / place).is_file() else sorted((ROOT / place).rglob("*")))]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".yml", ".md", ".j2")}


def test_every_rule_is_in_the_registry_once() -> None:
    """Breaks when a rule stands in a file that the registry doesn't import, or two have one id."""
    sources = {name: text for name, text in texts("plugins").items() if name.endswith(".py") and not name.endswith("model/finding.py")}
    assert sorted(rule_id for text in sources.values() for rule_id in made(text)) == sorted(IDS)
    assert len(IDS) > 70
    assert {name: by_hand for name, text in sources.items() if ON_HOSTS not in name and (by_hand := findings_by_hand(text))} == {}


def test_an_id_stands_in_one_file_of_the_plugins() -> None:
    plugins = texts("plugins")
    found = {rule.id: [name for name, text in plugins.items() if named(text, rule.id)] for rule in registry.RULES}
    homes = {rule.id: ["plugins/%s.py" % rule.look.__module__.split(".plugins.")[1].replace(".", "/")] for rule in registry.RULES}
    assert found == homes
    on_hosts = set(re.findall(r"^\| `([a-z.-]+)` \|", (ROOT / "docs/storage.md").read_text(encoding="utf-8"), re.MULTILINE)) - set(IDS)
    homes_on_hosts = [[name for name, text in plugins.items() if re.search(r"[\"'`]%s[\"'`]" % re.escape(one), text)] for one in sorted(on_hosts)]
    assert len(on_hosts) > 20
    assert [names for names in homes_on_hosts if len(names) != 1 or ON_HOSTS not in names[0]] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_rule_is_explained_to_operators_once(page: str) -> None:
    """Breaks when docs/topology.md lacks a rule, has one that is gone, or calls an error a warning."""
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z.-]+)` \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    ours = [row for row in rows if page == "docs/topology.md" or row[0] in IDS]
    assert sorted(row[0] for row in ours) == sorted(PAGES[page])
    warnings = {rule.id for rule in registry.RULES if rule.severity == WARNING}
    assert {row[0] for row in ours if row[1].startswith("*warning*")} == warnings & PAGES[page]


def test_an_id_stands_nowhere_else() -> None:
    elsewhere = {name: text for name, text in texts(*ELSEWHERE).items() if name not in PAGES}
    assert {name: ids for name, text in elsewhere.items() if (ids := [rule_id for rule_id in IDS if named(text, rule_id)])} == {}


def test_every_rule_has_a_test() -> None:
    quoted = "".join(text for name, text in texts("tests/unit", "molecule/guards").items())
    assert [rule_id for rule_id in IDS if not named(quoted, rule_id)] == []


def test_every_rule_is_broken_on_its_own_account() -> None:
    """First in a row's findings: with words of its own, not as the by-product of another mistake."""
    hosts = {rule.id for rule in (host_rules.not_root, host_rules.old_python, host_rules.old_systemd)}
    values = {rule.id for rule in registry.rules_of(registry.cluster_model)}
    rows = [*static_cases.CASES, *live_cases.CASES, *host_cases.CASES]
    broken = {next(iter(case.found)) for case in rows if case.words} | {row.rule for row in guard_cases.ROWS}
    assert broken - {rule.id for rule in registry.SETTINGS} == hosts | values | {rule.id for rule in (*registry.TOPOLOGY, *registry.LIVING)}


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ('rule == "store.key"', True),
        ("[store.key] db1: no", True),
        ("rule: store.key", True),
        ("%s.store.key_id", False),
        ("store.key(name)", False),
        ("store.keys", False),
    ],
)
def test_an_id_is_known_from_a_name_that_is_like_it(text: str, there: bool) -> None:
    assert named(text, "store.key") == there


def test_a_rule_that_nobody_asks_is_seen() -> None:
    assert list(made('@rule("a.b", WARNING)\ndef look():\n    yield (), "", ""\n')) == ["a.b"]
    assert findings_by_hand('Finding("a.b", (), "", "")\nFinding(**one)\n') == ["Finding('a.b', (), '', '')"]

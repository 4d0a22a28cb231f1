"""What holds for every playbook: Ansible can list it, it knows the cluster by its groups first, and no `hosts:` decides anything."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jinja2 import Environment, TemplateSyntaxError

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path for path in (ROOT / "playbooks").glob("*.yml") if path.name != "bundle.yml")
# A group by its name, two of them, or one that a task makes and that isn't there before.
HOSTS = re.compile(r"[a-z_]+(:[a-z_]+)*|\{\{ groups\['[a-z_]+'\] \| default\(\[\]\) \}\}")


def plays(path: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those of the playbook and of what it imports, in their order, each with its file."""
    for play in yaml.safe_load(path.read_text(encoding="utf-8")):
        if "hosts" in play:
            yield path.name, play
        else:
            yield from plays(path.parent / play["ansible.builtin.import_playbook"])


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
def test_the_hosts_of_groups_with_other_names_are_found_before_any_play_asks_for_ours(path: pathlib.Path) -> None:
    """Breaks when a first play has no host under other names, and what it would have refused is done."""
    assert next(plays(path))[0] == "find_hosts.yml"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
def test_hosts_are_groups(path: pathlib.Path) -> None:
    """Breaks when a template in `hosts:` decides something again, which --list-hosts can't."""
    assert [(file, play["hosts"]) for file, play in plays(path) if not HOSTS.fullmatch(play["hosts"])] == []


@pytest.mark.parametrize("option", ["--list-hosts", "--list-tasks", "--list-tags"])
@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
def test_it_can_be_listed(path: pathlib.Path, option: str) -> None:
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(ROOT / "inventories" / "cluster"), str(path), option]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "meta1" in done.stdout or option != "--list-hosts"


def test_no_template_has_a_text_that_changes_by_itself() -> None:
    """Breaks when ansible_managed, which may have several lines or the time, gets into a file: each would be another generation."""
    for path in (ROOT / "roles").rglob("*.j2"):
        assert not re.search(r"\{\{[^}]*ansible_managed", path.read_text(encoding="utf-8")), path


def conditions(value: Any) -> Iterator[str]:
    """Every `when`, `failed_when` and the like, however deep in blocks."""
    if isinstance(value, list):
        for entry in value:
            yield from conditions(entry)
    elif isinstance(value, dict):
        for key, entry in value.items():
            if key in ("when", "failed_when", "changed_when", "until"):
                yield from (str(one) for one in (entry if isinstance(entry, list) else [entry]))
            else:
                yield from conditions(entry)


def test_every_condition_can_be_read() -> None:
    """Breaks when one has a mistake that only the run shows in which it is asked."""
    seen = 0
    for path in (*(ROOT / "roles").glob("*/tasks/*.yml"), *(ROOT / "playbooks").rglob("*.yml")):
        for condition in conditions(yaml.safe_load(path.read_text(encoding="utf-8"))):
            seen += 1
            try:
                Environment(autoescape=True).parse("{{ %s }}" % condition)
            except TemplateSyntaxError as error:
                raise AssertionError("%s: %s: %s" % (path.relative_to(ROOT), condition, error)) from error
    assert seen > 50

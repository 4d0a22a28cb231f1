"""Writes roles/*/README.md out of the roles' argument_specs, configuration.md out of the schemas, and inputs.md out of the playbooks' inputs.

With --check it writes nothing and fails when one is out of date.
"""

from __future__ import annotations

import pathlib
import re
import sys
from typing import Any, Dict, List

import schema_page
import yaml
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.inputs import INPUTS

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROLES = ROOT / "roles"

_MARKUP = re.compile(r"\b(?:C|O|V|M|RV)\(([^)]*)\)")


def readme(role: str) -> str:
    """The whole text of a role's README."""
    with (ROLES / role / "meta" / "argument_specs.yml").open(encoding="utf-8") as stream:
        entries: Dict[str, Dict[str, Any]] = yaml.safe_load(stream)["argument_specs"]
    main = entries.pop("main")
    lines = ["# horaedb.cluster." + role, "", main["short_description"] + ".", "", *_paragraphs(main["description"])]
    if main["options"]:
        lines += ["| option | type | default | |", "|---|---|---|---|"]
        lines += [_row(name, option) for name, option in main["options"].items()]
        lines.append("")
    for name, entry in entries.items():
        lines += ["## Entry point " + name, "", entry["short_description"] + ".", "", *_paragraphs(entry["description"])]
        lines += ["It has the same options.", ""] if entry["options"] == main["options"] else []
    return "\n".join(lines)


def _row(name: str, option: Dict[str, Any]) -> str:
    words = " ".join(_texts(option["description"]))
    if "choices" in option:
        words = "One of %s. %s" % (", ".join("`%s`" % choice for choice in option["choices"]), words)
    return "| `%s` | %s | %s | %s |" % (name, option["type"], _default(option), words)


def _default(option: Dict[str, Any]) -> str:
    if option.get("required"):
        return "**required**"
    return "`%s`" % yaml.safe_dump(option["default"], default_flow_style=True).splitlines()[0] if "default" in option else ""


def _paragraphs(description: Any) -> List[str]:
    return [line for text in _texts(description) for line in (text, "")]


def _texts(description: Any) -> List[str]:
    texts = [description] if isinstance(description, str) else description
    return [_MARKUP.sub(r"`\1`", text) for text in texts]


def inputs() -> str:
    """The page of the variables that are no option of one role."""
    lines = [
        "# Inputs of the playbooks",
        "",
        "Variables for `-e` on the command line, and those that both daemons share, which may stand in the inventory as well. All others are options of",
        "the roles: their README.md has them. A variable that looks like one of these and isn't is refused",
        "([topology.md](topology.md#values-and-the-inventory)), and so is a value of another type.",
        "",
        "| variable | type | |",
        "|---|---|---|",
    ]
    for name, option in INPUTS.items():
        choices = "One of %s. " % ", ".join("`%s`" % choice for choice in option["choices"]) if "choices" in option else ""
        lines.append("| `%s` | %s | %s%s |" % (name, option["type"], choices, option["description"]))
    return "\n".join([*lines, ""])


def main(check: bool) -> int:
    wanted = {"roles/%s/README.md" % role: readme(role) for role in sorted(path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml"))}
    wanted["docs/configuration.md"] = schema_page.page()
    wanted["docs/inputs.md"] = inputs()
    stale = [name for name, text in wanted.items() if not (ROOT / name).exists() or (ROOT / name).read_text(encoding="utf-8") != text]
    for name in stale:
        if not check:
            (ROOT / name).write_text(wanted[name], encoding="utf-8")
        print("%s %s" % (name, "is out of date: run make schema-docs" if check else "written"))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))

"""The roles' interface is written down once for Ansible, once as defaults and once for readers: all three say the same."""

from __future__ import annotations

import ast
import importlib
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.horaedb.cluster.plugins.filter.cluster import FilterModule
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.variables import HOSTS

ROOT = pathlib.Path(__file__).resolve().parents[3]
ROLES = sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/meta/main.yml"))
SUBSET = {"str", "int", "float", "bool", "dict", "list", "path", "raw"}


def load(path: pathlib.Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def specs(role: str) -> dict[str, Any]:
    return load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]


def defaults(role: str) -> dict[str, Any]:
    return load(ROOT / "roles" / role / "defaults" / "main.yml")


def leaves(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if inner is None else [leaf for item in inner for leaf in leaves(item)]


def test_the_roles_are_found() -> None:
    assert {"preflight", "horaedb", "horaemeta", "meta_proxy"} <= set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_names_and_values_are_those_of_the_defaults(role: str) -> None:
    options = specs(role)["main"]["options"]
    optional = {name: option.get("default") for name, option in options.items() if not option.get("required")}
    assert optional == defaults(role)
    assert {name: type(value) for name, value in optional.items()} == {name: type(value) for name, value in defaults(role).items()}
    assert all("default" not in option for option in options.values() if option.get("required"))


@pytest.mark.parametrize("role", ROLES)
def test_types_and_values_agree(role: str) -> None:
    """Validated by Ansible's own validator, and unchanged by it: a default of another type than its option's would be converted."""
    options = specs(role)["main"]["options"]
    assert {option["type"] for option in options.values()} <= SUBSET
    values = {name: value for name, value in defaults(role).items() if value is not None}
    given = {**values, **{name: "/x" for name, option in options.items() if option.get("required")}}
    result = ArgumentSpecValidator(options).validate(given)
    assert result.error_messages == []
    assert {name: result.validated_parameters[name] for name in given} == given


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_of_its_role_and_says_what_it_is(role: str) -> None:
    for name, option in specs(role)["main"]["options"].items():
        assert name.startswith(role + "_")
        texts = [option["description"]] if isinstance(option["description"], str) else option["description"]
        assert all(text.endswith(".") for text in texts)
        if "default" not in option and not option.get("required"):
            assert texts[-1].startswith("Not set, "), name


@pytest.mark.parametrize("role", ROLES)
def test_defaults_hold_no_expressions(role: str) -> None:
    """The model reads the file itself, without templating."""
    assert not [leaf for leaf in leaves(defaults(role)) if isinstance(leaf, str) and ("{{" in leaf or "{%" in leaf)]


@pytest.mark.parametrize("role", ROLES)
def test_every_way_into_a_role_has_its_entry_point(role: str) -> None:
    entries = specs(role)
    restart = (ROOT / "roles" / role / "tasks" / "restart.yml").exists()
    assert set(entries) == {"main", "restart"} if restart else {"main"}
    assert all(entry["options"] == entries["main"]["options"] for entry in entries.values())


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_used(role: str) -> None:
    """By the role, or by the model that reads the inventory."""
    files = [path for path in (ROOT / "roles" / role).rglob("*") if path.parent.name in ("tasks", "vars", "templates")]
    files.append(ROOT / "plugins" / "plugin_utils" / "inventory" / "cluster_model.py")
    # The schemas name a variable for what a build may have; every version is read as `<role>_version`.
    files += (ROOT / "plugins" / "plugin_utils" / "schema" / "versions").glob("*.yml")
    used = "\n".join(path.read_text(encoding="utf-8") for path in files)
    # Read as `<role>_group`.
    names = set(specs(role)["main"]["options"]) - {role + "_group", role + "_version"}
    assert [name for name in names if not re.search(r"\b%s\b" % name, used)] == []


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_names_every_option(role: str) -> None:
    text = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert [name for name in specs(role)["main"]["options"] if "`%s`" % name not in text] == []


def test_the_readmes_and_the_page_of_all_keys_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_action_group_has_every_module() -> None:
    """Or `module_defaults` for the group would silently miss one."""
    groups = load(ROOT / "meta" / "runtime.yml")["action_groups"]
    assert groups["horaedb"] == sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))


def test_every_filter_and_action_is_documented() -> None:
    assert {path.stem for path in (ROOT / "plugins" / "filter").glob("*.yml")} == set(FilterModule().filters())
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    assert {path.stem for path in (ROOT / "plugins" / "action").glob("*.py")} <= modules


@pytest.mark.parametrize("name", ["bundle", "config_adopt", "config_check", "host_check", "topology_check"])
def test_an_actions_options_are_those_of_its_documentation(name: str) -> None:
    """They are declared in the plugin and documented in the module of the same name."""
    source = ast.parse((ROOT / "plugins" / "action" / (name + ".py")).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(source) if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.validate_argument_spec"]
    spec = calls[0].args[0]
    assert isinstance(spec, ast.Dict)
    declared = {key.value: ast.literal_eval(value) for key, value in zip(spec.keys, spec.values, strict=True) if isinstance(key, ast.Constant)}
    shared = {"HOSTS": HOSTS}
    for key, value in zip(spec.keys, spec.values, strict=True):
        if key is None:
            declared.update(shared[ast.unparse(value)])
    for option in declared.values():
        # Nothing that a user reads.
        option.pop("no_log", None)
    module = ast.parse((ROOT / "plugins" / "modules" / (name + ".py")).read_text(encoding="utf-8"))
    texts = {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in module.body if isinstance(node, ast.Assign)}
    documentation = yaml.safe_load(texts["DOCUMENTATION"])
    documented = dict(documentation["options"])
    for fragment in documentation.get("extends_documentation_fragment", ()):
        text = importlib.import_module("ansible_collections.horaedb.cluster.plugins.doc_fragments." + fragment.split(".")[-1])
        documented.update(yaml.safe_load(text.ModuleDocFragment.DOCUMENTATION)["options"])
    assert {option: {key: value for key, value in body.items() if key not in ("description", "version_added")} for option, body in documented.items()} == declared
    yaml.safe_load(texts["EXAMPLES"])
    yaml.safe_load(texts["RETURN"])

"""What `make test` consists of, in the order of what fails soonest and cheapest."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Optional

from lab import artifact, reference, sanity
from lab.console import LabError
from lab.context import Context
from lab.environment import CORES, ENGINE, KAFKA, REGISTRY, TOOL, VENV, WHEELS
from lab.model import Lab
from lab.paths import ROOT

MOLECULE = ROOT / "molecule"
MOLECULE_PREFIX = "molecule:"
# These measure outages and costs, or count on how long something takes.
ALONE = ("chaos", "default", "interrupted", "operations")
# What a scenario needs besides Ansible and an engine; nobody else has to install it.
MORE = {"artifacts": (REGISTRY,), "airgap": (WHEELS,), "dynamic": (KAFKA,)}
# What of the controller's side imports nothing of Ansible's, which has no types.
TYPED = [
    "plugins/plugin_utils/bundle",
    "plugins/plugin_utils/render",
    "plugins/plugin_utils/service",
    *(
        f"plugins/plugin_utils/artifacts/{name}.py"
        for name in ("sources", "image_reference", "image_layers", "image_tree", "image_program", "skopeo", "container_image")
    ),
    "plugins/plugin_utils/inventory/cluster_model.py",
    *(
        f"plugins/plugin_utils/preflight/{name}.py"
        for name in ("topology_rules", "placement_rules", "live_rules", "storage_rules", "run_rules", "inputs", "host_state", "host_rules")
    ),
]
# Of antsibull-nox.toml. docs-check needs an environment of its own, so its command is called.
NOX_SESSIONS = ("extra-checks", "license-check")
# A test that hangs shows where, before the stage's time is over.
PYTEST = ("pytest", "-p", "no:cacheprovider", "--quiet", "--durations=5", "-o", "faulthandler_timeout=120")


@dataclass(frozen=True)
class Stage:
    """`deadline` in seconds. `tests`: it has to leave reports of tests that ran. `lab`: what it may leave behind.

    `whole`: no test of it may be skipped, but for what only simulators play where real binaries run.
    `beside`: may run while another one does, because none of its tests measures what the machine can do.
    `asked`: runs only when it is named.
    """

    name: str
    run: Callable[[Context], None]
    deadline: int
    needs: Collection[str] = (VENV,)
    tests: bool = True
    binaries: bool = False
    lab: Optional[Lab] = None
    beside: bool = False
    whole: bool = False
    asked: bool = False


def _lint(context: Context) -> None:
    commands = (
        ("ruff", "check", "--no-cache", "."),
        ("mypy", "--strict", "plugins/module_utils", *TYPED),
        ("mypy", "--strict", "lab"),
        ("yamllint", "--strict", "."),
        ("ansible-lint", "--offline", "--strict"),
        reference.LINTER,
        # Without environments of its own: the versions are those of requirements-test.txt, and nothing is fetched.
        ("nox", "--no-venv", "-e", *NOX_SESSIONS),
    )
    # All of them, so that one run shows every finding.
    # ansible-lint would find a copy of the collection in the user's own folder, which is of some other day.
    alone = {"ANSIBLE_HOME": str(context.reports / "ansible")}
    failed = [command[0] for command in commands if context.exit_code(*command, extra=alone) != 0]
    if failed:
        raise LabError(f"findings of {', '.join(failed)}")


def _pytest(*folders: str) -> Callable[[Context], None]:
    def run(context: Context) -> None:
        context.call(*PYTEST, *folders)

    return run


def _contract(context: Context) -> None:
    # It makes a network for its daemons, which root may: everybody is root in a user namespace of their own.
    rootless = () if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user")
    context.call(*rootless, *PYTEST, "tests/contract")


def lab_of_scenario(scenario: str) -> Lab:
    return Lab(f"molecule-{scenario}")


def _molecule(scenario: str) -> Stage:
    def run(context: Context) -> None:
        context.call("molecule", "test", "--scenario-name", scenario)

    needs = (VENV, ENGINE, *MORE.get(scenario, ()))
    return Stage(
        f"{MOLECULE_PREFIX}{scenario}",
        run,
        1800,
        needs,
        binaries=True,
        lab=lab_of_scenario(scenario),
        beside=scenario not in ALONE,
        whole=True,
    )


def scenarios() -> list[str]:
    return sorted(path.parent.name for path in MOLECULE.glob("*/molecule.yml"))


def every_stage() -> list[Stage]:
    return [
        Stage("lint", _lint, 300, tests=False, beside=True),
        Stage("unit", _pytest("tests/unit", "tests/simulator"), 900, (VENV, TOOL, KAFKA), beside=True),
        Stage("sanity", sanity.check, 600, beside=True),
        # Some 100 s of processor time for each ansible-core when its tools are not there yet, which make test has not.
        Stage("sanity-cores", sanity.check_other_cores, 1200, (VENV, CORES), asked=True),
        Stage("build", artifact.check, 300, (VENV, CORES), tests=False, beside=True),
        # Only real data nodes talk to a real Kafka.
        Stage("contract", _contract, 900, (VENV, TOOL, KAFKA) if os.environ.get("HORAE_DB_BIN") else (VENV, TOOL), binaries=True),
        Stage("hosts", _pytest("tests/hosts"), 900, (VENV, ENGINE), lab=Lab("hosts-daemon"), beside=True),
        *map(_molecule, scenarios()),
    ]


def select(stages: Sequence[Stage], wanted: Sequence[str]) -> list[Stage]:
    """All stages that need no asking, or the named ones in their usual order; `molecule` means all of its scenarios."""
    if not wanted:
        return [stage for stage in stages if not stage.asked]
    chosen = [stage for stage in stages if stage.name in wanted or stage.name.split(":")[0] in wanted]
    names = {stage.name for stage in chosen} | {stage.name.split(":")[0] for stage in chosen}
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise LabError(f"no such stage: {', '.join(unknown)}; there are: {', '.join(stage.name for stage in stages)}")
    return chosen

"""`make docs`: the reference of modules, filters and roles, out of the documentation that they carry; pages made of data before."""

from __future__ import annotations

import shutil
import subprocess

from lab import environment
from lab.console import LabError, say
from lab.paths import ROOT

TARGET = ROOT / "build" / "docs"
LINTER = ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self", str(ROOT))


def run() -> None:
    bin_folder = environment.ensure("test", (environment.VENV,))
    if TARGET.exists():
        shutil.rmtree(TARGET)
    TARGET.mkdir(parents=True)
    commands = (
        ("python", "docs/generate.py"),
        LINTER,
        (LINTER[0], "collection", "--use-current", "--squash-hierarchy", "--output-format", "simplified-rst", "--dest-dir", str(TARGET), "horaedb.cluster"),
    )
    # All of them, as pages are of use even while the linter still finds something.
    codes = [
        subprocess.run((str(bin_folder / tool), *arguments), cwd=ROOT, env=environment.variables(bin_folder), check=False).returncode
        for tool, *arguments in commands
    ]
    if any(codes):
        raise LabError("the documentation has the findings above")
    say(f"written: {TARGET}")

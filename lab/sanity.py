"""ansible-test sanity, which insists on a folder really named .../ansible_collections/horaedb/cluster and on pip from the internet."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from lab import cores
from lab.console import LabError
from lab.context import Context
from lab.paths import CACHE, ROOT

# Not in the built collection, so not in what its users could run sanity on.
NOT_COPIED = (".git", ".collections", ".ansible", ".ci", ".cache", "build", "lab", "molecule", "tests", "__pycache__", ".*_cache", ".hypothesis", "*.tar.gz")
HOME = CACHE / "ansible-test"
# Python carries a pip of its own; ansible-test would download one from a host that may be out of reach.
BOOTSTRAP = """\
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
"""


def pinned_pip(source: str) -> str:
    """The version of pip that this ansible-test wants, as it stands in its own source."""
    match = re.search(r"pip='([0-9.]+)'", source)
    if match is None:
        raise LabError("this ansible-core does not say which pip its ansible-test wants; lab/sanity.py has to learn how it does now")
    return match[1]


def _provide_pip(bin_folder: Path) -> None:
    [source] = bin_folder.parent.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py")
    bootstrap = HOME / ".ansible" / "test" / "cache" / f"get_pip_{pinned_pip(source.read_text()).replace('.', '_')}.py"
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    bootstrap.write_text(BOOTSTRAP)


def check(context: Context) -> None:
    _provide_pip(context.bin_folder)
    [python] = (path.name for path in (context.bin_folder.parent / "lib").glob("python*"))
    with tempfile.TemporaryDirectory(prefix="sanity-", dir=CACHE) as folder:
        copy = Path(folder) / "ansible_collections" / "horaedb" / "cluster"
        shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
        options = ("--color", "no", "--python", python.replace("python", ""), "--junit")
        try:
            context.call("ansible-test", "sanity", *options, cwd=copy, extra={"HOME": str(HOME)})
        finally:
            for report in (copy / "tests" / "output" / "junit").glob("*.xml"):
                # Each ansible-core gives its reports the same names.
                shutil.copy(report, context.reports / f"{context.bin_folder.parent.name}-{report.name}")


def check_other_cores(context: Context) -> None:
    for one in cores.contexts(context):
        check(one)

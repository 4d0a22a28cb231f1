"""Packages of this machine: said before they are installed, and never installed behind the user's back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from lab.console import LabError, run, say

INSTALL_TIMEOUT = 900
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def refresh() -> None:
    run(["apt-get", "update", "--quiet"], timeout=INSTALL_TIMEOUT)


def install(reasons: Mapping[str, str]) -> None:
    """Install packages, each with the reason it is needed for; say what to type where that cannot be done here."""
    if not reasons:
        return
    listed = "\n".join(f"  {package}: {reason}" for package, reason in sorted(reasons.items()))
    command = f"apt-get install --yes --no-install-recommends {' '.join(sorted(reasons))}"
    if shutil.which("apt-get") is None:
        raise LabError(f"missing on this machine; install them with its own package manager (the names are Debian's):\n{listed}")
    if os.geteuid() != 0:
        raise LabError(f"missing on this machine:\n{listed}\ntype: sudo {command}")
    say(f"installing Debian packages:\n{listed}")
    refresh()
    run(command.split(), timeout=INSTALL_TIMEOUT, env={**os.environ, **QUIET})

# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Why nothing can be deployed to a host: what came of the one look at it (host_state.py). Pure."""

from __future__ import annotations

from typing import List

from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import Faults, Finding, rule
from ansible_collections.horaedb.cluster.plugins.plugin_utils.preflight.host_state import HostState

OLDEST_PYTHON = (3, 8)
OLDEST_SYSTEMD = 247


@rule("host.unreachable")
def unreachable(host: str, said: str) -> Faults:
    yield (
        (host,),
        "%s." % said.strip().rstrip("."),
        "Check that it is up, its ansible_host, ansible_user and key; log in by hand. To leave it out of this run: --limit '!%s'." % host,
    )


@rule("host.become")
def not_root_by_become(host: str, said: str) -> Faults:
    yield (host,), "%s." % said.strip().rstrip("."), "Check ansible_become_password (or -K) and the host's sudoers file."


@rule("host.shell")
def no_shell(host: str, said: str) -> Faults:
    """`said`: what came instead of the script's output."""
    yield (host,), "the first command failed: %s." % said, "Log in by hand and run: sudo sh -c id"


@rule("host.root")
def not_root(state: HostState, _python: str) -> Faults:
    if state.uid != 0:
        yield (
            (state.host,),
            "commands run as user id %d, not as root." % state.uid,
            "Set ansible_become to true (and -K, or ansible_become_password).",
        )


@rule("host.python")
def old_python(state: HostState, python: str) -> Faults:
    if state.python < OLDEST_PYTHON:
        seen = ".".join(str(part) for part in state.python) or "missing"
        yield (
            (state.host,),
            "%s is %s; Ansible needs Python %d.%d or newer on the host." % (python, seen, *OLDEST_PYTHON),
            "Install it (apt-get install python3, dnf install python3), or set ansible_python_interpreter.",
        )


@rule("host.systemd")
def old_systemd(state: HostState, _python: str) -> Faults:
    if state.systemd < OLDEST_SYSTEMD:
        yield (
            (state.host,),
            "systemd is %s; the units need %d or newer." % (state.systemd or "missing", OLDEST_SYSTEMD),
            "Use a distribution from 2021 or later.",
        )


def problems(state: HostState, python: str) -> List[Finding]:
    """Findings about a host that answered; `python` is the interpreter that it was asked for."""
    return [finding for judge in (not_root, old_python, old_systemd) for finding in judge(state, python)]

"""An inventory as Ansible reads it."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import subprocess
from typing import Any

from tests.support.playbook import ROOT


@functools.cache
def listed(inventory: pathlib.Path) -> dict[str, Any]:
    """Groups with their hosts, and every host's variables under _meta, as `ansible-inventory --list` says."""
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
    command = ["ansible-inventory", "-i", str(inventory), "--list"]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)
    return dict(json.loads(said.stdout))


def hostvars(inventory: pathlib.Path) -> dict[str, dict[str, Any]]:
    return dict(listed(inventory)["_meta"]["hostvars"])

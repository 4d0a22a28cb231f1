"""Hosts of the lab for tests that need a real systemd, a real ssh and nothing else."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

LAB = "hosts-daemon"


def _lab(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lab", *arguments], cwd=ROOT, check=check, capture_output=True, text=True, timeout=300)


@dataclass(frozen=True)
class Host:
    """One host, and how to look at it without Ansible."""

    name: str
    inventory: pathlib.Path

    def shell(self, script: str, check: bool = True) -> str:
        done = _lab("exec", LAB, self.name, "sh", "-c", script, check=False)
        assert not check or done.returncode == 0, "%s\n%s%s" % (script, done.stdout, done.stderr)
        return done.stdout.strip()


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    inventory = tmp_path_factory.mktemp("lab") / "hosts.yml"
    _lab("up", LAB, "--host", "h1:daemons", "--inventory", str(inventory))
    try:
        yield Host("h1", inventory)
    finally:
        _lab("down", LAB)

"""The container engine, spoken to through its command line only."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Optional

from lab.console import LabError, run


def docker(*args: str, stdin: Optional[bytes] = None, timeout: float = 120) -> str:
    return run(["docker", *args], stdin=stdin, timeout=timeout).stdout.strip()


def succeeds(*args: str) -> bool:
    """For questions whose "no" is an answer and not a failure, such as whether an image exists."""
    return run(["docker", *args], check=False).returncode == 0


def why_unusable() -> Optional[str]:
    """None when an engine answers, else its client's (or our) words for why not."""
    try:
        done = run(["docker", "version", "--format", "{{.Server.Version}}"], check=False, timeout=20)
    except LabError as error:
        return str(error)
    if done.returncode == 0 and done.stdout.strip():
        return None
    return (done.stderr.strip() or "no answer").splitlines()[-1]


@functools.lru_cache(maxsize=1)
def cgroup_version() -> int:
    return int(docker("info", "--format", "{{.CgroupVersion}}") or "1")


def systemd_flags(cgroups: int) -> Sequence[str]:
    """What lets systemd be process 1. Never --privileged: it needs capabilities that many machines do not have."""
    flags = ["--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN"]
    flags += ["--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"]
    flags += ["--tmpfs=/run", "--tmpfs=/run/lock", "--stop-signal=SIGRTMIN+3"]
    flags += ["--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    # A reboot ends process 1, and the engine starts it again. What was stopped through the engine stays off.
    flags += ["--restart=unless-stopped"]
    if cgroups == 1:
        # systemd 256 and 257 boot on cgroup v1 only when told so; older ones ignore the words.
        words = "systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"
        flags += [f"--env=SYSTEMD_PROC_CMDLINE={words}"]
    return flags

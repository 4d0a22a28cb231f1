"""Makes the image of a lab host from Debian packages, because a registry cannot be counted on."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from lab import apt, engine, recipe
from lab.console import LabError, run, say
from lab.paths import CACHE, locked

BUILD_TIMEOUT = 600


def exists(distro: str) -> bool:
    return engine.succeeds("image", "inspect", recipe.tag(distro))


def build_command(distro: str, target: Path, sources: list[apt.Source]) -> tuple[list[str], str]:
    """The mmdebstrap call, and the sources that it reads on its standard input ("" for its own default)."""
    argv = ["mmdebstrap", "--variant=minbase", "--quiet", f"--include={','.join(recipe.PACKAGES)}"]
    argv += ["--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"]
    argv += ['--aptopt=Acquire::Languages "none"', f"--customize-hook={recipe.CUSTOMIZE}", distro, str(target)]
    if sources:
        argv.append("-")
    return argv, "".join(f"{source.line()}\n" for source in sources)


def _build(distro: str) -> None:
    if shutil.which("mmdebstrap") is None:
        raise LabError("mmdebstrap is not installed; type: python3 -m lab setup")
    started = time.monotonic()
    say(f"making image {recipe.tag(distro)} from Debian packages (about half a minute, once)")
    with tempfile.TemporaryDirectory(prefix="image-", dir=CACHE) as folder:
        tarball = Path(folder) / "root.tar"
        argv, sources = build_command(distro, tarball, apt.sources_for(distro))
        done = run(argv, stdin=sources.encode(), timeout=BUILD_TIMEOUT, check=False)
        if done.returncode != 0:
            raise LabError(f"mmdebstrap could not make a {distro}:\n{done.stderr[-3000:].strip()}")
        changes = ['--change=CMD ["/sbin/init"]', "--change=ENV container=docker"]
        engine.docker("import", *changes, str(tarball), recipe.tag(distro), timeout=BUILD_TIMEOUT)
    say(f"image {recipe.tag(distro)} made in {time.monotonic() - started:.0f} s")


def ensure(distro: str) -> str:
    with locked(f"image-{distro}"):
        if not exists(distro):
            _build(distro)
    return recipe.tag(distro)

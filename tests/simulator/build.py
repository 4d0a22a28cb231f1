#!/usr/bin/python3
"""Makes the two doubles: `build.py OUTDIR` writes OUTDIR/horaemeta-server and OUTDIR/horaedb-server.

The same source gives the same bytes, so that a checksum of the result is worth something.
"""

from __future__ import annotations

import argparse
import io
import os
import pathlib
import tempfile
import zipfile
from typing import Dict

HERE = pathlib.Path(__file__).resolve().parent
DAEMONS = {"horaemeta-server": "horaemeta", "horaedb-server": "horaedb"}
FLAVOURS = ("good", "crash", "mute", "badglibc")
SHEBANG = b"#!/usr/bin/python3\n"
EPOCH = (1980, 1, 1, 0, 0, 0)


def sources(package: str, version: str, flavour: str) -> Dict[str, bytes]:
    files = {}
    for part in ("common", package):
        for path in (HERE / part).rglob("*.py"):
            files[path.relative_to(HERE).as_posix()] = path.read_bytes()
    files["common/buildinfo.py"] = ("VERSION = %r\nFLAVOUR = %r\n" % (version, flavour)).encode()
    files["__main__.py"] = ("from %s.__main__ import main\n\nmain()\n" % package).encode()
    return files


def archive(files: Dict[str, bytes]) -> bytes:
    buffer = io.BytesIO(SHEBANG)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as bundle:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, files[name])
    return buffer.getvalue()


def build(outdir: pathlib.Path, version: str = "2.1.0", flavour: str = "good") -> Dict[str, pathlib.Path]:
    """Writes both; a file appears complete or not at all, since others may be starting the old one."""
    outdir.mkdir(parents=True, exist_ok=True)
    built = {}
    for name, package in DAEMONS.items():
        with tempfile.NamedTemporaryFile(dir=outdir, delete=False) as temporary:
            temporary.write(archive(sources(package, version, flavour)))
        os.chmod(temporary.name, 0o755)
        built[name] = outdir / name
        os.replace(temporary.name, built[name])
    return built


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("outdir", type=pathlib.Path)
    parser.add_argument("--version", default="2.1.0", help="what the doubles say they are (default 2.1.0)")
    parser.add_argument("--flavour", choices=FLAVOURS, default="good", help="good, or broken in one way (see README.md)")
    options = parser.parse_args()
    for path in build(options.outdir, options.version, options.flavour).values():
        print(path)


if __name__ == "__main__":
    main()

"""Reads this machine's package sources, so that images come from the mirror that the machine itself uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

APT = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")
# The parts of a Debian release; any other suite on the machine belongs to a third party.
SUITE_ENDINGS = ("", "-updates", "-security")


@dataclass(frozen=True)
class Source:
    uri: str
    suite: str
    options: tuple[str, ...] = ()

    def line(self) -> str:
        options = f"[{' '.join(self.options)}] " if self.options else ""
        return f"deb {options}{self.uri} {self.suite} main"


def _from_one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)", line.strip())
        if match:
            yield Source(match["uri"], match["suite"], tuple((match["options"] or "").split()))


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
        elif ":" in line:
            key, value = line.split(":", 1)
            name = key.strip().lower()
            fields[name] = value.strip()
    return fields


def _from_deb822(text: str) -> Iterator[Source]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        options = []
        # A key written into the stanza itself has no one-line form; the release's own keyring then has to do.
        if "signed-by" in fields and "\n" not in fields["signed-by"]:
            options.append(f"signed-by={fields['signed-by']}")
        if fields.get("trusted", "no").lower() in ("yes", "true"):
            options.append("trusted=yes")
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri, suite, tuple(options))


def parse(name: str, text: str) -> list[Source]:
    return list(_from_deb822(text) if name.endswith(".sources") else _from_one_line(text))


def for_distro(sources: Iterable[Source], here: str, wanted: str) -> list[Source]:
    """This machine's own Debian sources, said for another release of Debian."""
    suites = {here + ending: wanted + ending for ending in SUITE_ENDINGS}
    return [Source(source.uri, suites[source.suite], source.options) for source in sources if source.suite in suites]


def os_release() -> dict[str, str]:
    pairs = (line.split("=", 1) for line in OS_RELEASE.read_text().splitlines() if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def sources_for(distro: str) -> list[Source]:
    """Empty on a machine that is not Debian: mmdebstrap then knows a mirror by itself."""
    release = os_release()
    if release.get("ID") != "debian":
        return []
    files = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    found = [source for path in files if path.suffix in (".list", ".sources") and path.is_file() for source in parse(path.name, path.read_text())]
    return for_distro(found, release.get("VERSION_CODENAME", ""), distro)

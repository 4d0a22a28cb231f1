"""What the real daemons were seen to do, one file for each story, and this run held against it."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
from dataclasses import dataclass, field
from typing import Any, Dict, List, Set

from harness.cluster import Binaries
from harness.normal import merged, normal, unlike

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "recorded"
NOT_SAID = "not said by the binary"


class Told(Dict[str, Any]):
    """What a story saw; knows what a test has asked of it."""

    def __init__(self, seen: Dict[str, Any], real: bool = False) -> None:
        super().__init__(seen)
        self.real = real
        self.asked: Set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)


@dataclass
class Tally:
    """A case is a test that judges a story."""

    cases: int = 0
    held: int = 0
    without: List[str] = field(default_factory=list)
    differing: List[str] = field(default_factory=list)
    stamps: Set[str] = field(default_factory=set)

    def line(self) -> str:
        of = " of %s" % ", ".join(sorted(self.stamps)) if self.stamps else ""
        rest = ", %d without a record" % len(self.without) if self.without else ""
        return "contract: %d cases, %d held against records%s%s" % (self.cases, self.held, of, rest)


class Records:
    def __init__(self, folder: pathlib.Path = FOLDER) -> None:
        self._folder = folder
        self._loaded: Dict[str, Any] = {}
        self.tally = Tally()
        # What was asked of each story, by any test.
        self._asked: Dict[str, Set[str]] = {}

    def hold(self, case: str, story: str, told: Told) -> List[str]:
        """In what the run differs from the record of the case; a case without one is counted as such."""
        self._asked.setdefault(story, set()).update(told.asked)
        record = self._load(story)
        self.tally.cases += 1
        if not told.asked or not told.asked <= set(record["seen"]):
            self.tally.without.append(case)
            return []
        self.tally.held += 1
        self.tally.stamps.add("%s of %s" % (record["horaedb"], record["date"]))
        found = [one for key in sorted(told.asked) for one in unlike(record["seen"][key], normal(dict.__getitem__(told, key), key), key)]
        self.tally.differing += ["%s: %s" % (case, one) for one in found]
        return found

    def write(self, story: str, seen: Dict[str, Any], versions: Dict[str, str], date: str) -> None:
        """What tests have asked for, of this run or of an earlier one."""
        old = self._load(story)["seen"]
        wanted = [key for key in seen if key in self._asked.get(story, ()) or key in old]
        kept = {key: normal(seen[key], key) for key in wanted}
        kept = {key: merged(old[key], value) if key in old else value for key, value in kept.items()}
        if kept:
            self._folder.mkdir(exist_ok=True)
            text = json.dumps({"date": date, **versions, "seen": kept}, indent=1, ensure_ascii=False)
            (self._folder / (story + ".json")).write_text(text + "\n", encoding="utf-8")

    def _load(self, story: str) -> Any:
        if story not in self._loaded:
            path = self._folder / (story + ".json")
            self._loaded[story] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"seen": {}}
        return self._loaded[story]


def versions(binaries: Binaries) -> Dict[str, str]:
    """As the binaries say; a plain build of HoraeMeta says none."""
    return {"horaemeta": _version(binaries.meta, "--version"), "horaedb": _version(binaries.db, "-V")}


def said_of_version(binary: str, flag: str) -> str:
    """HoraeMeta says it on stderr."""
    done = subprocess.run([binary, flag], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=True)
    return done.stdout


def _version(binary: str, flag: str) -> str:
    found = re.search(r"\d+\.\d+\.\d+\S*", said_of_version(binary, flag))
    return found.group() if found else NOT_SAID

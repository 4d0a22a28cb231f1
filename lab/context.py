"""What a stage of the tests is given to work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Optional

from lab import watched
from lab.console import LabError, run, say
from lab.paths import ROOT


@dataclass(frozen=True)
class Context:
    bin_folder: Path
    variables: Mapping[str, str]
    reports: Path
    deadline: float
    # None: the user sees all of it at once.
    output: Optional[IO[str]] = None

    def of(self, bin_folder: Path) -> Context:
        """The same with the programs of another environment."""
        path = self.variables["PATH"].replace(str(self.bin_folder), str(bin_folder), 1)
        return replace(self, bin_folder=bin_folder, variables={**self.variables, "PATH": path, "VIRTUAL_ENV": str(bin_folder.parent)})

    def tell(self, line: str) -> None:
        if self.output:
            print(line, file=self.output, flush=True)
        else:
            say(line)

    def exit_code(self, *argv: str, cwd: Path = ROOT, extra: Optional[Mapping[str, str]] = None) -> int:
        self.tell(f"$ {' '.join(argv)}")
        program = str(self.bin_folder / argv[0]) if (self.bin_folder / argv[0]).exists() else argv[0]
        environment = {**self.variables, **(extra or {})}
        return watched.call([program, *argv[1:]], cwd=cwd, env=environment, deadline=self.deadline, output=self.output)

    def call(self, *argv: str, cwd: Path = ROOT, extra: Optional[Mapping[str, str]] = None, quiet: bool = False) -> None:
        if quiet:
            run([str(self.bin_folder / argv[0]), *argv[1:]], cwd=cwd, env={**self.variables, **(extra or {})})
            return
        code = self.exit_code(*argv, cwd=cwd, extra=extra)
        if code != 0:
            raise LabError(f"`{' '.join(argv[:2])}` ended with exit code {code}")

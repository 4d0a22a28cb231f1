"""What a test asks of a double beyond its configuration.

A knob is an environment variable HORAE_SIM_<NAME>, or a file of that name (lower case) in a folder of knobs, read at each use,
so that it can be set on a running host and for all hosts of a scenario. The environment wins.
"""

from __future__ import annotations

import os
import random
from typing import Mapping, Sequence

EVERYWHERE = "/etc/horae-simulator"
# A file with this word in it counts once, and is gone.
ONCE = "next"


class Knobs:
    def __init__(self, folders: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
        self._folders = [*folders, EVERYWHERE]
        self._environment = environment

    def read(self, name: str) -> str:
        """Empty when it isn't set."""
        if "HORAE_SIM_" + name in self._environment:
            return self._environment["HORAE_SIM_" + name].strip()
        return next((text for text in map(self._file, self._paths(name)) if text), "")

    def happens(self, name: str, usual: float) -> bool:
        """By the probability that the knob names; `usual` without one. Raises ValueError for another word."""
        text = self.read(name)
        if text == ONCE:
            return self._spend(name)
        return random.random() < (float(text) if text else usual)

    def _paths(self, name: str) -> Sequence[str]:
        return [os.path.join(folder, name.lower()) for folder in self._folders]

    @staticmethod
    def _file(path: str) -> str:
        try:
            with open(path, encoding="utf-8") as stream:
                return stream.read().strip()
        except OSError:
            return ""

    def _spend(self, name: str) -> bool:
        """Whoever takes the file away first has it."""
        for path in self._paths(name):
            try:
                os.remove(path)
                return True
            except OSError:
                continue
        return False

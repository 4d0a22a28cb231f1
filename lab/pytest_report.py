"""A plugin for pytest, switched on by `python3 -m lab test`: each run leaves its result in a file of its own.

With --junitxml given once for all, the second run of a Molecule scenario would write over the first one's result.
"""

from __future__ import annotations

import os
import time

import pytest

from lab.reports import FOLDER_VARIABLE


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder and config.option.xmlpath is None:
        config.option.xmlpath = os.path.join(folder, f"pytest-{time.time_ns()}-{os.getpid()}.xml")

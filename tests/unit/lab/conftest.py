"""Makes the lab importable, as `python3 -m lab` from the root of the checkout does."""

from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3]))

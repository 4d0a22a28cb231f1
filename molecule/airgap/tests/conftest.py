"""What the scenario's one test needs of the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Molecule starts pytest with neither folder on the path, so the imports below have to come after this (E402).
sys.path.insert(0, str(ROOT))

"""Makes the checkout importable as ansible_collections.horaedb.cluster, as ansible itself sees it."""

from __future__ import annotations

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))

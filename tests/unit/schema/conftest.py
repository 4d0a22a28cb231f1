"""The inventories of the model's tests serve here too; property tests give the same examples on every machine."""

from __future__ import annotations

import pathlib
import sys

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "model"))

settings.register_profile("schema", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("schema")

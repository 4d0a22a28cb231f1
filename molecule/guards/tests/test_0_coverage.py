"""A rule without a row in the table is a rule that nobody has seen refuse on real hosts."""

from __future__ import annotations

import re

from cases import EVERY
from conftest import ROOT


def test_every_rule_of_the_guard_is_broken_here() -> None:
    """Breaks when a rule is added, or renamed, and no case breaks it through site.yml."""
    # That the page has exactly the rules of the sources is seen to by the unit tests.
    documented = re.findall(r"^\| `([a-z.-]+)` \|", (ROOT / "docs" / "topology.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(documented) > 45
    assert {case.rule for case in EVERY} == set(documented)

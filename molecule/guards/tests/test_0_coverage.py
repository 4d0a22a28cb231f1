"""A rule without a row in the table is a rule that nobody has seen refuse on real hosts."""

from __future__ import annotations

from cases import EVERY

from tests.support import rule_ids


def test_every_rule_of_the_guard_is_broken_here() -> None:
    """Breaks when a rule is added, or renamed, and no case breaks it through site.yml."""
    known = rule_ids.every()
    assert len(known) > 45
    assert {case.rule for case in EVERY} == known

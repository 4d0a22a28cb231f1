"""Plugins run in one process with Ansible, which is under the GPL: each has to be offered under it."""

from __future__ import annotations

import pathlib

PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"
# In two pieces, as reuse takes the whole for the licence of this file.
OFFER = "# SPDX-License-" + "Identifier: Apache-2.0 OR GPL-3.0-or-later"


def test_every_plugin_is_offered_under_the_gpl() -> None:
    """Breaks when a file of code in plugins/ has no header: REUSE.toml would make it Apache-2.0 alone."""
    code = [path for path in sorted(PLUGINS.rglob("*.py")) if path.stat().st_size]
    assert code
    assert [str(path.relative_to(PLUGINS)) for path in code if OFFER not in path.read_text(encoding="utf-8").splitlines()[:6]] == []

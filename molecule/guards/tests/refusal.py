"""Runs site.yml with a case's change, and judges how it was refused."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cases import Case

from tests.support.playbook import Run
from tests.support.site import Site


def filled(text: str, site: Site) -> str:
    """{db1} is the address of db1."""
    for host, address in site.addresses.items():
        text = text.replace("{%s}" % host, address)
    return text


def run(site: Site, case: Case, *arguments: str) -> Run:
    everywhere, hosts = json.loads(filled(json.dumps([case.everywhere, case.hosts]), site))
    return site.run(*case.arguments, *arguments, everywhere=everywhere, hosts=hosts, groups=case.groups, prefix=case.prefix)


def assert_refused(ended: Run, case: Case, site: Site) -> None:
    assert ended.rc != 0
    assert "no host has been touched" in ended.output
    assert_named(ended, case, site)


def assert_named(ended: Run, case: Case, site: Site) -> None:
    """The rule's own sentence has all the words, and the other rules are there at the same time."""
    assert_said(ended, ["[%s]" % case.rule, *(filled(word, site) for word in case.says)])
    for rule in case.also:
        assert_said(ended, ["[%s]" % rule])


def assert_said(ended: Run, words: Sequence[str]) -> None:
    """All of them in one line, and nothing that only a programmer can read."""
    assert any(all(word in line for word in words) for line in ended.output.splitlines()), "no line says %s" % (words,)
    assert "Traceback" not in ended.output

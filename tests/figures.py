#!/usr/bin/env python3
"""Puts the figures of the last test runs into a document: `figures.py FOLDER FILE`, between markers in the file.

The scenarios `operations` and `chaos` leave them in build/figures, in a folder for real daemons and one for simulators: one
line of JSON for each thing they did beside a writer and readers (tests/support/load.py). Each kind has markers of its own, and
a kind that was not run keeps the table that it had.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

# As tests/support/load.py calls them -> as a reader does.
KINDS = {"real": "the real daemons", "simulators": "the simulators"}
BEGIN = "<!-- figures of %s: begin, written by tests/figures.py -->"
END = "<!-- figures of %s: end -->"
HEAD = (
    "what was done",
    "took",
    "longest outage of a node's tables",
    "moves of the leadership (failed reads of one table at each)",
    "failed of all reads",
    "rows acknowledged, refused, lost",
)

Record = Mapping[str, Any]


class NoFigures(Exception):
    """As text: what is missing, and how to get it."""


def load(folder: pathlib.Path) -> list[Record]:
    """Raises NoFigures."""
    lines = [line for path in sorted(folder.glob("*/*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    if not lines:
        raise NoFigures("%s has no figures; they are written by: make molecule SCENARIO=operations, and SCENARIO=chaos" % folder)
    return [json.loads(line) for line in lines]


def table(records: Sequence[Record]) -> str:
    rows = [HEAD, ("---",) * len(HEAD), *map(_row, records)]
    return "\n".join("| %s |" % " | ".join(row) for row in rows)


def _row(record: Record) -> tuple[str, ...]:
    outages = {host: max(found) for host, found in record["outages"].items() if found}
    away = ", ".join("%s %.1f s" % (host, seconds) for host, seconds in sorted(outages.items())) or "none"
    failed = [move["failed"] for move in record["moves"]]
    moves = "%d (%s)" % (len(failed), ", ".join(map(str, failed))) if failed else "none"
    reads = "%d of %d" % (record["failed_reads"], record["reads"])
    # A phase is only noted by a test that went on to find every acknowledged row.
    rows = "%d, %d, 0" % (record["rows"], record["unacknowledged"])
    return (record["name"], "%.0f s" % record["seconds"], away, moves, reads, rows)


def preamble(records: Sequence[Record]) -> str:
    [daemons] = {KINDS[record["daemons"]] for record in records}
    cores = ", ".join(sorted({str(record["cores"]) for record in records}))
    return (
        "Measured with %s on one machine of %s cores, which hosts, controller, writer and readers shared: one table of each data node read 5 times "
        "a second through another node, 20 rows a second written to six tables." % (daemons, cores)
    )


def put(text: str, kind: str, content: str) -> str:
    """The text with `content` between the markers of this kind; raises NoFigures."""
    first, last = BEGIN % KINDS[kind], END % KINDS[kind]
    before, begin, rest = text.partition(first)
    _old, end, after = rest.partition(last)
    if not begin or not end:
        raise NoFigures("it has no lines `%s` and `%s`, between which the table goes" % (first, last))
    return "%s%s\n%s\n%s%s" % (before, first, content, last, after)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="build/figures")
    parser.add_argument("file", type=pathlib.Path, help="docs/operations.md")
    options = parser.parse_args(arguments)
    try:
        records = load(options.folder)
        text = options.file.read_text(encoding="utf-8")
        for kind in KINDS:
            if found := [record for record in records if record["daemons"] == kind]:
                text = put(text, kind, preamble(found) + "\n\n" + table(found))
    except NoFigures as error:
        print("figures: %s: %s" % (options.file, error), file=sys.stderr)
        return 1
    options.file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

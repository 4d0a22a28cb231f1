"""The records themselves: what is written of what was seen, and what another run may see otherwise."""

from __future__ import annotations

import json
import pathlib
from typing import Any, List

import pytest
from conftest import Stage, tell
from harness.cluster import Binaries
from harness.normal import merged, normal, unlike
from harness.records import Records, Told
from harness.storage import Store
from harness.web import Reply
from stories.starts import Outcome

REFUSED = Reply(500, "application/json", json.dumps({"status": "error", "msg": "no cluster, cause:nope\nserver.go:3311\nnet/http"}))
VERSIONS = {"horaemeta": "2.1.0", "horaedb": "2.1.0"}


@pytest.mark.parametrize(
    ("key", "seen", "written"),
    [
        ("back after", 4.2371, {"seconds": 4.2}),
        ("same map", True, True),
        ("written", 16, 16),
        ("restarts", 3, {"chance": 3}),
        ("its tables", ["t4 on 10.77.3.1:8831", "t1 on 10.77.3.2:8831", "t1 on 10.77.9.2:8831"], ["TABLE on ADDRESS"]),
        ("shards still", {"Opening"}, ["Opening"]),
        ("five nodes", [2, 1, 2], [1, 2, 2]),
        ("too low", (4, 4, 0), [4, 4, 0]),
        ("log", "ten\nlines\nand panic: unexpected case in them", {"log": ["unexpected case"]}),
        ("an id", "shard 4, lease 7587869422, after 22.49s", "shard 4, lease ID, after SPAN"),
        ("no broker", (1, 2.04, "one line"), [1, {"seconds": 2.0}, "one line"]),
        (
            "malformed",
            Outcome(101, "", "a\nb\nFailed to parse config.\n", 0.01),
            {"code": 101, "out": "", "err": {"log": ["Failed to parse config."]}, "seconds": {"seconds": 0.0}},
        ),
        (
            "refused",
            REFUSED,
            {"status": 500, "content type": "application/json", "body": {"status": "error", "msg": "no cluster, cause:nope"}},
        ),
    ],
)
def test_what_is_written(key: str, seen: Any, written: Any) -> None:
    """Breaks when an address, an id or a stack trace gets into a record, or a word or a count doesn't."""
    assert normal(seen, key) == written == json.loads(json.dumps(written))


ALIKE = [
    ("back after", 4.0, 11.9),
    ("back after", 24.5, 17.0),
    ("restarts", 3, 1),
    ("log", "a\nb\nfail to acquire shard lock", "much\nmore\nof\nfail to acquire shard lock"),
    ("select", Reply(200, "json", '{"rows":[{"t":5,"tsid":11}]}'), Reply(200, "json", '{"rows":[{"t":5,"tsid":12}]}')),
    ("view", {}, {}),
]
UNLIKE = [
    ("back after", 24.5, 9.0),
    ("back after", 4.0, 14.0),
    ("same map", True, False),
    ("written", 16, 17),
    ("too low", (4, 4, 0), (3, 3, 2)),
    ("objects", 2, 2.0),
    ("log", "a\nb\nfail to acquire shard lock", "a\nb\nunexpected case"),
    ("its tables", ["Table is not found"], ["Table not found"]),
    ("select", Reply(200, "json", "{}"), Reply(400, "json", "{}")),
    ("select", Reply(200, "json", '{"rows":[]}'), Reply(200, "json", '{"rows":[{"t":5}]}')),
    ("malformed", Outcome(101, "", "", 0.1), Outcome(1, "", "", 0.1)),
    ("no broker", (1, 2.0, "log"), (1, 2.0)),
]


@pytest.mark.parametrize(("key", "recorded", "seen"), ALIKE)
def test_alike(key: str, recorded: Any, seen: Any) -> None:
    """Breaks when what the clock or chance decides is held to the letter."""
    assert unlike(normal(recorded, key), normal(seen, key), key) == []


@pytest.mark.parametrize(("key", "recorded", "seen"), UNLIKE)
def test_unlike(key: str, recorded: Any, seen: Any) -> None:
    """Breaks when drift of the simulators from the real daemons is let through."""
    assert unlike(normal(recorded, key), normal(seen, key), key)


def test_a_record_that_is_taken_again_changes_only_where_the_daemons_do() -> None:
    assert merged({"seconds": 4.1}, {"seconds": 5.0}) == {"seconds": 4.1}
    assert merged({"seconds": 4.1}, {"seconds": 25.0}) == {"seconds": 25.0}


def test_a_case_is_held_against_its_record(tmp_path: pathlib.Path) -> None:
    """Breaks when a difference passes, or when what no test asks for is held as well."""
    seen = {"rows": 5, "map": True, "unasked": "x"}
    records = Records(tmp_path)
    assert records.hold("first", "restarts", _asked(seen, "rows", "map")) == []
    assert records.tally.line() == "contract: 1 cases, 0 held against records, 1 without a record"
    records.write("restarts", seen, VERSIONS, "2026-11-27")
    again = Records(tmp_path)
    assert again.hold("same", "restarts", _asked(seen, "rows")) == []
    assert again.hold("other", "restarts", _asked(dict(seen, rows=4), "rows")) == ["rows: recorded 5, seen 4"]
    assert again.hold("new", "restarts", _asked(seen, "unasked")) == []
    assert again.tally.line() == "contract: 3 cases, 2 held against records of 2.1.0 of 2026-11-27, 1 without a record"
    assert again.tally.without == ["new"] and again.tally.differing == ["other: rows: recorded 5, seen 4"]


def test_part_of_a_story_taken_again_keeps_the_rest(tmp_path: pathlib.Path) -> None:
    """Breaks when a run of one test throws away what others are held against."""
    for rows, asked, date in ((5, "rows", "2026-11-26"), (6, "map", "2026-11-27")):
        records = Records(tmp_path)
        seen = {"rows": rows, "map": True}
        records.hold("case", "restarts", _asked(seen, asked))
        records.write("restarts", seen, VERSIONS, date)
    record = json.loads((tmp_path / "restarts.json").read_text())
    assert record == {"date": "2026-11-27", **VERSIONS, "seen": {"rows": 6, "map": True}}


def _asked(seen: Any, *keys: str) -> Told:
    told = Told(seen)
    for key in keys:
        told[key]
    return told


@pytest.mark.parametrize(
    ("real", "hung", "tellings"),
    [
        (True, [["m2"], []], 2),  # the second one saw no leader that hangs
        (True, [["m2"], ["m1"], ["m2"]], 3),
        (True, [[]], 1),
        (False, [["m2"]], 1),
    ],
)
def test_a_story_is_told_again_only_where_a_real_leader_hung(
    real: bool, hung: List[List[str]], tellings: int, store: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks when a story that failed for another reason gets another chance."""
    seen, told = iter(hung), []
    retold: List[str] = []
    monkeypatch.setattr(Stage, "hung", lambda _: next(seen))

    def story(stage: Stage) -> None:
        told.append(stage)
        raise AssertionError("no leader")

    with pytest.raises(AssertionError, match="no leader"):
        tell(story, tmp_path, Binaries("meta", "db", real=real), store, retold)
    assert (len(told), len(retold)) == (tellings, tellings - 1)

"""What a story saw, in a form that can be written down, and held against what another run saw. Pure.

Words, structure, counts and truths count to the letter. Addresses, ids and the order of lists don't; of times, only whether they are of the same size;
of a log, which of the telling words are in it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, List

from harness.likeness import ADDRESS, differences
from harness.web import Reply

# The cause of an end or of a refusal, as the real daemons name it. A log is as good as another one that has the same of them.
TELLING = (
    "Close shard failed, and we have to panic to ensure the data integrity",
    "Fail to create default schema",
    "Failed to parse config.",
    "OpenKafka",
    "RetryFailed",
    "RocksDB WAL not bundled!",
    "address already in use",
    "could not be parsed to topologyType",
    "etcd start timeout",
    "fail to acquire shard lock",
    "has already been bootstrapped",
    "unexpected case",
)
# What happened to fall into some moment, or to some of the daemons.
CHANCE = {
    *("failed while the leader moved", "asked without a follower", "restarts", "first answers with an empty list", "logs"),
    # In some stops of a hundred a data node ends with 1.
    *("exit code of SIGTERM", "SIGTERM"),
    "without a broker for",
}
# A line or two are a message and are kept; what is longer is a log.
MESSAGE_LINES = 2
_IDS = re.compile(r"\d{5,}|\b[0-9a-f]{12,}\b")
# Which of the stories' tables it was.
_TABLES = re.compile(r"\bt\d\b")
_SPANS = re.compile(r"\b\d+(\.\d+)?(ns|µs|ms|s)\b")
SECONDS, LOG, CHANCED = "seconds", "log", "chance"


def normal(value: Any, key: str = "") -> Any:
    """What JSON can hold. Every float in what stories saw is a time in seconds."""
    if key in CHANCE:
        return {CHANCED: value if isinstance(value, int) else type(value).__name__}
    if isinstance(value, float):
        return {SECONDS: round(value, 1)}
    if isinstance(value, (bool, int)) or value is None:
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Reply):
        return {"status": value.status, "content type": value.content_type, "body": _answer(value.body)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return normal({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, dict):
        return {_message(str(name)): normal(item, str(name)) for name, item in value.items()}
    if isinstance(value, tuple):
        return [normal(item) for item in value]
    return _unordered([normal(item) for item in value])


def _answer(body: Any) -> Any:
    """JSON of a daemon's: what texts it has are messages. A page of text is as a log."""
    if isinstance(body, str):
        return _text(body)
    if isinstance(body, dict):
        return {_message(name): _message(item) if isinstance(item, str) else _answer(item) for name, item in body.items()}
    if isinstance(body, list):
        return [_message(item) if isinstance(item, str) else _answer(item) for item in body]
    return body


def _text(text: str) -> Any:
    is_log = len(text.strip().splitlines()) > MESSAGE_LINES
    return {LOG: [words for words in TELLING if words in text]} if is_log else _message(text)


def _message(text: str) -> str:
    """Its first line: HoraeMeta's errors go on with those of a stack trace."""
    text = text.strip().split("\n")[0]
    for pattern, name in ((ADDRESS, "ADDRESS"), (_SPANS, "SPAN"), (_IDS, "ID"), (_TABLES, "TABLE")):
        text = pattern.sub(name, text)
    return text


def _unordered(items: List[Any]) -> List[Any]:
    """Of texts, each once: how many shards or tables a node has is up to chance."""
    if items and all(isinstance(item, str) for item in items):
        return sorted(set(items))
    return sorted(items, key=json.dumps)


def unlike(recorded: Any, seen: Any, what: str) -> List[str]:
    """Both in the normal form; nothing when they are alike."""
    kinds = [_kind(value) for value in (recorded, seen)]
    if kinds[0] != kinds[1]:
        return ["%s: recorded %s, seen %s" % (what, _short(recorded), _short(seen))]
    if kinds[0] == SECONDS:
        return (
            []
            if _of_one_size(recorded[SECONDS], seen[SECONDS])
            else ["%s: recorded %.1f s, seen %.1f s" % (what, recorded[SECONDS], seen[SECONDS])]
        )
    if kinds[0] == CHANCED:
        return []
    if kinds[0] == "body":
        return differences(recorded, seen, what)
    if kinds[0] == "dict" and _answered(recorded) and _answered(seen):
        return differences(recorded, seen, what)
    if kinds[0] == "dict" and set(recorded) == set(seen):
        return [found for name in recorded for found in unlike(recorded[name], seen[name], "%s, %s" % (what, name))]
    if kinds[0] == "list" and len(recorded) == len(seen):
        return [found for number, pair in enumerate(zip(recorded, seen)) for found in unlike(*pair, "%s[%d]" % (what, number))]
    return [] if recorded == seen else ["%s: recorded %s, seen %s" % (what, _short(recorded), _short(seen))]


def merged(recorded: Any, seen: Any) -> Any:
    """The record after another look: what is alike stays as it is written, so that a record only changes where the daemons do."""
    return seen if unlike(recorded, seen, "") else recorded


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        special = [kind for kind in (SECONDS, LOG, CHANCED) if set(value) == {kind}]
        return special[0] if special else "dict"
    return type(value).__name__


def _answered(value: Any) -> bool:
    """Whether it is nothing but an answer of a daemon, which is held as the captures are: of most numbers, only that they are numbers."""
    if isinstance(value, dict):
        return _kind(value) == "dict" and all(_answered(item) for item in value.values())
    return not isinstance(value, list) or all(_answered(item) for item in value)


def _of_one_size(one: float, other: float) -> bool:
    """Whether both can be the same thing on a quick machine and on a busy one."""
    return max(one, other) <= 2 * min(one, other) + 5


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 400 else text[:200] + " ... " + text[-200:]

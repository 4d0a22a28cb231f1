"""Is a reply like a captured one? By shape and meaning; error texts to the letter, addresses and ids aside. Pure."""

from __future__ import annotations

import re
from typing import Any, List

ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+(:\d+)?")

# What another cluster, another time or another version says otherwise without meaning anything else.
VARIABLE_TEXT = {"version", "etcdserver", "etcdcluster", "key", "value", "name", "Tables", "addr"}
# Which table a shard has.
TABLE_NAME = "Tables[0].Name"
# Numbers that mean something; of all others only the type counts.
EXACT_NUMBERS = {
    *("MinNodeCount", "ShardTotal", "ProcedureExecutingBatchSize", "Role", "ShardRole", "Status", "SchemaID", "Kind"),
    "status",
    *("code", "affected_rows", "t", "value", "Limit", "Burst", "numAllowedOtherShards", "shardID"),
}
# Objects whose keys are data.
MAPS = {"unreadyShards"}
# Members of a list that are data as a whole: how many there are, and which, is up to the cluster.
FREE_TEXT_LISTS = {"success", "failed"}


def normal(text: str) -> str:
    """HoraeMeta's errors go on with the lines of a stack trace."""
    return ADDRESS.sub("ADDRESS", text.split("\n")[0])


def differences(expected: Any, actual: Any, path: str = "") -> List[str]:
    """Nothing when `actual` is like `expected`."""
    key = path.rsplit(".", 1)[-1].split("[")[0]
    if isinstance(expected, dict) and isinstance(actual, dict):
        return _objects(expected, actual, path, key)
    if isinstance(expected, list) and isinstance(actual, list):
        return _lists(expected, actual, path)
    if _kind(expected) != _kind(actual):
        return ["%s: expected %s %r, got %s %r" % (path, _kind(expected), expected, _kind(actual), actual)]
    if isinstance(expected, str):
        free = key in VARIABLE_TEXT or path.endswith(TABLE_NAME) or (expected.isdigit() and actual.isdigit())
        alike = free or normal(expected) == normal(actual)
    elif _kind(expected) == "number":
        alike = expected == actual or key not in EXACT_NUMBERS
    else:
        alike = expected == actual
    return [] if alike else ["%s: expected %r, got %r" % (path, expected, actual)]


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def _objects(expected: Any, actual: Any, path: str, key: str) -> List[str]:
    if key in MAPS:
        if bool(expected) != bool(actual):
            return ["%s: expected %r, got %r" % (path, expected, actual)]
        sample = next(iter(expected.values()), None)
        return [d for name, value in actual.items() for d in differences(sample, value, "%s.%s" % (path, name))]
    found = ["%s: %s is missing" % (path, name) for name in expected if name not in actual]
    found += ["%s: %s is not in the capture" % (path, name) for name in actual if name not in expected]
    for name in expected:
        if name in actual:
            found += differences(expected[name], actual[name], "%s.%s" % (path, name))
    return found


def _lists(expected: List[Any], actual: List[Any], path: str) -> List[str]:
    """Empty stays empty; otherwise every element is like one of the captured ones."""
    if not expected or not actual:
        return [] if not expected and not actual else ["%s: expected %d elements, got %d" % (path, len(expected), len(actual))]
    if path.rsplit(".", 1)[-1] in FREE_TEXT_LISTS:
        return [] if all(isinstance(item, str) for item in actual) else ["%s: expected names, got %r" % (path, actual)]
    found: List[str] = []
    for index, item in enumerate(actual):
        tries = [differences(sample, item, "%s[%d]" % (path, index)) for sample in expected]
        found += min(tries, key=len)
    return found

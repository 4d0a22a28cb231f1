# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What keys the daemons' files have, by version: read from versions/<daemon>-<version>.yml.

A file has `daemon`, `title`, `version`, and

- `keys`: name to a key or a table. A key has `type` (values.py), and may have `default`, `unit`, `min`, `max`, `choices`, `required`,
  `filled` (not empty), `secret`, `unused` (read by nobody), `env` (the variable that wins over it) and `doc`. A table has `keys` of its own, and
  may be `required`, `complete` (all its keys are required once it is there) or `open` (it has keys that aren't known here, and why).
  `variant` names the key that decides which of `variants` the table is; `common` are the keys of all of them. `array` has the keys of
  each entry of an array of tables. `one_of` has the texts and the tables that may stand there.
  `since` and `until` are versions. `danger` counts for all that is below: without it a change needs a restart, with `creation` it counts only
  for what is made afterwards, with `never` it may not be changed while there are data.
- `unknown_root`: what the daemon does with an unknown key at the top; further down it ignores it.
- `features`: what a build may have or lack, the variable that tells, and what it is without.
- `rules`: names of the rules between several keys (rules.py).
- `wrong`, `wrong_environment`: keys and variables that upstream's examples have, with a sentence of their own and what to `use`. Patterns.
- `environment`: variables that are no key of the file.

With `extends: <version>` a file has only what differs from another one; null takes out what is there.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

import yaml
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render.daemon_config import merge

SCHEMAS = pathlib.Path(__file__).resolve().parent / "versions"
DAEMONS = ("horaemeta", "horaedb")
RESTART, CREATION, NEVER = "restart", "creation", "never"

# A default that is not there; null can't be one, but the distinction should not hang on that.
UNSET = object()


@dataclass(frozen=True)
class Key:
    """One key that has a value."""

    name: str
    type: str
    doc: str = ""
    default: Any = UNSET
    unit: str = ""
    min: Optional[float] = None
    max: Optional[float] = None
    choices: tuple[str, ...] = ()
    required: bool = False
    filled: bool = False
    secret: bool = False
    unused: bool = False
    env: str = ""
    danger: str = RESTART
    since: str = ""
    until: str = ""


@dataclass(frozen=True)
class Table:
    """One table, an array of them, or a value that may be a table."""

    name: str
    keys: Mapping[str, Node] = field(default_factory=dict)
    doc: str = ""
    default: Any = UNSET
    required: bool = False
    complete: bool = False
    open: str = ""
    unused: bool = False
    array: bool = False
    texts: tuple[str, ...] = ()
    variant: str = ""
    variants: Mapping[str, Table] = field(default_factory=dict)
    feature: str = ""
    danger: str = RESTART
    since: str = ""
    until: str = ""
    env: str = ""


Node = Union[Key, Table]


@dataclass(frozen=True)
class Schema:
    """All that is known of one daemon's configuration in one version."""

    daemon: str
    title: str
    version: str
    root: Table
    unknown_root: str
    features: Mapping[str, Mapping[str, str]]
    rules: tuple[str, ...]
    wrong: Mapping[str, Mapping[str, str]]
    wrong_environment: Mapping[str, Mapping[str, str]]
    environment: Mapping[str, Key]

    @property
    def name(self) -> str:
        return "%s %s" % (self.title, self.version)

    @functools.cached_property
    def overrides(self) -> Mapping[str, tuple[str, Key]]:
        """Variable of the environment to the path and the key that it overrides."""
        return {node.env: (path, node) for path, node in walk(self.root) if isinstance(node, Key) and node.env}

    @functools.cached_property
    def paths(self) -> Mapping[str, Node]:
        return dict(walk(self.root))


def walk(table: Table, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Every key and table below, with its path; those of variants under the table that has them."""
    for node in table.keys.values():
        path = prefix + node.name
        yield path, node
        if isinstance(node, Table):
            yield from walk(node, path + ("[]." if node.array else "."))
    seen: set[str] = set()
    for variant in table.variants.values():
        for path, node in walk(variant, prefix):
            if path not in seen:
                seen.add(path)
                yield path, node


def number(version: str) -> tuple[int, ...]:
    """For comparison: 2.1 is 2.1.0. Raises ValueError for what isn't numbers with dots between them."""
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


def versions(daemon: str) -> list[str]:
    """What there is data of, the newest last."""
    return sorted((path.stem[len(daemon) + 1 :] for path in SCHEMAS.glob(daemon + "-*.yml")), key=number)


def nearest(daemon: str, version: str) -> str:
    """This version, else the nearest lower one that there is, else the lowest. Raises ValueError for what is no version."""
    known = versions(daemon)
    return max((one for one in known if number(one) <= number(version)), key=number, default=known[0])


@functools.cache
def load(daemon: str, version: str) -> Schema:
    """The schema of a version that there is data of."""
    data = _raw(daemon, version)
    return Schema(
        daemon=daemon,
        title=data["title"],
        version=version,
        root=Table(name="", keys=_nodes(data["keys"], RESTART)),
        unknown_root=data["unknown_root"],
        features=data.get("features", {}),
        rules=tuple(data.get("rules", ())),
        wrong=data.get("wrong", {}),
        wrong_environment=data.get("wrong_environment", {}),
        environment={name: _key(name, body, RESTART) for name, body in data.get("environment", {}).items()},
    )


def _raw(daemon: str, version: str) -> dict[str, Any]:
    text = (SCHEMAS / ("%s-%s.yml" % (daemon, version))).read_text(encoding="utf-8")
    data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return merge(_raw(daemon, str(data["extends"])), data) if "extends" in data else dict(data)


def _nodes(bodies: Mapping[str, Any], danger: str) -> dict[str, Node]:
    # A table may have a key that is called type.
    return {name: (_key if isinstance(body.get("type"), str) else _table)(name, body, danger) for name, body in bodies.items()}


def _key(name: str, body: Mapping[str, Any], danger: str) -> Key:
    return Key(name=name, **{"danger": danger, **body, "choices": tuple(body.get("choices", ()))})


def _table(name: str, body: Mapping[str, Any], danger: str) -> Table:
    rest = {"danger": danger, **body}
    below = rest["danger"]
    common, either, entries = rest.pop("common", {}), rest.pop("one_of", {}), rest.pop("array", None)
    keys = {**rest.pop("keys", {}), **either.get("tables", {}), **(entries or {})}
    variants = {
        kind: _table(name, {**variant, "keys": {**variant.get("keys", {}), **common}}, below)
        for kind, variant in rest.pop("variants", {}).items()
    }
    texts = tuple(either.get("text", ()))
    if variants:
        tag = rest["variant"]
        keys = {tag: {"type": "choice", "choices": list(variants), "required": True, "doc": "Which kind the table is of."}, **keys}
    return Table(name=name, **{**rest, "keys": _nodes(keys, below), "variants": variants, "array": entries is not None, "texts": texts})

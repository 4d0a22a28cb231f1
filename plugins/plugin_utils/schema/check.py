# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The one engine: a configuration, held against the schema of its daemon and version.

Pure. A problem says at which path, what is wrong and what to do; whose variable that is, is the caller's business.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.common.units import seconds
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import keys as schema_keys
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import values
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.keys import UNSET, Key, Node, Schema, Table, number

UNKNOWN, VALUE, MISSING, TOGETHER, UNUSED, UNWISE = "unknown", "value", "missing", "together", "unused", "unwise"
# A table with more keys than this isn't told in full.
_MANY = 12

Path = tuple[Any, ...]


@dataclass(frozen=True)
class SettingProblem:
    """`what` begins with the path. `remedy` says what to do and not where; empty where correcting the value is all."""

    path: Path
    kind: str
    what: str
    remedy: str = ""


def dotted(path: Path) -> str:
    """limiter.rules[0].type"""
    text = ""
    for step in path:
        text += "[%d]" % step if isinstance(step, int) else ".%s" % step if text else str(step)
    return text


def pick(daemon: str, version: str) -> Schema:
    """The schema that a version is judged by. Raises ValueError for what is no version."""
    return schema_keys.load(daemon, schema_keys.nearest(daemon, version))


def newest(daemon: str) -> str:
    """The newest version that there is data of."""
    return schema_keys.versions(daemon)[-1]


class Check:
    """One look at one configuration. `features`: what the build has; `environment`: variables that win over the file."""

    def __init__(
        self,
        schema: Schema,
        tree: Mapping[str, Any],
        version: Optional[str] = None,
        environment: Optional[Mapping[str, Any]] = None,
        features: Collection[str] = (),
    ) -> None:
        self.schema = schema
        self._tree = tree
        self._version = version or schema.version
        self._environment = environment or {}
        self._features = features

    def problems(self) -> list[SettingProblem]:
        """Everything that is wrong with the tree. The environment is judged by `environment_problems`."""
        return list(self._table(self.schema.root, self._tree, ()))

    def value(self, path: str) -> Any:
        """What the daemon will use: environment, tree, default. None where that is nothing, or nothing it could read."""
        node = self.schema.paths[path]
        if isinstance(node, Key) and node.env in self._environment:
            try:
                return values.from_text(node, str(self._environment[node.env]))
            except ValueError:
                return None
        tree: Any = self._tree
        for step in path.split("."):
            if not isinstance(tree, Mapping) or step not in tree:
                return None if node.default is UNSET else node.default
            tree = tree[step]
        return tree if isinstance(node, Table) or values.fits(node, tree) else None

    def _table(self, table: Table, tree: Any, path: Path) -> Iterator[SettingProblem]:
        if not isinstance(tree, Mapping):
            yield SettingProblem(path, VALUE, "%s has to be a table." % dotted(path))
            return
        keys = table.keys
        if table.variant:
            here, chosen = (*path, table.variant), tree.get(table.variant)
            if table.variant not in tree:
                why = " " + table.doc if table.required else ""
                what = "%s is missing, and decides what the table is.%s" % (dotted(here), why)
                yield SettingProblem(here, MISSING, what, "It is one of %s." % ", ".join(table.variants))
                return
            if not isinstance(chosen, str) or chosen not in table.variants:
                yield from self._known(keys[table.variant], chosen, here)
                return
            yield from self._built(table.variants[chosen], chosen, here)
            keys = {**keys, **table.variants[chosen].keys}
        for name, value in tree.items():
            if name in keys:
                yield from self._known(keys[name], value, (*path, name))
            elif not table.open:
                yield self._unknown(table, keys, name, tree, path)
        for name, node in keys.items():
            if name not in tree:
                yield from self._absent(node, table, (*path, name))

    def _known(self, node: Node, value: Any, path: Path) -> Iterator[SettingProblem]:
        if node.since and number(self._version) < number(node.since):
            yield SettingProblem(
                path,
                UNKNOWN,
                "%s came with %s %s, and this is %s." % (dotted(path), self.schema.title, node.since, self._version),
                "Take it out.",
            )
        elif isinstance(node, Key):
            yield from self._value(node, value, path)
        elif node.array:
            yield from self._array(node, value, path)
        elif node.texts:
            yield from self._text_or_table(node, value, path)
        else:
            if node.unused and value:
                yield from self._unused(node, value, path)
            yield from self._table(node, value, path)

    def _value(self, key: Key, value: Any, path: Path) -> Iterator[SettingProblem]:
        if not values.fits(key, value):
            yield SettingProblem(
                path,
                VALUE,
                "%s is %s, which is not %s." % (dotted(path), values.shown(key, value), values.wanted(key)),
                values.hint(key, value),
            )
        elif key.unused and value != key.default:
            yield from self._unused(key, value, path)

    def _unused(self, node: Node, value: Any, path: Path) -> Iterator[SettingProblem]:
        """Not where everything in it is the default, as in a configuration that the daemon printed itself."""
        if isinstance(node, Key) or _differs(node, value):
            yield SettingProblem(path, UNUSED, "%s is read by nothing in %s." % (dotted(path), self.schema.name), "Take it out.")

    def _array(self, table: Table, value: Any, path: Path) -> Iterator[SettingProblem]:
        if not isinstance(value, list):
            yield SettingProblem(path, VALUE, "%s has to be an array of tables." % dotted(path), "Make it a list, even of one.")
            return
        one = Table(table.name, table.keys)
        for index, entry in enumerate(value):
            yield from self._table(one, entry, (*path, index))

    def _text_or_table(self, table: Table, value: Any, path: Path) -> Iterator[SettingProblem]:
        if isinstance(value, Mapping) and len(value) == 1:
            yield from self._table(Table(table.name, table.keys), value, path)
        elif not (isinstance(value, str) and value in table.texts):
            what = "%s is %s, which is neither %s nor a table with one of %s (case counts)."
            yield SettingProblem(
                path,
                VALUE,
                what % (dotted(path), values.shown(Key("", "any"), value), ", ".join(table.texts), ", ".join(table.keys)),
            )

    def _absent(self, node: Node, table: Table, path: Path) -> Iterator[SettingProblem]:
        if isinstance(node, Table) and node.required:
            yield from self._table(node, {}, path)
        elif isinstance(node, Key) and node.env and node.env in self._environment:
            return
        elif node.required or table.complete:
            why = "; all keys of %s are required once it is there" % dotted(path[:-1]) if table.complete else ""
            say = "It is %s." % values.wanted(node) if isinstance(node, Key) else ""
            yield SettingProblem(path, MISSING, "%s is missing%s." % (dotted(path), why), say)

    def _built(self, variant: Table, name: str, path: Path) -> Iterator[SettingProblem]:
        gone = variant.until and number(self._version) > number(variant.until)
        if gone and variant.feature not in self._features:
            feature = self.schema.features[variant.feature]
            yield SettingProblem(
                path,
                VALUE,
                "%s is %s. %s" % (dotted(path), name, feature["without"]),
                "Set %s to true where the build has it, or take another type." % feature["variable"],
            )

    def _unknown(self, table: Table, keys: Mapping[str, Node], name: str, tree: Mapping[str, Any], path: Path) -> SettingProblem:
        here = dotted((*path, name))
        for pattern, said in self.schema.wrong.items():
            if fnmatch.fnmatchcase(here, pattern):
                return SettingProblem(
                    (*path, name), UNKNOWN, "%s is no key of %s. %s" % (here, self.schema.name, said["text"]), "It is %s." % said["use"]
                )
        fatal = not path and self.schema.unknown_root == "fatal"
        what = "%s is no key of %s, which %s." % (here, self.schema.name, "would not start" if fatal else "would ignore it without a word")
        others = [kind for kind, variant in table.variants.items() if name in variant.keys]
        if others:
            return SettingProblem(
                (*path, name),
                UNKNOWN,
                "%s is for %s %s, and %s is %s." % (here, table.variant, " and ".join(others), table.variant, tree[table.variant]),
                "Take it out.",
            )
        return SettingProblem((*path, name), UNKNOWN, what, self._meant(keys, name, path))

    def _meant(self, keys: Mapping[str, Node], name: str, path: Path) -> str:
        """The nearest valid key: in this table, or one that is called so elsewhere."""
        sure, perhaps = (difflib.get_close_matches(name.lower(), keys, 1, cutoff) for cutoff in (0.75, 0.6))
        elsewhere = [other for other in self.schema.paths if other.rpartition(".")[2] == name]
        if sure or not elsewhere and perhaps:
            return "The nearest one is %s." % dotted((*path, (sure or perhaps)[0]))
        if elsewhere:
            return "There is %s." % " and ".join(elsewhere[:2])
        far = difflib.get_close_matches(dotted((*path, name)), self.schema.paths, 1, 0.8)
        if far and not dotted(path).startswith(far[0]):
            return "The nearest one is %s." % far[0]
        return "There are %s." % ", ".join(sorted(keys)) if len(keys) <= _MANY else "docs/configuration.md has all keys."


def _differs(table: Table, value: Any) -> bool:
    if not isinstance(value, Mapping):
        return True
    for name, inner in value.items():
        node = table.keys.get(name)
        if isinstance(node, Table) and _differs(node, inner) or isinstance(node, Key) and not _same(node, inner):
            return True
    return False


def _same(key: Key, value: Any) -> bool:
    """Also where it is written otherwise: 10m for 600s."""
    if value == key.default:
        return True
    if key.type == "duration" and isinstance(key.default, str) and values.fits(key, value):
        return seconds(value) == seconds(key.default)
    return False


def environment_problems(schema: Schema, environment: Mapping[str, Any]) -> list[SettingProblem]:
    """Names that nobody reads although they look as if, and values that the daemon could not read."""
    known = {**{name: key for name, (_path, key) in schema.overrides.items()}, **schema.environment}
    [other] = [schema_keys.load(daemon, schema_keys.versions(daemon)[-1]) for daemon in schema_keys.DAEMONS if daemon != schema.daemon]
    found: list[SettingProblem] = []
    for name, value in environment.items():
        key = known.get(name)
        said = next((said for pattern, said in schema.wrong_environment.items() if fnmatch.fnmatchcase(name, pattern)), None)
        if key is not None:
            found += _environment_value(schema, name, key, value)
        elif said is not None:
            remedy = "The key is %s." % said["use"] if "use" in said else ""
            found.append(SettingProblem((name,), UNKNOWN, "%s does nothing in %s. %s" % (name, schema.name, said["text"]), remedy))
        elif name in other.overrides:
            what = "%s is read by %s, and not by %s." % (name, other.title, schema.name)
            found.append(SettingProblem((name,), UNKNOWN, what, "It belongs into %s_environment." % other.daemon))
        else:
            near = difflib.get_close_matches(name.upper().replace("-", "_"), known, 1, 0.85)
            if near:
                found.append(SettingProblem((name,), UNKNOWN, "%s is not read by %s." % (name, schema.name), "The nearest one is %s." % near[0]))
    return found


def _environment_value(schema: Schema, name: str, key: Key, value: Any) -> Iterator[SettingProblem]:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        values.from_text(key, text)
    except ValueError:
        path = schema.overrides[name][0] if name in schema.overrides else ""
        over = ", which wins over %s in the file," % path if path else ""
        yield SettingProblem(
            (name,), VALUE, "%s%s is %s, which is not %s." % (name, over, values.shown(key, text), values.wanted(key))
        )

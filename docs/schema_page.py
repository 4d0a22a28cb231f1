"""Renders configuration.md out of the schemas in plugins/plugin_utils/schema/versions. generate.py writes it."""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Iterator, List

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / ".collections"))

from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import keys as schema_keys  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.keys import UNSET, Key, Schema, Table  # noqa: E402
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.variables import DERIVED  # noqa: E402

INTRO = """\
# Configuration: every key

The configuration of each daemon is one TOML file, and the collection writes it whole: what it derives from the inventory, and over that what you set,
key by key, as in the file:

    horaedb_settings:
      logger: {level: warn}
      analytic:
        storage: {mem_cache_capacity: 2GiB}
    horaemeta_settings:
      lease-sec: 10

`horaedb_object_store` and `horaedb_wal` are the tables `[analytic.storage.object_store]` and `[analytic.wal]`. null takes out a key that the
collection derives. `horaedb_environment` and `horaemeta_environment` win over
the file, in the daemons and in preflight.

Preflight holds all of it against the tables below before any host is touched: [topology.md](topology.md) has its rules. They are those of
`horaedb_version` and `horaemeta_version`. To hold a file against
them that is not this collection's, such as one of upstream's samples or one on a host:

    ansible localhost -m horaedb.cluster.config_check -a 'daemon=horaedb path=/etc/horaedb/horaedb.toml'

Playbook `adopt.yml` does that for hosts on which the daemons were installed by hand, and prints the inventory variables that make the same files; it
changes nothing.

How to read the tables:

- *duration*: always a text, units `d h m s ms` in small letters, each once and in this order, as `1h30m`. *size*: a number of bytes, or a text with
  `B`, `K`, `KB` or `KiB`, `M`, `G`, `T`, `P`; all are powers of 1024, and capitals count.
- Change: every change of a file needs a restart, which the roll does. *creation*: it counts only for what is made afterwards, the cluster, a table, a
  cache or a topic. *never*: not while there are data.
- A key marked *required* has to be written once its table is there. Variables in the last column are what the collection takes the value from, when
  the key isn't set in `*_settings`.
"""


def page() -> str:
    """The whole text of configuration.md, of the newest version of each daemon."""
    lines = [INTRO]
    for daemon in ("horaemeta", "horaedb"):
        schema = schema_keys.load(daemon, schema_keys.versions(daemon)[-1])
        lines += ["## %s" % schema.name, "", *_unknown(schema), *_tables(schema), *_environment(schema), *_wrong(schema)]
    return "\n".join(lines).rstrip() + "\n"


def _unknown(schema: Schema) -> List[str]:
    known = ", ".join(schema_keys.versions(schema.daemon))
    what = (
        "doesn't start with an unknown root table, and ignores any other unknown key"
        if schema.unknown_root == "fatal"
        else "ignores every unknown key"
    )
    return ["%s %s. Versions whose keys are known: %s." % (schema.title, what, known), ""]


def _tables(schema: Schema) -> Iterator[str]:
    yield from _table(schema, schema.root, "", "###")


def _table(schema: Schema, table: Table, path: str, level: str) -> Iterator[str]:
    if path:
        yield from ("%s [%s]" % (level, path), "", " ".join(_about(table)), "")
    keys = [node for node in table.keys.values() if isinstance(node, Key) or node.texts]
    if keys:
        yield from ("| key | takes | default | environment | change | |", "|---|---|---|---|---|---|")
        for node in keys:
            yield _row(schema, node, "%s.%s" % (path, node.name) if path else node.name)
        yield ""
    below = "###" if not path else level
    for node in table.keys.values():
        if isinstance(node, Table) and not node.texts:
            yield from _table(schema, node, "%s.%s" % (path, node.name) if path else node.name, below)
    common = set(table.keys)
    for kind, variant in table.variants.items():
        own = Table(variant.name, {name: node for name, node in variant.keys.items() if name not in common}, doc=variant.doc)
        about = 'With %s = "%s". %s' % (table.variant, kind, " ".join(_about(variant)))
        yield from ("#### [%s] %s" % (path, kind), "", about, "")
        yield from list(_table(schema, own, path, "####"))[4:]


def _about(table: Table) -> Iterator[str]:
    yield table.doc
    if table.array:
        yield "An array of tables."
    if table.complete:
        yield "Once it is there, all of its keys are required."
    if table.unused:
        yield "*Read, and not used.*"
    if table.open:
        yield "%s Other keys are not checked." % table.open
    if table.since:
        yield "Since %s." % table.since
    if table.feature:
        yield "Up to %s, and later only in a build with %s." % (table.until, table.feature)


def _row(schema: Schema, node: Key | Table, path: str) -> str:
    doc = [node.doc]
    if isinstance(node, Key):
        if node.secret:
            doc.append("Secret.")
        if node.unused:
            doc.append("*Read, and not used.*")
    variable = DERIVED[schema.daemon].get(path, "")
    if variable and "_settings" not in variable:
        doc.append("Variable: `%s`." % variable)
    elif variable:
        doc.append("Set by the collection.")
    change = "" if node.danger == schema_keys.RESTART else node.danger
    environment = "`%s`" % node.env if isinstance(node, Key) and node.env else ""
    return "| `%s` | %s | %s | %s | %s | %s |" % (node.name, _takes(node), _default(node), environment, change, " ".join(doc))


def _takes(node: Key | Table) -> str:
    if isinstance(node, Table):
        return ", ".join(["`%s`" % text for text in node.texts] + ["table `%s`" % name for name in node.keys])
    if node.choices:
        return ", ".join("`%s`" % choice for choice in node.choices)
    words = {
        "uint": "number",
        "int": "number",
        "u32": "number below 2^32",
        "float": "fraction",
        "bool": "true, false",
        "texts": "list of texts",
        "u32s": "list of numbers",
        "ipv4": "IPv4 address",
        "address": "address without port",
        "meta_url": "http://host:port",
        "urls": "URLs with commas",
        "root_path": "path with its /",
    }
    text = words.get(node.type, node.type)
    if node.unit:
        text += " (%s)" % node.unit
    if node.min not in (None, 0):
        text += ", at least %g" % node.min
    return text + (", at most %g" % node.max if node.max is not None else "")


def _default(node: Key | Table) -> str:
    default = "" if node.default is UNSET else "`%s`" % (node.default if isinstance(node.default, str) else json.dumps(node.default))
    if default == "``":
        default = "empty"
    return " ".join(filter(None, [default, "**required**" if node.required else ""]))


def _environment(schema: Schema) -> Iterator[str]:
    if schema.environment:
        yield from ("### Environment of %s that is no key" % schema.title, "", "| variable | takes | default | |", "|---|---|---|---|")
        for key in schema.environment.values():
            yield "| `%s` | %s | %s | %s |" % (key.name, _takes(key), _default(key), key.doc)
        yield ""


def _wrong(schema: Schema) -> Iterator[str]:
    yield from ("### Keys of upstream's examples that are none", "", "| written | what it is | instead |", "|---|---|---|")
    for pattern, said in {**schema.wrong, **schema.wrong_environment}.items():
        yield "| `%s` | %s | %s |" % (pattern, said["text"], "`%s`" % said["use"] if "use" in said else "")
    yield ""

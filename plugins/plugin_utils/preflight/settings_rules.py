# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""The configuration of all hosts, held against the schemas by preflight, before the first host is touched.

HoraeDB ignores a key that it doesn't know one level down, and HoraeMeta any: a typo would be lost without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Faults, Finding, Rule, rule
from ansible_collections.horaedb.cluster.plugins.module_utils.model.topology import Topology
from ansible_collections.horaedb.cluster.plugins.plugin_utils.inventory.cluster_model import Built
from ansible_collections.horaedb.cluster.plugins.plugin_utils.render.daemon_config import horaedb_config, horaemeta_config
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import check as schema_check
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema import keys, rules
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.check import SettingProblem
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.variables import variable_of

Vars = Mapping[str, Any]


def _given(*faults: tuple[Sequence[str], str, str]) -> Faults:
    """One pass over a file finds problems of every kind, so these rules are given what was found."""
    yield from faults


# Rule by kind of problem.
RULES = {
    schema_check.UNKNOWN: rule("settings.unknown")(_given),
    schema_check.VALUE: rule("settings.value")(_given),
    schema_check.MISSING: rule("settings.missing")(_given),
    schema_check.TOGETHER: rule("settings.together")(_given),
    schema_check.UNUSED: rule("settings.unused", WARNING)(_given),
    schema_check.UNWISE: rule("settings.unwise", WARNING)(_given),
}
ENVIRONMENT_RULES = {
    schema_check.UNKNOWN: rule("environment.unknown")(_given),
    schema_check.VALUE: rule("environment.value")(_given),
}
VERSION, VERSION_KNOWN = rule("settings.version")(_given), rule("settings.schema", WARNING)(_given)

# What the collection can't do without, whatever the daemon could.
_FIXED = {"horaedb": ("cluster_deployment.mode", "WithMeta"), "horaemeta": ("enable-embed-etcd", True)}


def problems(built: Built, members: Mapping[str, Vars], nodes: Mapping[str, Vars], said: Sequence[Finding]) -> list[Finding]:
    """Findings of all hosts. `said` is what the model's own rules found; what they named already isn't named again."""
    found: dict[tuple[Rule, str, str], list[str]] = {}
    for daemon, hosts in (("horaemeta", members), ("horaedb", nodes)):
        for host, values in hosts.items():
            told = [_plain(finding.what + " " + finding.change) for finding in said if host in finding.hosts or not finding.hosts]
            for judge, what, change, variable in _of_host(daemon, built.topology, host, values, bool(built.unreadable)):
                if not any(_names(text, variable) for text in told):
                    found.setdefault((judge, what, change), []).append(host)
    return [finding for (judge, what, change), named in found.items() for finding in judge((named, what, change))]


def _of_host(daemon: str, topology: Topology, host: str, values: Vars, doubtful: bool) -> Iterator[tuple[Rule, str, str, str]]:
    """Rule, what is wrong, what to change, and the variable, for each thing that is wrong. With `doubtful` derived values may be no real ones."""
    variable = "%s_version" % daemon
    version = str(values.get(variable))
    try:
        judge = schema_check.pick(daemon, version)
    except ValueError:
        yield VERSION, "%s is %r, which is no version such as 2.1.0." % (variable, version), "Correct %s." % variable, variable
        return
    if keys.number(judge.version) != keys.number(version):
        yield (
            VERSION_KNOWN,
            "%s is %s, of which this collection knows no keys; the file is judged as %s's." % (variable, version, judge.version),
            "Known are: %s." % ", ".join(keys.versions(daemon)),
            variable,
        )
    environment = values.get("%s_environment" % daemon) or {}
    features = [name for name, feature in judge.features.items() if boolean(values.get(feature["variable"]) or False, strict=False)]
    inputs = [
        values.get("%s_%s" % (daemon, name)) or {}
        for name in (("settings", "object_store", "wal") if daemon == "horaedb" else ("settings",))
    ]
    if not all(isinstance(given, Mapping) for given in (*inputs, environment)):
        # The model says so.
        return
    tree = (horaedb_config if daemon == "horaedb" else horaemeta_config)(topology, host, *inputs)
    found = [(problem, "") for problem in rules.problems(judge, tree, version, environment, features)]
    fixed = _fixed(schema_check.Check(judge, tree, version, environment), environment)
    # A mode of another kind makes every key beside it wrong, which helps nobody.
    for problem, name in fixed + [one for one in found if one[0].path[:1] not in [other.path[:1] for other, _name in fixed]]:
        if problem.kind in (schema_check.TOGETHER, schema_check.UNWISE):
            # These two are about the value that wins.
            over = judge.paths[schema_check.dotted(problem.path)].env
            name = _in_environment(daemon, over) if over in environment else ""
        variable, written = (name, True) if name else variable_of(daemon, problem.path, values)
        if written or not doubtful or problem.kind == schema_check.MISSING:
            kinds = ENVIRONMENT_RULES if name else RULES
            yield kinds.get(problem.kind, RULES[problem.kind]), problem.what, _change(problem, variable), variable
    for problem in schema_check.environment_problems(judge, environment):
        variable = _in_environment(daemon, problem.path[0])
        yield ENVIRONMENT_RULES[problem.kind], problem.what, _change(problem, variable), variable


def _in_environment(daemon: str, name: str) -> str:
    return "%s_environment['%s']" % (daemon, name)


def _fixed(check: schema_check.Check, environment: Vars) -> list[tuple[SettingProblem, str]]:
    """The problem, and the variable of the environment that sets it, if one does."""
    daemon = check.schema.daemon
    path, only = _FIXED[daemon]
    value = check.value(path)
    if value is None or value == only:
        return []
    shown, wanted = (str(one).lower() if isinstance(one, bool) else one for one in (value, only))
    name = check.schema.paths[path].env
    what = "%s is %s, and this collection can only do with %s." % (path, shown, wanted)
    return [(SettingProblem(tuple(path.split(".")), schema_check.VALUE, what), _in_environment(daemon, name) if name in environment else "")]


def _change(problem: SettingProblem, variable: str) -> str:
    if problem.remedy == "Take it out.":
        return "Take out %s." % variable
    return ("%s %s %s." % (problem.remedy, "Set" if problem.kind == schema_check.MISSING else "Correct", variable)).strip()


def _plain(text: str) -> str:
    """Both ways of writing a key below a variable are one."""
    return re.sub(r"\['([^']+)'\]", r".\1", text)


def _names(text: str, variable: str) -> bool:
    return re.search(r"(?<![\w.])%s(?![\w\[-]|\.\w)" % re.escape(_plain(variable)), text) is not None

"""site.yml against variants of one inventory: what an operator could have written wrong, one change at a time."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence

from tests.support import playbook
from tests.support.inventory import hostvars, listed
from tests.support.playbook import Run

Variables = Mapping[str, object]


class Site:
    """`addresses`: inventory host -> its address. The variants are written below `folder`."""

    def __init__(self, inventory: pathlib.Path, folder: pathlib.Path) -> None:
        self._hostvars = hostvars(inventory)
        self._groups = {name: group["hosts"] for name, group in listed(inventory).items() if "hosts" in group and name != "ungrouped"}
        self._folder = folder
        self.addresses: dict[str, str] = {host: values["ansible_host"] for host, values in self._hostvars.items()}

    def group(self, name: str) -> list[str]:
        return list(self._groups[name])

    def inventory(
        self,
        everywhere: Variables | None = None,
        hosts: Mapping[str, Variables] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> pathlib.Path:
        """The inventory with these changes: to every host, to some hosts, to who is in a group."""
        content = {
            "hosts": {
                host: {**values, **(everywhere or {}), **(hosts or {}).get(host, {})}
                for host, values in self._hostvars.items()
            },
            "children": {group: {"hosts": dict.fromkeys(members, {})} for group, members in {**self._groups, **(groups or {})}.items()},
        }
        path = self._folder / ("hosts%d.yml" % len(list(self._folder.iterdir())))
        path.write_text(json.dumps({"all": content}, indent=2))
        return path

    def run(
        self,
        *arguments: str,
        everywhere: Variables | None = None,
        hosts: Mapping[str, Variables] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        prefix: Sequence[str] = (),
    ) -> Run:
        run = playbook.run("site.yml", self.inventory(everywhere, hosts, groups), *arguments, prefix=prefix, timeout=240)
        # pytest shows it with a test that fails, whatever fails.
        print(run.output)
        return run

    def deploy(self, *arguments: str, everywhere: Variables | None = None) -> Run:
        """A run that has to end well."""
        run = self.run(*arguments, everywhere=everywhere)
        assert run.rc == 0, run.output
        return run

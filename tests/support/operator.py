"""What an operator types, against one inventory that changes as operators change theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.support import playbook
from tests.support.playbook import Run
from tests.support.services import Process, process
from tests.support.site import Site, Variables

# (inventory host, unit) -> its process
Processes = Mapping[tuple[str, str], Process]
TIMEOUT = 420


class Operator:
    """`changes` are changes of the inventory, for everybody or for some hosts; those of a run that ended well stay."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._kept: dict[str, object] = {}
        self._said: dict[tuple[str, ...], str] = {}

    def run(
        self,
        name: str,
        *arguments: str,
        extra: Variables | None = None,
        hosts: Mapping[str, Variables] | None = None,
        watch: Callable[[str], bool] | None = None,
        kill_after: float = 0.0,
        **changes: object,
    ) -> Run:
        """watch: sees every line; the run is killed at the one for which it says so."""
        path = "site.yml" if name == "site" else "playbooks/%s.yml" % name
        inventory = self._site.inventory({**self._kept, **changes}, hosts)
        run = playbook.run(path, inventory, *arguments, variables=extra, kill_at=watch, kill_after=kill_after, timeout=TIMEOUT)
        # pytest shows it with a test that fails, whatever fails.
        print("%s.yml %s: rc %d after %.1f s\n%s" % (name, arguments, run.rc, run.seconds, run.output))
        if run.rc == 0 and "--check" not in arguments:
            self._kept.update(changes)
            command = _command(name, arguments, extra)
            self._said[command] = min(self._said.get(command, run.output), run.output, key=_tasks)
        return run

    def said(self, name: str, *arguments: str, extra: Variables | None = None) -> str | None:
        """The output of the run that ended well with the fewest tasks: those that each of its runs has."""
        return self._said.get(_command(name, arguments, extra))

    def done(self, name: str, *arguments: str, **more: Any) -> Run:
        """A run that has to end well."""
        run = self.run(name, *arguments, **more)
        assert run.rc == 0, run.output
        return run

    def refused(self, name: str, *arguments: str, says: tuple[str, ...] = (), **more: Any) -> Run:
        """A run that has to fail, with all these words in one of its lines, and nothing in it that only a programmer can read."""
        run = self.run(name, *arguments, **more)
        assert run.rc != 0, "what can't be done was taken for done:\n" + run.output
        assert "Traceback" not in run.output, run.output
        assert any(all(word in line for word in says) for line in run.output.splitlines()), "no line says %s:\n%s" % (says, run.output)
        return run


def _tasks(output: str) -> int:
    return output.count("\nTASK [")


def _command(name: str, arguments: tuple[str, ...], extra: Variables | None) -> tuple[str, ...]:
    """What decides which tasks there are."""
    return (name, *arguments, str((extra or {}).get("horaedb_downtime")))


def once(*words: str, do: Callable[[], object]) -> Callable[[str], bool]:
    """For `watch`: does this, while the run goes on, at the first line that has the last word, after lines that had the others in this order."""
    left = list(words)

    def watch(line: str) -> bool:
        if left and left[0] in line:
            del left[0]
            if not left:
                do()
        return False

    return watch


def processes(on: Callable[[str], Any], places: list[tuple[str, str]]) -> Processes:
    """One after the other: the engine's command line is quick, and there are two cores."""
    return {(host, unit): process(on(host), unit) for host, unit in places}

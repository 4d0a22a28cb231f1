"""What an operator is told about a daemon that doesn't get ready."""

from __future__ import annotations

import pathlib

from tests.unit.helpers.daemon_fakes import FakeHost, converge, options


class Reborn(FakeHost):
    """systemd has started the daemon once more by the time that its deaths are counted, and it writes a lot at every start."""

    def _show(self) -> str:
        shown = dict(line.split("=", 1) for line in super()._show().splitlines())
        if self.systemd.crashing and self.systemd.restarts >= 3:
            with pathlib.Path(self.at("/tmp/tiny.log")).open("a") as log:
                log.write("my configuration is long\n" * 30)
            shown.update(
                ActiveState="active",
                SubState="running",
                MainPID=str(self.systemd.pid),
                ExecMainCode="0",
                ExecMainStatus="0",
                Result="success",
            )
        return "".join("%s=%s\n" % item for item in shown.items())


def test_a_crash_is_told_although_the_next_process_is_already_there(tmp_path: pathlib.Path) -> None:
    """Breaks when the last words are those of the process that has just been started, and the panic is buried under them."""
    host = Reborn(tmp_path)
    converge(host, options(ready=None))
    result = converge(host, options("crash\n", state="restarted", ready=None))
    assert "died 3 times" in result["msg"] and "exit status 101" in result["msg"]
    assert "boom" in result["msg"] and "my configuration" not in result["msg"]

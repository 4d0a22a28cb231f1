"""Put on PYTHONPATH of ansible-playbook: writes one line per module execution into the file HORAE_COUNT names.

Where that is a folder, into a new file in it. A module execution is a round trip to a host, which is what
a deployment costs. Callbacks see tasks, not executions: an action plugin may run several modules, or none.
"""

from __future__ import annotations

import os
import time

_LOG = os.environ.get("HORAE_COUNT")


def _count(log: str) -> None:
    from ansible.plugins.action import ActionBase

    original = ActionBase._execute_module

    def counted(self, module_name=None, *args, task_vars=None, **kwargs):  # type: ignore[no-untyped-def]
        name = module_name or self._task.action
        host = (task_vars or {}).get("inventory_hostname", "?")
        with open(log, "a", encoding="utf-8") as stream:
            stream.write("%s %s\n" % (host, name))
        return original(self, module_name, *args, task_vars=task_vars, **kwargs)

    ActionBase._execute_module = counted


if _LOG:
    _count(os.path.join(_LOG, "executions-%d" % time.time_ns()) if os.path.isdir(_LOG) else _LOG)

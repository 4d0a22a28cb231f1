"""What a host looks like from the inside, so that "nothing was touched" can be proved and not only claimed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from testinfra.host import Host

FOLDERS = ("/etc", "/opt", "/var/lib", "/usr/local")
# What running daemons and the module that only looks at them write: data, metrics, and who holds the lock.
LIVING = ("/var/lib/horaemeta", "/var/lib/horaedb", "/var/lib/horaedb-shard-keeper", "*/.lock")

# Services by their main process: one that was restarted is another line. A folder's own time is left
# out, because a file that was made and removed again inside of it leaves nothing behind but that.
_SCRIPT = """
set -eu
{find} -type d -printf 'folder %p %m %u:%g\\n'
{find} -type l -printf 'link %p %u:%g -> %l\\n'
{find} -type f -printf 'file %p %m %u:%g %s %T@\\n'
{find} -type f -exec sha256sum {{}} + | sed 's/^/digest /'
getent passwd | sed 's/^/user /'
getent group | sed 's/^/group /'
services=$(systemctl list-units --type=service --state=running --plain --no-legend | cut -d ' ' -f 1)
for service in $services; do echo "service $service $(systemctl show --value --property=MainPID "$service")"; done
ss -Hltn | awk '{{ print "port " $4 }}'
"""

Fingerprint = Mapping[str, frozenset[str]]


def take(hosts: Mapping[str, Host], without: Iterable[str] = ()) -> Fingerprint:
    """Inventory host -> one line per file, user, group, running service and listening port."""
    script = _script(without)
    with ThreadPoolExecutor(len(hosts)) as pool:
        outputs = pool.map(lambda host: host.check_output(script), hosts.values())
        return {name: frozenset(output.splitlines()) for name, output in zip(hosts, outputs, strict=True)}


def differences(before: Fingerprint, after: Fingerprint) -> list[str]:
    """What came and what went, host by host; empty when nothing was touched."""
    found = []
    for host in before:
        found += ["%s: - %s" % (host, line) for line in sorted(before[host] - after[host])]
        found += ["%s: + %s" % (host, line) for line in sorted(after[host] - before[host])]
    return found


def _script(without: Iterable[str]) -> str:
    pruned = "".join(" -path %s -prune -o" % shlex.quote(path) for path in without)
    return _SCRIPT.format(find="find %s%s" % (" ".join(FOLDERS), pruned))

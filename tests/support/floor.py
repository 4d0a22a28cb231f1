"""The least that a run without changes can cost: the same proofs as site.yml's, by shell scripts over parallel ssh."""

from __future__ import annotations

import base64
import pathlib
import shlex
import subprocess
import time
from collections.abc import Mapping

from tests.support.cluster import NAME, RECORD, Cluster
from tests.support.inventory import hostvars
from tests.support.rows import make

# What preflight sees before anything is touched: whether a deployment is possible there at all, and what is there already.
_HOST = """
id -u
python3 -c 'import sys; print(sys.version_info)'
systemctl --version
cat /etc/machine-id /proc/sys/kernel/random/boot_id
for folder in /var/lib/horaemeta/etcd /var/lib/horaedb; do
  if [ -d $folder ]; then find $folder -type f -size +0 -print -quit; fi
done
"""
# Every file that the module `daemon` answers for, by its content, and the process that runs.
_DAEMON = """
sha256sum /opt/%(name)s/current/* /etc/systemd/system/%(name)s.service
sha256sum /etc/sysusers.d/%(name)s.conf /etc/tmpfiles.d/%(name)s.conf /etc/logrotate.d/%(name)s
stat -c '%%n %%a %%u %%g' /opt/%(name)s/current/* /etc/sysusers.d/%(name)s.conf
systemctl is-enabled --quiet %(name)s
systemctl is-active --quiet %(name)s
tr '\\0' '\\n' < /proc/$(systemctl show --property=MainPID --value %(name)s)/environ | grep HORAE_GENERATION
"""
_MEMBER = _DAEMON % {"name": "horaemeta"} + _DAEMON % {"name": "horaedb-shard-keeper"}
_NODE = _DAEMON % {"name": "horaedb-meta-proxy"} + _DAEMON % {"name": "horaedb"}
_LOOK = """
for member in %(members)s; do
  curl -fsS http://$member:2379/health
  curl -fsS http://$member:8080/debug/leader
  curl -fsS -d '{}' http://$member:2379/v3/maintenance/status
done
curl -fsS -d '{}' http://%(member)s:2379/v3/cluster/member/list
curl -fsS -d '{"key":"%(record)s"}' http://%(member)s:2379/v3/kv/range
curl -fsS http://%(member)s:8080/api/v1/clusters
curl -fsS -d '{"ClusterName":"%(cluster)s"}' http://%(member)s:8080/api/v1/getNodeShards
curl -fsS http://%(member)s:8080/debug/diagnose/%(cluster)s/shards
for node in %(nodes)s; do
  curl -fsS http://$node:5440/
  curl -fsS http://$node:5440/debug/shards
  bash -c "echo > /dev/tcp/$node/8831"
done
"""
_PROOF = """
sql() { curl -fsS -H 'content-type: application/json' -d "{\\"query\\": \\"$2\\"}" http://$1:5440/sql; }
sql %(node)s "INSERT INTO %(table)s(t,name,value) VALUES (1651737067000,'floor',1)"
for node in %(nodes)s; do curl -fsS -X POST http://$node:5440/debug/flush_memtable; done
for node in %(nodes)s; do sql $node "SELECT value FROM %(table)s"; done
"""


class Floor:
    """Connections are kept open between runs, as Ansible keeps its own."""

    def __init__(self, cluster: Cluster, inventory: pathlib.Path, sockets: pathlib.Path) -> None:
        values = hostvars(inventory)
        words = {
            "cluster": NAME,
            "record": base64.b64encode(RECORD.encode()).decode(),
            "members": " ".join(cluster.members.values()),
            "nodes": " ".join(cluster.nodes.values()),
            "member": cluster.members[cluster.leader()],
            "node": next(iter(cluster.nodes.values())),
            # Made once and left, as the collection's own.
            "table": make(cluster, "floor"),
        }
        look = _LOOK % words
        first = next(iter(cluster.members))
        daemons = dict.fromkeys(cluster.members, _MEMBER) | dict.fromkeys(cluster.nodes, _NODE)
        self._rounds = [
            dict.fromkeys(daemons, _HOST),
            {first: look},
            daemons,
            {first: "sleep 0.5\n".join([look] * 3) + _PROOF % words},
        ]
        self._ssh = {host: _ssh(values[host], sockets) for host in daemons}

    def seconds(self) -> float:
        """One run. Fails when one of its proofs does."""
        started = time.monotonic()
        for scripts in self._rounds:
            self._all(scripts)
        return time.monotonic() - started

    def _all(self, scripts: Mapping[str, str]) -> None:
        running = {
            host: subprocess.Popen([*self._ssh[host], "set -e\n" + script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for host, script in scripts.items()
        }
        for host, process in running.items():
            said, _nothing = process.communicate(timeout=60)
            assert process.returncode == 0, "the floor script failed on %s:\n%s" % (host, said)


def _ssh(values: Mapping[str, str], sockets: pathlib.Path) -> list[str]:
    keep = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s", "-o", "ControlPath=%s/%%h" % sockets]
    key = ["-i", values["ansible_ssh_private_key_file"]]
    return ["ssh", *keep, *key, *shlex.split(values["ansible_ssh_common_args"]), "%s@%s" % (values["ansible_user"], values["ansible_host"])]

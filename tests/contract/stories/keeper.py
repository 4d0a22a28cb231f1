"""The shard keeper beside the members: a data node dies without being asked to."""

from __future__ import annotations

import json
import pathlib
import sys
import time
from typing import Any, List

from harness.cluster import NAME, Cluster
from harness.process import Daemon, wait_for

from stories.acts import Seen, count, forgotten, settle, table_per_shard, wait_whole, write
from stories.telling import takes

PROGRAM = pathlib.Path(__file__).resolve().parents[3] / "roles" / "shard_keeper" / "files" / "shard_keeper.py"
# Longer than HoraeMeta's 10 s and the inspector's tick of 5 s.
AWAY = 15.0
PORT = 5500


class Keeper:
    """One beside one member."""

    def __init__(self, cluster: Cluster, index: int) -> None:
        home = cluster.root / ("keeper%d" % (index + 1))
        home.mkdir()
        urls = [(member.name, cluster.api(i), cluster.etcd(i)) for i, member in enumerate(cluster.members)]
        config = {
            "cluster": NAME,
            "topology_type": cluster.settings.topology,
            "member": cluster.members[index].name,
            "members": [{"name": name, "api": api, "etcd": etcd, "client_url": etcd} for name, api, etcd in urls],
            "nodes": {cluster.node_name(i): cluster.db(i) for i in range(len(cluster.nodes))},
            "lock_key": "/ansible/horaedb.cluster/%s/lock" % NAME,
            "leader_key": "/horaedb/members/leader",
            "cures_prefix": "/ansible/horaedb.cluster/%s/cures/" % NAME,
            "silence": 2.5,
            "silence_locked": 6.0,
            "unmapped": 10.0,
            "pause": 5.0,
            "interval": 0.5,
            "timeout": 1.0,
            "port": PORT,
            "metrics_file": str(home / "shard_keeper.prom"),
            "restart_file": "",
            "kill_file": str(home / "kill-horaemeta"),
        }
        path = home / "keeper.json"
        path.write_text(json.dumps(config))
        command = cluster.hosts[index].command(sys.executable, str(PROGRAM), "--config", str(path))
        self.daemon = Daemon("keeper%d" % (index + 1), command, home / "log", {})

    @property
    def moves(self) -> int:
        return self.daemon.log().count("move: done")


def hears_all(keepers: List[Keeper]) -> bool:
    return any("watch: 3 mapped data nodes answer" in keeper.daemon.log() for keeper in keepers)


@takes(110)
def kept(stage: Any) -> Seen:
    """A data node is killed for 15 s, twice: with keepers, and then, for comparison, without."""
    seen: Seen = {}
    cluster = stage.cluster().start()
    tables = table_per_shard(cluster)
    seen["written"] = write(cluster, tables, 3)
    settle(cluster)
    before = cluster.view()
    keepers = [Keeper(cluster, index) for index in range(3)]
    try:
        for keeper in keepers:
            keeper.daemon.start()
        wait_for("a keeper that hears all nodes", lambda: hears_all(keepers), 15)
        leader = cluster.leader()
        cluster.nodes[1].kill()
        time.sleep(AWAY)
        seen["view with keepers"] = cluster.view() == before
        cluster.nodes[1].start()
        seen["back after"] = wait_whole(cluster, tables)
        seen["moves"] = sum(keeper.moves for keeper in keepers)
        seen["leader moved"] = cluster.leader() != leader
        seen["logs"] = "\n".join(keeper.daemon.log() for keeper in keepers)
        seen["read"] = count(cluster, tables)
    finally:
        seen["exit codes"] = [keeper.daemon.stop() for keeper in keepers]
    settle(cluster)
    lost = cluster.mapped_to(1)
    cluster.nodes[1].kill()
    seen["forgotten without after"] = forgotten(cluster, lost)
    return seen

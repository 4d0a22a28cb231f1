"""A living cluster, read over HTTP by the tests themselves: nothing here comes from the collection under test."""

from __future__ import annotations

import base64
import json
import pathlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.support.inventory import hostvars, listed
from tests.support.traffic import Refused, get, post

NAME = "defaultCluster"
RECORD = "/ansible/horaedb.cluster/%s/assignment" % NAME
SHARDS = set(range(8))


def until(missing: Callable[[], str | None], timeout: float, interval: float = 0.2) -> None:
    """Asks what is missing until nothing is; an AssertionError with the last answer after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while (last := missing()) is not None:
        assert time.monotonic() < deadline, "%s, for %g s" % (last, timeout)
        time.sleep(interval)


def pass_time(seconds: float, since: float | None = None) -> None:
    """Until so long after the moment `since` of the monotonic clock. Where the length of something is what is tested, and there is nothing to ask."""
    time.sleep(max(0.0, (time.monotonic() if since is None else since) + seconds - time.monotonic()))


@dataclass(frozen=True)
class Cluster:
    """Inventory host -> address, of members and of data nodes, with the default ports."""

    members: Mapping[str, str]
    nodes: Mapping[str, str]

    @classmethod
    def of(cls, inventory: pathlib.Path, members: str = "horaemeta", nodes: str = "horaedb") -> Cluster:
        values = hostvars(inventory)

        def addresses(group: str) -> dict[str, str]:
            return {host: values[host]["ansible_host"] for host in listed(inventory)[group]["hosts"]}

        return cls(addresses(members), addresses(nodes))

    def sql(self, host: str) -> str:
        """Where the data node answers SQL, for traffic.sql."""
        return "%s:5440" % self.nodes[host]

    def leader(self) -> str:
        """The member that all members call leader; raises Refused while they don't."""
        said = {get("http://%s:8080/debug/leader" % address)["data"] for address in self.members.values()}  # type: ignore[index]
        hosts = [host for host, address in self.members.items() if said == {"http://%s:2379" % address}]
        if len(hosts) != 1:
            raise Refused("the members don't agree who leads: %s" % said)
        return hosts[0]

    def move_leader(self, host: str) -> None:
        """To the member on `host`; returns when all members see it there, and it answers: it may hang, and be asked again when it is back."""
        until(lambda: self._moved(host), 60)

    def _moved(self, host: str) -> str | None:
        try:
            leader = self.leader()
            if leader == host:
                self.view()
                return None
            post("http://%s:8080/api/v1/etcd/moveLeader" % self.members[leader], {"memberName": host}, timeout=10)
        except Refused as refused:
            return str(refused)
        return "%s doesn't lead" % host

    def view(self) -> dict[int, str]:
        """Shard -> host of the node that HoraeMeta maps it to."""
        url = "http://%s:8080/api/v1/getNodeShards" % self.members[self.leader()]
        entries = post(url, {"ClusterName": NAME})["data"]["NodeShards"] or []  # type: ignore[index]
        hosts = {"%s:8831" % address: host for host, address in self.nodes.items()}
        return {entry["ShardInfo"]["ID"]: hosts[entry["ShardNode"]["NodeName"]] for entry in entries}

    def ready(self, host: str) -> set[int]:
        """The shards that the node itself calls Ready."""
        return {shard["id"] for shard in get("http://%s:5440/debug/shards" % self.nodes[host]) if shard["status"] == "Ready"}  # type: ignore[attr-defined]

    def record(self) -> dict[int, str]:
        """Shard -> host, as the collection recorded it in the cluster's etcd."""
        url = "http://%s:2379/v3/kv/range" % next(iter(self.members.values()))
        found = post(url, {"key": base64.b64encode(RECORD.encode()).decode()})["kvs"]  # type: ignore[index]
        hosts = {"%s:8831" % address: host for host, address in self.nodes.items()}
        return {int(shard): hosts[node] for shard, node in json.loads(base64.b64decode(found[0]["value"]))["shards"].items()}

    def problem(self) -> str | None:
        """What keeps the cluster from being whole: every shard mapped once, and Ready by the word of the node it is mapped to."""
        try:
            view = self.view()
            if set(view) != SHARDS:
                return "the view has lost shards %s" % sorted(SHARDS - set(view))
            for host in self.nodes:
                mapped = {shard for shard, where in view.items() if where == host}
                if (ready := self.ready(host)) != mapped:
                    return "%s is mapped to shards %s and serves %s" % (host, sorted(mapped), sorted(ready))
        except Refused as refused:
            return str(refused)
        return None

    def assert_whole(self, timeout: float = 20) -> dict[int, str]:
        """The view, which equals what was recorded and what each node serves."""
        until(self.problem, timeout)
        assert (view := self.view()) == self.record()
        return view

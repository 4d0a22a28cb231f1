"""What the collection keeps in the cluster's etcd, and HoraeMeta's entry, read by the tests themselves."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.support.cluster import NAME, Cluster
from tests.support.traffic import Refused, get, post

FOLDER = "/ansible/horaedb.cluster/%s/" % NAME
LOCK = FOLDER + "lock"
JOURNAL = FOLDER + "journal/"
DOWNTIMES = FOLDER + "downtimes"


def agreed(said: Sequence[str | None], members: int) -> str | None:
    """Whom more than half of all members call leader."""
    named = Counter(name for name in said if name)
    name, votes = named.most_common(1)[0] if named else (None, 0)
    return name if votes > members // 2 else None


def leader(cluster: Cluster) -> str | None:
    """The member whom most of them call leader, also while others are down."""
    return agreed([_named_by(cluster, address) for address in cluster.members.values()], len(cluster.members))


def _named_by(cluster: Cluster, address: str) -> str | None:
    try:
        url = str(get("http://%s:8080/debug/leader" % address, timeout=0.5)["data"])  # type: ignore[index]
    except (Refused, KeyError, TypeError):
        return None
    return next((host for host, where in cluster.members.items() if url == "http://%s:2379" % where), None)


class Keys:
    """All of it also while some member is down."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def _ask(self, path: str, body: dict[str, object]) -> dict[str, Any]:
        """Of the first member that answers."""
        silent = Refused("there is no member")
        for address in self._cluster.members.values():
            try:
                return dict(post("http://%s:2379/v3/%s" % (address, path), body))  # type: ignore[call-overload, no-any-return]
            except Refused as refused:
                silent = refused
        raise silent

    def below(self, prefix: str) -> dict[str, Any]:
        """Key without the prefix -> its JSON."""
        found = self._ask("kv/range", _below(prefix)).get("kvs", [])
        return {_text(entry["key"])[len(prefix) :]: json.loads(_text(entry["value"])) for entry in found}

    def delete_below(self, prefix: str) -> None:
        self._ask("kv/deleterange", _below(prefix))

    def lock(self) -> Any:
        """Who holds it, None when nobody does."""
        return self.below(LOCK).get("")

    def put_lock(self, value: dict[str, object], seconds: int) -> None:
        """As a controller somewhere else would have it."""
        lease = self._ask("lease/grant", {"TTL": str(seconds)})["ID"]
        self._ask("kv/put", {"key": _base64(LOCK), "value": _base64(json.dumps(value)), "lease": lease})

    def shard_locks(self) -> dict[int, int]:
        """Shard -> seconds that its lock still lives if nobody renews it."""
        prefix = "/horaedb/%s/shards/" % NAME
        found = self._ask("kv/range", _below(prefix)).get("kvs", [])
        return {int(_text(entry["key"])[len(prefix) :]): int(self._ask("lease/timetolive", {"ID": entry["lease"]}).get("TTL", 0)) for entry in found}

    def journal(self) -> list[Any]:
        """The oldest entry first."""
        return [entry for _key, entry in sorted(self.below(JOURNAL).items())]

    def downtimes(self) -> dict[str, Any]:
        """Inventory host -> what is noted of it."""
        return dict(self.below(DOWNTIMES).get("", {}))

    def topology_type(self) -> str:
        [entry] = [one for one in get(self._api("clusters"))["data"] if one["Name"] == NAME]  # type: ignore[index]
        return str(entry["TopologyType"])

    def view(self) -> dict[int, str]:
        """Shard -> host of the node that HoraeMeta maps it to; raises Refused while nobody leads."""
        entries = post(self._api("getNodeShards"), {"ClusterName": NAME})["data"]["NodeShards"] or []  # type: ignore[index]
        hosts = {"%s:8831" % address: host for host, address in self._cluster.nodes.items()}
        return {entry["ShardInfo"]["ID"]: hosts[entry["ShardNode"]["NodeName"]] for entry in entries}

    def differs(self, view: dict[int, str]) -> str | None:
        """How the view is another one; None when it is this one."""
        try:
            found = self.view()
        except Refused as refused:
            return str(refused)
        return None if found == view else "the view is %s instead of %s" % (found, view)

    def _api(self, path: str) -> str:
        who = leader(self._cluster)
        if who is None:
            raise Refused("the members don't agree who leads")
        return "http://%s:8080/api/v1/%s" % (self._cluster.members[who], path)

    def problem(self) -> str | None:
        """What an operation that ended, well or not, has left behind."""
        try:
            if lock := self.lock():
                return "the operation lock is held: %s" % lock
            if downtimes := self.downtimes():
                return "downtimes are noted: %s" % downtimes
            if (kind := self.topology_type()) != "static":
                return "the topology type is %s" % kind
        except (Refused, ValueError) as error:
            return str(error)
        return None


def _below(prefix: str) -> dict[str, object]:
    """All keys that begin so, for etcd."""
    return {"key": _base64(prefix), "range_end": _base64(prefix[:-1] + chr(ord(prefix[-1]) + 1))}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()

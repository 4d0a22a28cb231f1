# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""Tries a remote WAL from a data node: Kafka's brokers, each by the address it tells of itself, or OceanBase's configuration URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import at_once
from ansible_collections.horaedb.cluster.plugins.module_utils.model.finding import WARNING, Finding
from ansible_collections.horaedb.cluster.plugins.module_utils.storage import connection, kafka
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.connection import Broken, RequestStep
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.kafka import Metadata, NotKafka
from ansible_collections.horaedb.cluster.plugins.module_utils.storage.object_store_checks import finding

TABLE = "horaedb_wal"
BROKERS = TABLE + ".kafka.client.boost_brokers"
PARAM_URL = TABLE + ".obkv.param_url"

Address = Tuple[str, int]


@dataclass
class TriedWal:
    """`topics`: those on the brokers that have the names of HoraeDB's, None when nobody was asked."""

    place: str = ""
    findings: List[Finding] = field(default_factory=list)
    topics: Optional[List[str]] = None


def attempt(table: Mapping[str, Any], timeout: float) -> TriedWal:
    """Never raises for what the brokers or the network do. Changes nothing there."""
    if table.get("type") == "Kafka":
        return _kafka(_table(table, "kafka"), timeout)
    return _obkv(_table(table, "obkv"), timeout)


def place_of(table: Mapping[str, Any]) -> str:
    """Where a table points to, for comparing data nodes; never fails."""
    if table.get("type") == "Kafka":
        brokers = _table(_table(table, "kafka"), "client").get("boost_brokers")
        return "Kafka %s" % ", ".join(sorted(map(str, brokers if isinstance(brokers, list) else [brokers])))
    return "%s %s" % (table.get("type"), str(_table(table, "obkv").get("param_url")).partition("?")[0])


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    below = table.get(name)
    return below if isinstance(below, Mapping) else {}


def address_of(text: str) -> Address:
    """host:port, the host perhaps in brackets; raises ValueError."""
    parts = urlsplit("//" + text)
    if not parts.hostname or parts.port is None or parts.path or "@" in parts.netloc:
        raise ValueError(text)
    return parts.hostname, parts.port


def named(address: Address) -> str:
    return "%s:%d" % address


def _kafka(table: Mapping[str, Any], timeout: float) -> TriedWal:
    tried = TriedWal(place="Kafka")
    brokers = _table(table, "client").get("boost_brokers")
    addresses: List[Address] = []
    for text in brokers if isinstance(brokers, list) else []:
        try:
            addresses.append(address_of(str(text)))
        except ValueError:
            what = "%s has %r, which is no host:port." % (BROKERS, str(text))
            tried.findings.append(finding("wal.brokers", what, "Correct %s." % BROKERS))
    if not addresses and not tried.findings:
        tried.findings.append(
            finding("wal.brokers", "%s names no broker; HoraeDB panics without one." % BROKERS, "Set %s to a list of host:port." % BROKERS)
        )
    if tried.findings:
        return tried
    tried.place = "Kafka %s" % ", ".join(map(named, addresses))
    answers = at_once({address: partial(_ask, address, timeout) for address in addresses}, 3 * timeout)
    asked: Dict[Address, Any] = {address: answers.get(address, NotKafka("nothing came back within %g s" % (3 * timeout))) for address in addresses}
    told = [answer for answer in asked.values() if isinstance(answer, Metadata)]
    # HoraeDB goes through its list until one answers.
    severity = WARNING if told else "error"
    tried.findings += [_silent(address, why, severity) for address, why in asked.items() if isinstance(why, Exception)]
    if told:
        tried.topics = sorted({topic for answer in told for topic in answer.of_horaedb})
        everyone = list(dict.fromkeys(broker for answer in told for broker in answer.brokers))
        tried.findings += _advertised([broker for broker in everyone if broker not in addresses or isinstance(asked[broker], Exception)], timeout)
        tried.findings += _replication(table, len(everyone))
    return tried


def _ask(address: Address, timeout: float) -> Any:
    """What a broker says, or the exception: one broker's silence doesn't decide."""
    try:
        with connection.reach(*address, timeout) as wire:
            return kafka.asked(wire, timeout)
    except (Broken, NotKafka) as error:
        return error
    except OSError as error:
        return NotKafka(connection.reason(error, timeout))


def _silent(address: Address, why: Exception, severity: str) -> Finding:
    here, broker = "%s there: nc -vz %s %d." % ("Try", *address), named(address)
    if not isinstance(why, Broken):
        change = "Correct %s: it wants a listener without TLS and without a login (PLAINTEXT), which is all that HoraeDB speaks." % BROKERS
        return finding("wal.kafka", "%s isn't a Kafka broker that HoraeDB could use: %s." % (broker, why), change, severity)
    if why.step is RequestStep.NAME:
        change = "Correct %s, or the hosts' DNS; try there: getent hosts %s." % (BROKERS, address[0])
        return finding("wal.name", "the name of the broker %s can't be resolved: %s." % (broker, why), change, severity)
    what = "the broker %s can't be reached: %s. Without any broker HoraeDB ends within 2 s." % (broker, why)
    change = "Start it, open the way to port %d in firewalls, or correct %s. %s" % (address[1], BROKERS, here)
    return finding("wal.connect", what, change, severity)


def _advertised(brokers: List[Address], timeout: float) -> List[Finding]:
    """Clients are sent from the broker that they asked to the one that leads a partition, by the address which that one advertises."""

    def knock(address: Address) -> Optional[Broken]:
        try:
            connection.reach(*address, timeout).close()
        except Broken as broken:
            return broken
        return None

    late = Broken(RequestStep.CONNECT, "nothing came back within %g s" % (2 * timeout))
    answers = at_once({broker: partial(knock, broker) for broker in brokers}, 2 * timeout)
    return [
        finding(
            "wal.advertised",
            "a broker tells clients to come to %s, which can't be reached from the data nodes: %s." % (named(broker), answers.get(broker, late)),
            "Set advertised.listeners of that broker to an address that the data nodes reach, or make %s known to their DNS." % broker[0],
        )
        for broker in brokers
        if answers.get(broker, late) is not None
    ]


def _replication(table: Mapping[str, Any], brokers: int) -> List[Finding]:
    wanted = _table(table, "topic_management").get("create_replication_factor", 1)
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted <= brokers:
        return []
    what = "%s.kafka.topic_management.create_replication_factor is %d, and there are %d brokers: no topic could be made." % (TABLE, wanted, brokers)
    return [finding("wal.replication", what, "Set it to %d at most." % brokers)]


def _obkv(table: Mapping[str, Any], timeout: float) -> TriedWal:
    url = str(table.get("param_url") or "")
    parts = urlsplit(url)
    try:
        address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    except ValueError:
        address = ("", 0)
    if parts.scheme not in ("http", "https") or not address[0]:
        what = "%s is %r, which is no http:// address." % (PARAM_URL, url.partition("?")[0])
        return TriedWal(findings=[finding("wal.url", what, "Set it to what OceanBase's config server calls obconfig_url.")])
    tried = TriedWal(place="Obkv %s" % named(address))
    try:
        connection.reach(*address, timeout).close()
    except Broken as broken:
        rule = "wal.name" if broken.step is RequestStep.NAME else "wal.connect"
        what = "OceanBase's config server %s (%s) can't be reached: %s." % (named(address), PARAM_URL, broken)
        tried.findings.append(finding(rule, what, "Start it, open the way to it in firewalls, or correct %s." % PARAM_URL))
    return tried

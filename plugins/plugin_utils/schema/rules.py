# Copyright (c) 2026, the horaedb.cluster authors
# Apache License 2.0, or at your choice GNU General Public License v3.0+
# (see LICENSE, https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: Apache-2.0 OR GPL-3.0-or-later
"""What holds between several keys. Each rule has the name by which a schema's `rules` asks for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Optional

from ansible_collections.horaedb.cluster.plugins.module_utils.common.units import seconds, size
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.check import MISSING, TOGETHER, UNWISE, Check, SettingProblem
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.keys import Schema
from ansible_collections.horaedb.cluster.plugins.plugin_utils.schema.values import masked

_TLS = "cluster_deployment.etcd_client.tls"
_STORAGE = "analytic.storage"
_ETCD = "cluster_deployment.etcd_client"
# HoraeMeta's own, whatever the lease is.
_FORGOTTEN = 10


def _at(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def _etcd_tls(check: Check) -> Iterator[SettingProblem]:
    if check.value(_TLS + ".enable") is not True:
        return
    for name in ("ca_cert_path", "client_key_path", "client_cert_path"):
        if not check.value("%s.%s" % (_TLS, name)):
            yield SettingProblem(_at("%s.%s" % (_TLS, name)), MISSING, "%s.%s is missing; with TLS all three files are read." % (_TLS, name))
    plain = [address for address in check.value(_ETCD + ".server_addrs") or () if address.startswith("http://")]
    if plain:
        yield SettingProblem(
            _at(_ETCD + ".server_addrs"),
            TOGETHER,
            "%s.server_addrs has %s, and TLS is on." % (_ETCD, masked(", ".join(plain))),
            "Write host:port; it gets its scheme by itself.",
        )


def _disk_cache(check: Check) -> Iterator[SettingProblem]:
    capacity, page, bits = (check.value("%s.disk_cache_%s" % (_STORAGE, name)) for name in ("capacity", "page_size", "partition_bits"))
    if capacity is None or page is None or bits is None:
        return
    step = size(page) << bits
    if step and size(capacity) % step:
        yield SettingProblem(
            _at(_STORAGE + ".disk_cache_capacity"),
            UNWISE,
            "%s.disk_cache_capacity is %s, no multiple of disk_cache_page_size x 2^disk_cache_partition_bits, which is %d bytes."
            % (_STORAGE, capacity, step),
            "Make it %d." % (-(-size(capacity) // step) * step),
        )


def _lock_times(check: Check) -> Iterator[SettingProblem]:
    life, interval = check.value(_ETCD + ".shard_lock_lease_ttl_sec"), check.value(_ETCD + ".shard_lock_lease_check_interval")
    if life is not None and interval is not None and seconds(interval) >= life:
        yield SettingProblem(
            _at(_ETCD + ".shard_lock_lease_check_interval"),
            TOGETHER,
            "%s.shard_lock_lease_check_interval is %s, and has to be less than shard_lock_lease_ttl_sec, %d s." % (_ETCD, interval, life),
            "200ms is the default.",
        )


def _meta_lease(check: Check) -> Iterator[SettingProblem]:
    lease = check.value("cluster_deployment.meta_client.lease")
    if lease is not None and seconds(lease) > _FORGOTTEN:
        yield SettingProblem(
            _at("cluster_deployment.meta_client.lease"),
            UNWISE,
            "cluster_deployment.meta_client.lease is %s; heartbeats come every two thirds of it, and HoraeMeta forgets a node after %d s."
            % (lease, _FORGOTTEN),
            "Make it 3s.",
        )


def _etcd_files(check: Check) -> Iterator[SettingProblem]:
    names = ("etcd-ca-cert-path", "etcd-key-path", "etcd-cert-path")
    given = [name for name in names if check.value(name)]
    if given and check.value("enable-embed-etcd"):
        yield SettingProblem(
            (given[0],), UNWISE, "%s is for an external etcd, and enable-embed-etcd is true: nothing reads it." % given[0], "Take it out."
        )
    elif given:
        for name in names:
            if name not in given:
                yield SettingProblem((name,), MISSING, "%s is missing; the three files are used together." % name)


RULES: Mapping[str, Callable[[Check], Iterator[SettingProblem]]] = {
    "etcd_tls": _etcd_tls,
    "disk_cache": _disk_cache,
    "lock_times": _lock_times,
    "meta_lease": _meta_lease,
    "etcd_files": _etcd_files,
}


def problems(
    schema: Schema,
    tree: Mapping[str, Any],
    version: Optional[str] = None,
    environment: Optional[Mapping[str, Any]] = None,
    features: Collection[str] = (),
) -> list[SettingProblem]:
    """All that is wrong with a file: each key, and the keys together."""
    check = Check(schema, tree, version, environment, features)
    return check.problems() + [problem for name in schema.rules for problem in RULES[name](check)]

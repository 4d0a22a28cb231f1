"""The simulator's view in etcd: written by its version alone, as the real one's is."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from common.etcd import EtcdError
from horaemeta.model import STABLE, View
from horaemeta.store import Store, leader_key


class Keys:
    """Of an etcd that takes one kind of transaction: compare, then put."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.created: dict[str, str] = {}

    def txn(self, success: list[dict[str, Any]], compare: list[dict[str, Any]]) -> bool:
        for one in compare:
            key = base64.b64decode(one["key"]).decode()
            held = self.values.get(key) == one["value"] if one["target"] == "VALUE" else self.created.get(key, "0") == one["create_revision"]
            if not held:
                return False
        for one in success:
            self.values[base64.b64decode(one["request_put"]["key"]).decode()] = one["request_put"]["value"]
        return True


def test_who_no_longer_leads_writes_a_view_if_nobody_else_has() -> None:
    """Breaks when the simulator is kinder than the real one: nothing would show that a leader which was cut off has to be killed."""
    keys = Keys()
    store = Store(keys, "/horaedb", 10)  # type: ignore[arg-type]
    keys.created[leader_key("/horaedb")] = "7"
    store.begin_term(7)
    first = View()
    store.save_view(1, first)
    del keys.created[leader_key("/horaedb")]
    with pytest.raises(EtcdError, match="no longer leads"):
        store.save_view(1, first)
    store.save_view(1, first.changed([(0, "db1")], STABLE), first)
    with pytest.raises(EtcdError, match="cluster view may have been modified"):
        store.save_view(1, first.changed([(0, "db2")], STABLE), first)

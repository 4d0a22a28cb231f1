"""Snapshots of a real etcd, and of one that is cut off."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import subprocess

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.api import etcd_snapshot
from ansible_collections.horaedb.cluster.plugins.module_utils.api.etcd import Etcd
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import CallFailed, Client

from tests.unit.helpers.cluster_world import Server
from tests.unit.helpers.etcd_server import etcd, free_port

NAME = "20261124T100000Z.snapshot"


def test_a_snapshot_is_what_etcd_itself_restores(tmp_path: pathlib.Path) -> None:
    """Breaks when a piece of the stream is lost or doubled: etcdctl checks the digest before it restores, and the key is in it."""
    with etcd(tmp_path) as port:
        base = "http://127.0.0.1:%d" % port
        Etcd(base, Client(5)).put("/horaedb/canary", "x" * 100_000)
        size = etcd_snapshot.save(base, str(tmp_path / "snapshots"), NAME)
    path = tmp_path / "snapshots" / NAME
    assert path.stat().st_size == size
    assert path.stat().st_mode & 0o077 == 0
    restore = ["etcdctl", "snapshot", "restore", str(path), "--data-dir", str(tmp_path / "restored")]
    done = subprocess.run(restore, env=dict(os.environ, ETCDCTL_API="3"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert b"/horaedb/canary" in (tmp_path / "restored" / "member" / "snap" / "db").read_bytes()




@pytest.mark.parametrize("sent", [b"", b"x" * 20, b"x" * 5000])
def test_what_is_not_whole_gets_no_name(tmp_path: pathlib.Path, sent: bytes) -> None:
    """Breaks when a stream that was cut short is kept, and is what somebody has to restore from one day."""
    line = json.dumps({"result": {"remaining_bytes": "0", "blob": base64.b64encode(sent).decode()}}).encode() + b"\n"
    server = Server(lambda _method, _path, _body: (200, line))
    try:
        with pytest.raises(etcd_snapshot.Spoiled, match="aren't a whole snapshot"):
            etcd_snapshot.save("http://127.0.0.1:%d" % server.port, str(tmp_path), NAME)
    finally:
        server.stop()
    assert list(tmp_path.iterdir()) == []


def test_an_etcd_that_is_gone_is_said_and_leaves_nothing(tmp_path: pathlib.Path) -> None:
    """Breaks when an unreachable member makes a traceback or an empty file."""
    with pytest.raises(CallFailed, match="(?i)connection refused"):
        etcd_snapshot.save("http://127.0.0.1:%d" % free_port(), str(tmp_path), NAME)
    assert list(tmp_path.iterdir()) == []


def test_only_the_oldest_of_our_own_are_too_many() -> None:
    """Breaks when an operator's own file is removed, or the newest snapshot."""
    names = ["20261124T100000Z.snapshot", "20261123T100000Z.snapshot", "20261122T100000Z.snapshot", "before-the-move.snapshot", ".new-x"]
    assert etcd_snapshot.spare(names, 2) == ["20261122T100000Z.snapshot"]
    assert etcd_snapshot.spare(names, 3) == []

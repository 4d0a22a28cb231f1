"""The captured exchanges with the real daemons, made to fit the cluster under test."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

import tomllib

from harness.cluster import NOBODY, Cluster
from harness.likeness import differences
from harness.web import Reply, ask

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "captures"
# The address in the captures at which no node ever was.
STRANGER = "10.0.0.9:8831"
FILES = {"meta": "horaemeta-2.1.0.json", "db": "horaedb-2.1.0.json", "dynamic": "dynamic-2.1.0.json"}


@dataclass(frozen=True)
class Capture:
    source: str
    number: int
    case: str
    request: Dict[str, Any]
    status: int
    content_type: Optional[str]
    body: Any

    @property
    def id(self) -> str:
        return "%s-%02d %s" % (self.source, self.number, self.case)

    def unlike(self, reply: Reply) -> List[str]:
        """Why the reply is not like the captured one; nothing when it is."""
        found = [] if reply.status == self.status else ["status: expected %d, got %d" % (self.status, reply.status)]
        if self.content_type and reply.content_type != self.content_type:
            found.append("content type: expected %s, got %s" % (self.content_type, reply.content_type))
        if self.request["path"] == "/metrics":
            return found + _unlike_exposition(reply.text)
        if self.request["path"] == "/debug/config":
            return found + differences(_types(tomllib.loads(self.body)), _types(tomllib.loads(reply.text)), "config")
        return found + differences(self.body, reply.body, "body")


def _types(tree: Any) -> Any:
    return {key: _types(value) for key, value in tree.items()} if isinstance(tree, dict) else type(tree).__name__


def _unlike_exposition(text: str) -> List[str]:
    lines = [line for line in text.splitlines() if line]
    described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    samples = [line for line in lines if not line.startswith("#")]
    found = ["not a sample of a described metric: %s" % s for s in samples if not any(s.startswith(name) for name in described)]
    return found if samples else ["no samples"]


def load(source: str) -> List[Capture]:
    entries = json.loads((FOLDER / FILES[source]).read_text())
    return [
        Capture(source, n, e["case"], e["request"], e["status"], e.get("content_type"), e["body"]) for n, e in enumerate(entries, start=1)
    ]


def send(cluster: Cluster, capture: Capture, replace: Dict[str, str], db: int = 0) -> Reply:
    """`replace` maps words of the captured request to what they are called here."""
    request = capture.request
    text = json.dumps(request["body"]) if "body" in request else request.get("raw")
    for captured, here in {STRANGER: NOBODY, **replace}.items():
        text = text.replace(captured, here) if text else text
    leader = cluster.leader_index()
    base = {
        "meta": cluster.api((leader + 1) % cluster.settings.members),
        "meta-leader": cluster.api(leader),
        "etcd": cluster.etcd(leader),
        "db": cluster.db(db),
    }[request["server"]]
    return ask(request["method"], base + request["path"], raw=text, headers=request.get("headers"), timeout=30)

"""HoraeMeta's envelope, and the answers that differ from what one would expect of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.horaedb.cluster.plugins.module_utils.api.horaemeta import HoraeMeta
from ansible_collections.horaedb.cluster.plugins.module_utils.api.http import BadAnswer, Client

from tests.unit.helpers.cluster_world import Server


class Member:
    """Answers everything alike, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status, self.document = 200, object()
        self.asked: list[tuple[str, str, object]] = []
        self._server = Server(self._answer)
        self.api = HoraeMeta("http://127.0.0.1:%d" % self._server.port, Client(1))
        self.stop = self._server.stop

    def _answer(self, *request: object) -> tuple[int, object]:
        self.asked.append(request)
        return self.status, self.document


@pytest.fixture
def member() -> Iterator[Member]:
    one = Member()
    yield one
    one.stop()


@pytest.mark.parametrize("document", [{"status": "error", "error": "e"}, [], "success", None, {}])
def test_only_success_is_success(member: Member, document: object) -> None:
    member.document = document
    with pytest.raises(BadAnswer, match="without success"):
        member.api.clusters()


def test_no_leader_and_no_cluster_are_answers(member: Member) -> None:
    """Breaks when the null of a member that has no leader is taken for a leader's name, or that of a new leader for a mistake."""
    member.document = {"status": "success", "data": None}
    assert (member.api.leader_url(), member.api.clusters()) == ("", ())


@pytest.mark.parametrize("data", [[{"Name": "c"}], [1], "c", {"a": 1}])
def test_clusters_of_another_shape_are_told_as_such(member: Member, data: object) -> None:
    member.document = {"status": "success", "data": data}
    with pytest.raises(BadAnswer, match="a shape that isn't known"):
        member.api.clusters()


@pytest.mark.parametrize(
    ("status", "document", "dynamic"),
    [
        (200, {"status": "success", "data": False}, True),
        (500, {"status": "error", "error": "get enable schedule", "msg": "(#500)invalid topology type, cause:<nil>"}, False),
    ],
)
def test_which_scheduler_runs(member: Member, status: int, document: object, dynamic: bool) -> None:
    member.status, member.document = status, document
    assert member.api.schedules_dynamically("c") is dynamic


def test_a_scheduler_that_cannot_be_asked_is_neither(member: Member) -> None:
    """Breaks when a leader in trouble is taken for one with a static scheduler: a repair would leave the dynamic one running."""
    member.status, member.document = 500, {"status": "error", "error": "cluster not found"}
    with pytest.raises(BadAnswer):
        member.api.schedules_dynamically("c")

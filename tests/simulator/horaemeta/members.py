"""The etcd part of the HTTP API. Nothing here is forwarded."""

from __future__ import annotations

from typing import Any, Dict, List

from common.etcd import Etcd, EtcdError
from common.http import Request, Response

from horaemeta.api import Api, ApiError, parse, success

URL_SCHEMES = ("http://", "https://", "unix://", "unixs://")


def numbers(data: Any) -> Any:
    """The gateway's strings as the numbers that Go's own encoder writes."""
    if isinstance(data, dict):
        return {key: int(value) if key in NUMERIC and isinstance(value, str) else numbers(value) for key, value in data.items()}
    return [numbers(item) for item in data] if isinstance(data, list) else data


NUMERIC = ("ID", "cluster_id", "member_id", "raft_term", "revision")


class MemberApi:
    def __init__(self, etcd: Etcd) -> None:
        self._etcd = etcd

    def add_to(self, api: Api) -> None:
        api.local("GET", "/api/v1/etcd/member", lambda _: success(numbers(self._list())))
        api.local("PUT", "/api/v1/etcd/member", self._add)
        api.local("POST", "/api/v1/etcd/member", self._update)
        api.local("DELETE", "/api/v1/etcd/member", self._remove)
        api.local("POST", "/api/v1/etcd/promoteLearner", self._promote)
        api.local("POST", "/api/v1/etcd/moveLeader", self._move)

    def _list(self) -> Dict[str, Any]:
        return self._etcd.post("/v3/cluster/member/list", {})

    def _id(self, name: str, what: str = "member") -> str:
        for member in self._list()["members"]:
            if member.get("name") == name:
                return str(member["ID"])
        raise ApiError(500, "get member", "%s not found, %s name: %s" % (what, what, name))

    def _do(self, error: str, path: str, body: Dict[str, Any]) -> Dict[str, Any]:
        try:
            return self._etcd.post(path, body)
        except EtcdError as refusal:
            raise ApiError(500, error, str(refusal)) from refusal

    def _add(self, request: Request) -> Response:
        urls: List[str] = parse(request).get("memberaddrs") or []
        for url in urls:
            if not url.startswith(URL_SCHEMES):
                raise ApiError(500, "add member as learner", "URL scheme must be http, https, unix, or unixs: %s" % url)
        return success(numbers(self._do("add member as learner", "/v3/cluster/member/add", {"peerURLs": urls})))

    def _update(self, request: Request) -> Response:
        body = parse(request)
        order = {"ID": self._id(str(body.get("oldmembername", ""))), "peerURLs": body.get("newmemberaddr") or []}
        self._do("remove member", "/v3/cluster/member/update", order)
        return success("ok")

    def _remove(self, request: Request) -> Response:
        name = str(parse(request).get("membername", ""))
        self._do("remove member", "/v3/cluster/member/remove", {"ID": self._id(name)})
        return success("ok")

    def _promote(self, request: Request) -> Response:
        name = str(parse(request).get("learnername", ""))
        self._do("remove member", "/v3/cluster/member/promote", {"ID": self._id(name, "learner")})
        return success("ok")

    def _move(self, request: Request) -> Response:
        name = str(parse(request).get("membername", ""))
        self._do("remove member", "/v3/maintenance/transfer-leadership", {"targetID": self._id(name)})
        return success("ok")

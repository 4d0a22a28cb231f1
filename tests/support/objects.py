"""moto's S3 server, with users, keys and policies that it checks: signatures too."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
PREFIX = "production"
# What HoraeDB needs below its prefix, and nothing else.
EVERYTHING = ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject")


@dataclass(frozen=True)
class Keys:
    key_id: str
    key_secret: str


class Objects:
    """`url`: as a client on `address` reaches it. `admin` may do everything."""

    def __init__(self, server: ThreadedMotoServer, address: str) -> None:
        self.url = "http://%s:%d" % (address, server.get_host_and_port()[1])
        self._settings = {"region_name": REGION, "endpoint_url": self.url, "config": Config(s3={"addressing_style": "path"})}
        # What moto has belongs to the process: another server's users and buckets would be there too.
        self._tell("reset", b"")
        self._count(10**6)
        first: dict[str, Any] = {"aws_access_key_id": "first", "aws_secret_access_key": "first", **self._settings}
        self._iam = boto3.client("iam", **first)
        self._admin = self.user("admin", "*")
        self.admin = boto3.client(
            "s3", aws_access_key_id=self._admin.key_id, aws_secret_access_key=self._admin.key_secret, **self._settings
        )

    def _count(self, unchecked: int) -> None:
        """So many requests are let through as they come; moto counts them."""
        self._tell("reset-auth", b"%d" % unchecked)

    def _tell(self, what: str, body: bytes) -> None:
        asked = urllib.request.Request("%s/moto-api/%s" % (self.url, what), body, {"Content-Type": "text/plain"})
        urllib.request.urlopen(asked, timeout=10).close()

    def user(self, name: str, *actions: str) -> Keys:
        """A new user who may do these things, on everything."""
        self._count(10**6)
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        self._iam.create_user(UserName=name)
        self._iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        key = self._iam.create_access_key(UserName=name)["AccessKey"]
        self._count(0)
        return Keys(key["AccessKeyId"], key["SecretAccessKey"])

    def bucket(self, name: str) -> None:
        self.admin.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def names(self, bucket: str) -> list[str]:
        return [entry["Key"] for entry in self.admin.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def text(self, bucket: str, key: str) -> str:
        return str(self.admin.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    def table(self, keys: Keys, bucket: str, **over: object) -> dict[str, Any]:
        """[analytic.storage.object_store]."""
        return {
            "type": "S3",
            "endpoint": self.url,
            "region": REGION,
            "bucket": bucket,
            "prefix": PREFIX,
            "key_id": keys.key_id,
            "key_secret": keys.key_secret,
            **over,
        }


@contextlib.contextmanager
def objects(address: str = "127.0.0.1", port: int = 0) -> Iterator[Objects]:
    server = ThreadedMotoServer(ip_address=address, port=port, verbose=False)
    server.start()
    try:
        yield Objects(server, address)
    finally:
        server.stop()

"""Stories: a story is the life of one cluster, told once and in parallel to the others; tests judge what it saw.

What takes minutes is waiting, so the stories that the selected tests need all start together.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness.cluster import Binaries, Cluster, Settings, build_simulator, find_etcd  # noqa: E402
from harness.storage import Broker, Bucket  # noqa: E402

# Clusters alive at the same time. One costs about 7% of a core and 300 MB.
AT_ONCE = 8

Story = Callable[["Stage"], Any]


class Stage:
    """What a story gets: clusters that are stopped when it ends."""

    def __init__(self, root: pathlib.Path, binaries: Binaries) -> None:
        self.root = root
        self.binaries = binaries
        self._clusters: List[Cluster] = []
        self._bucket: Optional[Bucket] = None
        self._broker: Optional[Broker] = None

    def cluster(self, **settings: Any) -> Cluster:
        cluster = Cluster(self.root / ("c%d" % len(self._clusters)), self.binaries, Settings(**settings))
        self._clusters.append(cluster)
        return cluster

    def bucket(self) -> Bucket:
        self._bucket = self._bucket or Bucket()
        return self._bucket

    def shared_storage(self) -> Dict[str, Any]:
        """Settings of a cluster on S3 and Kafka."""
        self._broker = self._broker or Broker()
        wal = {"type": "Kafka", "kafka": {"client": {"boost_brokers": [self._broker.address]}}}
        return {"store": self.bucket().settings(), "wal": wal}

    def close(self) -> None:
        for cluster in self._clusters:
            cluster.stop()
        for server in (self._bucket, self._broker):
            if server:
                server.close()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "story(function): the story whose outcome the test judges")


@pytest.fixture(scope="session")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Binaries:
    """HORAE_META_BIN and HORAE_DB_BIN name others than the doubles of this checkout, real ones as a rule."""
    find_etcd()
    meta, db = os.environ.get("HORAE_META_BIN"), os.environ.get("HORAE_DB_BIN")
    if meta and db:
        told = subprocess.run([meta, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
        return Binaries(meta, db, real="simulator" not in told)
    if meta or db:
        raise AssertionError("set both HORAE_META_BIN and HORAE_DB_BIN, or none of them")
    return build_simulator(tmp_path_factory.mktemp("bin"))


def tell(story: Story, root: pathlib.Path, binaries: Binaries) -> Any:
    stage = Stage(root, binaries)
    try:
        return story(stage)
    finally:
        stage.close()


@pytest.fixture(scope="session")
def stories(
    request: pytest.FixtureRequest, binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dict[Story, Future[Any]]]:
    wanted: Dict[Story, None] = {}
    for item in request.session.items:
        for marker in item.iter_markers("story"):
            wanted[marker.args[0]] = None
    with ThreadPoolExecutor(AT_ONCE) as pool:
        longest_first = sorted(wanted, key=lambda story: -getattr(story, "seconds", 0))
        yield {story: pool.submit(tell, story, tmp_path_factory.mktemp(story.__name__), binaries) for story in longest_first}


@pytest.fixture
def told(request: pytest.FixtureRequest, stories: Dict[Story, Future[Any]]) -> Any:
    """What the story in the test's marker saw. A story that broke off fails each of its tests."""
    marker = request.node.get_closest_marker("story")
    assert marker is not None, "the test has no story"
    story = marker.args[0]
    failure = stories[story].exception()
    if failure is not None:
        where = [frame for frame in traceback.extract_tb(failure.__traceback__) if "/contract/" in frame.filename]
        pytest.fail("%s broke off: %s\n%s" % (story.__name__, failure, "".join(traceback.format_list(where))), pytrace=False)
    return stories[story].result()

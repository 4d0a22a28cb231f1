"""Stories: a story is the life of one cluster, told once and in parallel to the others; tests judge what it saw.

What takes minutes is waiting, so the stories that the selected tests need all start together.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import re
import sys
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness.cluster import Binaries, Cluster, Settings, build_simulator, find_etcd  # noqa: E402
from harness.network import NoNetwork, enter  # noqa: E402
from harness.records import FOLDER, Records, Told, said_of_version, versions  # noqa: E402
from harness.storage import Bucket, Store, kafka  # noqa: E402

# Clusters alive at the same time: with eight on two cores, of simulators or of real daemons, locks and heartbeats came too late now and then.
AT_ONCE, REAL_AT_ONCE = 5, 4
# Another number.
STORIES = "HORAE_STORIES"
# Set to write what real daemons were seen to do into the records.
RECORD = "HORAE_RECORD"

Story = Callable[["Stage"], Any]
RECORDS = pytest.StashKey[Records]()
# About every fiftieth election of the real daemons deadlocks the new leader (docs/operations.md), and nobody cures it here. What a story that
# met one would have seen is not what it is about: it is told anew, so often at most, and that is said in the summary. Simulators hang on request only.
TELLINGS = 3
RETOLD = pytest.StashKey[List[str]]()


class Stage:
    """What a story gets: clusters that are stopped when it ends."""

    def __init__(self, root: pathlib.Path, binaries: Binaries, store: Store) -> None:
        self.root = root
        self.binaries = binaries
        self._store = store
        self._clusters: List[Cluster] = []
        self._open = contextlib.ExitStack()
        self._bucket: Optional[Bucket] = None

    def cluster(self, **settings: Any) -> Cluster:
        cluster = Cluster(self.root / ("c%d" % len(self._clusters)), self.binaries, Settings(**settings))
        self._clusters.append(cluster)
        self._open.callback(cluster.stop)
        return cluster

    def bucket(self) -> Bucket:
        self._bucket = self._bucket or self._store.bucket(re.sub("[^a-z0-9]", "-", self.root.name))
        return self._bucket

    def shared_storage(self) -> Dict[str, Any]:
        """Settings of a cluster on S3 and Kafka."""
        broker = self._open.enter_context(kafka(self.root / "kafka", self.binaries.real))
        return {"store": self.bucket().settings(), "wal": {"type": "Kafka", "kafka": {"client": {"boost_brokers": [broker]}}}}

    def hung(self) -> List[str]:
        return [name for cluster in self._clusters for name in cluster.hung()]

    def said(self) -> str:
        return "\n".join(cluster.said() for cluster in self._clusters)

    def close(self) -> None:
        self._open.close()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "story(function): the story whose outcome the test judges")
    config.addinivalue_line("markers", "unrecorded(why): no case to be held against the real daemons")
    config.stash[RECORDS] = Records()
    config.stash[RETOLD] = []


@pytest.fixture(scope="session")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Binaries:
    """HORAE_META_BIN and HORAE_DB_BIN name others than the doubles of this checkout, real ones as a rule."""
    find_etcd()
    meta, db = os.environ.get("HORAE_META_BIN"), os.environ.get("HORAE_DB_BIN")
    if meta and db:
        found = Binaries(meta, db, real="simulator" not in said_of_version(meta, "--version"))
    elif meta or db:
        raise AssertionError("set both HORAE_META_BIN and HORAE_DB_BIN, or none of them")
    else:
        found = build_simulator(tmp_path_factory.mktemp("bin"))
    if os.environ.get(RECORD) and not found.real:
        raise AssertionError("%s writes what real daemons do: set HORAE_META_BIN and HORAE_DB_BIN to them" % RECORD)
    return found


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    try:
        enter()
    except NoNetwork as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    store = Store()
    yield store
    store.close()


def tell(story: Story, root: pathlib.Path, binaries: Binaries, store: Store, retold: List[str]) -> Any:
    for telling in range(1, TELLINGS + 1):
        home = root / ("%s-%d" % (root.name, telling))
        home.mkdir()
        stage = Stage(home, binaries, store)
        try:
            return story(stage)
        except Exception as error:
            hung = stage.hung() if binaries.real else []
            if not hung or telling == TELLINGS:
                error.add_note(stage.said())
                raise
            retold.append("%s, because %s hung after an election (%s)" % (story.__name__, ", ".join(hung), error))
        finally:
            stage.close()
    raise AssertionError("unreachable: the last telling returns or raises")


@pytest.fixture(scope="session")
def stories(
    request: pytest.FixtureRequest, binaries: Binaries, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dict[Story, Future[Any]]]:
    wanted: Dict[Story, None] = {}
    for item in request.session.items:
        for marker in item.iter_markers("story"):
            wanted[marker.args[0]] = None
    at_once = int(os.environ.get(STORIES, REAL_AT_ONCE if binaries.real else AT_ONCE))
    with ThreadPoolExecutor(at_once) as pool:
        longest_first = sorted(wanted, key=lambda story: -getattr(story, "seconds", 0))
        told = {
            story: pool.submit(tell, story, tmp_path_factory.mktemp(story.__name__), binaries, store, request.config.stash[RETOLD])
            for story in longest_first
        }
        yield told
    if os.environ.get(RECORD):
        whole = {story.__name__: one.result() for story, one in told.items() if one.exception() is None}
        for name, seen in whole.items():
            request.config.stash[RECORDS].write(name, seen, versions(binaries), datetime.date.today().isoformat())


@pytest.fixture
def told(request: pytest.FixtureRequest, stories: Dict[Story, Future[Any]], binaries: Binaries) -> Any:
    """What the story in the test's marker saw. A story that broke off fails each of its tests."""
    story = story_of(request.node)
    failure = stories[story].exception()
    if failure is not None:
        where = [frame for frame in traceback.extract_tb(failure.__traceback__) if "/contract/" in frame.filename]
        said = "\n".join(getattr(failure, "__notes__", ()))
        pytest.fail("%s broke off: %s\n%s\n%s" % (story.__name__, failure, said, "".join(traceback.format_list(where))), pytrace=False)
    return Told(stories[story].result(), binaries.real)


def story_of(item: pytest.Item) -> Story:
    marker = item.get_closest_marker("story")
    assert marker is not None, "the test has no story"
    return marker.args[0]  # type: ignore[no-any-return]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[Any]:
    """A case that was judged well is held against its record. Of other daemons than the simulators, differences are listed."""
    result = yield
    told = pyfuncitem.funcargs.get("told")
    if isinstance(told, Told) and not list(pyfuncitem.iter_markers("unrecorded")):
        found = pyfuncitem.config.stash[RECORDS].hold(pyfuncitem.name, story_of(pyfuncitem).__name__, told)
        if found and not told.real:
            pytest.fail("not as recorded from the real daemons:\n" + "\n".join(found), pytrace=False)
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for one in config.stash[RETOLD]:
        terminalreporter.write_line("told again: " + one)
    tally = config.stash[RECORDS].tally
    if not tally.cases:
        return
    for one in tally.differing:
        terminalreporter.write_line("not as recorded: " + one)
    for case in tally.without:
        terminalreporter.write_line("without a record: " + case)
    if os.environ.get(RECORD):
        terminalreporter.write_line("what was seen is written into %s" % FOLDER)
    terminalreporter.write_line(tally.line())

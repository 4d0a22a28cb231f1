"""A real Kafka broker for the tests, where this machine can run one: its jars, fetched once by Maven and announced."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from lab.console import LabError, run, say
from lab.paths import CACHE, locked

VERSION = "4.3.1"
OLDEST_JAVA = 17
JARS = CACHE / f"kafka-{VERSION}"
FETCH_TIMEOUT = 600
POM = f"""\
<project><modelVersion>4.0.0</modelVersion><groupId>lab</groupId><artifactId>lab</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
"""


def _has_java() -> bool:
    if shutil.which("java") is None:
        return False
    found = re.search(r'version "(\d+)', run(["java", "-version"], check=False, timeout=60).stderr)
    return found is not None and int(found.group(1)) >= OLDEST_JAVA


def can_run() -> bool:
    return JARS.is_dir() and _has_java()


def ensure() -> None:
    """No machine needs a JVM for the tests: without one they take a double, and say so."""
    if can_run():
        return
    if not _has_java() or shutil.which("mvn") is None:
        say(f"no real Kafka on this machine, which needs java ({OLDEST_JAVA} or newer) and mvn: the tests take a double of it")
        return
    with locked("kafka"):
        if not JARS.is_dir():
            try:
                _fetch(JARS)
            except LabError as error:
                say(f"no real Kafka, because its jars can't be fetched; the tests take a double of it. {error}")


def _fetch(target: Path) -> None:
    say(f"fetching Kafka {VERSION} into {target}, for the tests of storage")
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=CACHE) as folder:
        (Path(folder) / "pom.xml").write_text(POM)
        command = ["mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", f"-DoutputDirectory={folder}/jars"]
        run(command, cwd=Path(folder), timeout=FETCH_TIMEOUT)
        (Path(folder) / "jars").rename(target)

"""What a run costs: executions of modules on hosts, and time beside the least possible."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from conftest import MEMBER_UNITS, NODE_UNITS, Operator

from tests.support.cluster import Cluster
from tests.support.floor import Floor

DAEMON = "horaedb.cluster.daemon"
# The look that takes the operation lock, and the gate that ends with the record and the journal.
CLUSTER_MODULES = {"horaedb.cluster.operation": 1, "horaedb.cluster.cluster_ready": 1}
TIMES_THE_FLOOR = 2.5
# Whatever else the machine does only adds, and adds more to the longer one: a busy machine needs more tries until each had a quiet moment.
FEWEST_RUNS = 3
MOST_RUNS = 10


def daemons_on(cluster: Cluster) -> dict[str, int]:
    return dict.fromkeys(cluster.members, len(MEMBER_UNITS)) | dict.fromkeys(cluster.nodes, len(NODE_UNITS))


def assert_within(executions: Counter[tuple[str, str]], least: int, most: int, cluster: Cluster) -> None:
    """So many executions for each daemon on each host, and two for the whole cluster."""
    for host, daemons in daemons_on(cluster).items():
        assert least * daemons <= executions[host, DAEMON] <= most * daemons, (host, executions)
    others = Counter(module for (_host, module), count in executions.items() for _ in range(count) if module != DAEMON)
    assert others == CLUSTER_MODULES, executions


def test_the_first_deployment_is_within_its_budget(cluster: Cluster) -> None:
    """Breaks when a fresh host is asked more than three times per daemon, or the cluster more than twice. What is counted is converge."""
    logs = sorted(Path(os.environ["HORAE_COUNT"]).glob("executions-*"))
    runs = [Counter(tuple(line.split(" ", 1)) for line in log.read_text().splitlines()) for log in logs]
    first = next(run for run in runs if run["meta1", DAEMON])
    print(first)
    assert_within(first, 1, 3, cluster)


def test_a_run_without_changes_is_near_the_floor(
    cluster: Cluster, inventory: Path, operator: Operator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Breaks when site.yml runs a module where a shell line sees that a daemon is as desired, more than two per cluster, or takes the floor so many times."""
    floor = Floor(cluster, inventory, tmp_path_factory.mktemp("ssh"))
    floors, seconds = [], []
    for number in range(MOST_RUNS):
        floors.append(floor.seconds())
        run = operator.deploy()
        assert run.changed == 0, run.output
        assert_within(run.executions, 0, 0, cluster)
        seconds.append(run.seconds)
        times = min(seconds) / min(floors)
        if number + 1 >= FEWEST_RUNS and times <= TIMES_THE_FLOOR:
            break
    print("no-op of site.yml %.1f s, floor %.1f s: %.2f times" % (min(seconds), min(floors), times))
    assert times <= TIMES_THE_FLOOR, "site.yml took %s s, the floor script %s s" % (seconds, floors)

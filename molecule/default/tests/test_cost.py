"""What a run costs: executions of modules on hosts, and time beside the least possible."""

from __future__ import annotations

import pathlib
import statistics

from tests.support import playbook
from tests.support.cluster import Cluster
from tests.support.floor import Floor


def test_a_run_without_changes_is_near_the_floor(cluster: Cluster, inventory: pathlib.Path, tmp_path_factory) -> None:
    """Breaks when site.yml needs more than one execution per host and daemon, two per cluster, or 2.5 times the floor."""
    floor = Floor(cluster, inventory, tmp_path_factory.mktemp("ssh"))
    floors, runs = [], []
    for _ in range(3):
        floors.append(floor.seconds())
        run = playbook.run("site.yml", inventory)
        assert run.rc == 0 and run.changed == 0, run.output
        runs.append(run.seconds)
    least, real = statistics.median(floors), statistics.median(runs)
    print("floor %s, site.yml %s" % (floors, runs))
    print("no-op of site.yml: %.1f s, floor %.1f s, ratio %.2f" % (real, least, real / least))
    assert real <= 2.5 * least

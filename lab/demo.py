"""`make demo`: six hosts, a whole cluster on them, its status, and a query to paste."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from lab import binaries, environment, hosts, recipe
from lab.console import LabError, say
from lab.model import Host, Lab
from lab.paths import ROOT

LAB = Lab("demo")
MEMBERS = tuple(Host(f"meta{number}", ("horaemeta",)) for number in (1, 2, 3))
NODES = tuple(Host(f"db{number}", ("horaedb",)) for number in (1, 2, 3))
INVENTORY = ROOT / "inventories" / "lab" / "hosts.yml"
HTTP_PORT = 5440
QUERY_TIMEOUT = 30
BANNER_WIDTH = 100


def banner(text: str) -> str:
    line = "=" * BANNER_WIDTH
    return f"{line}\n{text}\n{line}"


def kind_banner(simulators: bool) -> str:
    if simulators:
        return banner(
            "SIMULATORS of HoraeMeta and HoraeDB run in this demo, over a real etcd: HoraeDB publishes no binaries.\n"
            "To run the real ones: HORAE_META_BIN=/path/to/horaemeta-server HORAE_DB_BIN=/path/to/horaedb-server make demo"
        )
    return banner("REAL BINARIES run in this demo, the ones named by HORAE_META_BIN and HORAE_DB_BIN.")


def query_command(address: str, statement: str) -> str:
    body = json.dumps({"query": statement})
    return f"curl -s -H 'content-type: application/json' -d {shlex.quote(body)} http://{address}:{HTTP_PORT}/sql"


def _is_simulator(address: str) -> bool:
    """The running process is asked, not the file that was installed: it is the one that answers queries."""
    try:
        with urllib.request.urlopen(f"http://{address}:{HTTP_PORT}/debug/simulator", timeout=QUERY_TIMEOUT) as answer:
            return bool(json.load(answer).get("simulator"))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return False
        raise LabError(f"the data node at {address} answers /debug/simulator with HTTP {error.code}") from error
    except OSError as error:
        raise LabError(f"the data node at {address} does not answer: {error}") from error


def _play(playbook: Path, bin_folder: Path, variables: Mapping[str, str]) -> None:
    command = [str(bin_folder / "ansible-playbook"), "-i", str(INVENTORY.parent), str(playbook)]
    say(f"\n$ ansible-playbook -i {INVENTORY.parent.relative_to(ROOT)} {playbook.relative_to(ROOT)}")
    done = subprocess.run(command, cwd=ROOT, env=variables, check=False)
    if done.returncode != 0:
        raise LabError(f"{playbook.relative_to(ROOT)} failed; the hosts are still there: `python3 -m lab list`, and `make demo` goes on from here")


def run() -> None:
    started = time.monotonic()
    bin_folder = environment.ensure("demo", (environment.VENV, environment.ENGINE))
    chosen = binaries.ensure(str(bin_folder / "python"))
    hosts.up(LAB, [*MEMBERS, *NODES], recipe.default_distro(), INVENTORY)
    variables = {**environment.variables(bin_folder), **chosen}
    _play(ROOT / "site.yml", bin_folder, variables)
    _play(ROOT / "playbooks" / "status.yml", bin_folder, variables)
    address = hosts.find(LAB, NODES[0].name).address
    say("\n" + kind_banner(_is_simulator(address)))
    say(f"\nReady after {time.monotonic() - started:.0f} s. Ask it something:\n")
    say("  " + query_command(address, "SHOW TABLES"))
    say("  " + query_command(address, "SELECT * FROM horaedb_cluster_smoke LIMIT 5"))
    say("\nA shell on a host: python3 -m lab ssh demo db1      Take it all away: make clean, or only the hosts: python3 -m lab down demo")

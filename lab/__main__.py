"""The command line: `python3 -m lab COMMAND` from the root of the checkout."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from lab import cleaning, demo, environment, hosts, image, network, recipe, reference, stages, testing
from lab.console import LabError, complain, say
from lab.model import Lab, parse_hosts

INTERRUPTED = 130


def _up(options: argparse.Namespace) -> None:
    wanted = parse_hosts(options.host, options.without_python)
    hosts.up(Lab(options.name), wanted, options.distro, options.inventory)


def _down(options: argparse.Namespace) -> None:
    if options.all == (options.name is not None):
        raise LabError("say the name of one lab, or --all")
    for lab in hosts.labs_here() if options.all else [Lab(options.name)]:
        hosts.down(lab)


def _list(_options: argparse.Namespace) -> None:
    for one in hosts.containers():
        state = "running" if one.running else "stopped"
        elsewhere = "" if one.is_ours() else f"  (of {one.checkout})"
        say(f"{one.lab:24} {one.host:16} {one.address:16} {state:8} {one.kind}{elsewhere}")


def _exec(options: argparse.Namespace) -> None:
    lab = Lab(options.name)
    hosts.find(lab, options.on)
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    command = options.command or ["bash", "--login"]
    os.execvp("docker", ["docker", "exec", "--interactive", *terminal, lab.container(options.on), *command])


def _ssh(options: argparse.Namespace) -> None:
    argv = hosts.ssh_command(Lab(options.name), options.on, options.user, options.command)
    os.execvp(argv[0], argv)


def _cut(options: argparse.Namespace) -> None:
    lab = Lab(options.name)
    hosts.find(lab, options.on)
    (network.cut if options.action == "cut" else network.heal)(lab.container(options.on))


def _image(options: argparse.Namespace) -> None:
    say(image.ensure(options.distro))


def _setup(options: argparse.Namespace) -> None:
    say(f"ready; the tools are in {environment.ensure(options.purpose)}")


def _tool(options: argparse.Namespace) -> None:
    bin_folder = environment.ensure("test", (environment.VENV, environment.TOOL))
    variables = environment.variables(bin_folder)
    if shutil.which(options.tool, path=variables["PATH"]) is None:
        raise LabError(f"no {options.tool} in {bin_folder} or on PATH")
    os.execvpe(options.tool, [options.tool, *options.arguments], dict(variables))


def _demo(_options: argparse.Namespace) -> None:
    demo.run()


def _test(options: argparse.Namespace) -> int:
    wanted = [*options.stage, *(f"{stages.MOLECULE_PREFIX}{name}" for name in options.scenario)]
    return testing.run(wanted, options.keep_going, options.minutes)


def _docs(_options: argparse.Namespace) -> None:
    reference.run()


def _clean(_options: argparse.Namespace) -> None:
    cleaning.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m lab", description="Hosts out of containers, and the commands that use them.")
    commands = parser.add_subparsers(dest="action", required=True, metavar="COMMAND")

    def distro(command: argparse.ArgumentParser) -> None:
        command.add_argument("--distro", choices=recipe.DISTROS, default=recipe.default_distro())

    command = commands.add_parser("setup", help="make sure of everything that a demo or a test needs")
    command.add_argument("--for", dest="purpose", choices=sorted(environment.REQUIREMENTS), default="demo")
    command.set_defaults(run=_setup)

    command = commands.add_parser("tool", help="run molecule, pytest, ansible-playbook... as the tests do")
    command.add_argument("tool")
    command.add_argument("arguments", nargs=argparse.REMAINDER)
    command.set_defaults(run=_tool)

    commands.add_parser("demo", help="six hosts with a whole cluster on them, and a query to paste").set_defaults(run=_demo)

    command = commands.add_parser("test", help="run all tests, or some stages of them")
    command.add_argument("stage", nargs="*", help="lint, unit, sanity, build, contract, molecule, molecule:SCENARIO; all if not said")
    command.add_argument("--scenario", action="append", default=[], metavar="NAME", help="one Molecule scenario; repeat it")
    command.add_argument("--keep-going", action="store_true", help="go on with the next stage after a failure")
    command.add_argument("--minutes", type=int, help="how long it may take, for more than the usual: HORAE_KILLS=all, HORAE_FAULTS=all")
    command.set_defaults(run=_test)

    commands.add_parser("docs", help="write the reference of modules and roles into build/docs").set_defaults(run=_docs)

    commands.add_parser("clean", help="remove all that the other commands made").set_defaults(run=_clean)

    command = commands.add_parser("image", help="make the image of a lab host")
    distro(command)
    command.set_defaults(run=_image)

    command = commands.add_parser("up", help="bring a lab to exactly these hosts and write its inventory")
    command.add_argument("name")
    command.add_argument("--host", action="append", default=[], metavar="NAME:GROUP,...", help="a host and its inventory groups; repeat it")
    command.add_argument("--without-python", action="append", default=[], metavar="NAME", help="take Python away from this host; repeat it")
    command.add_argument("--inventory", type=Path, metavar="FILE", help="where to write the inventory; the lab's own folder if not said")
    distro(command)
    command.set_defaults(run=_up)

    command = commands.add_parser("down", help="remove a lab: its hosts, network and files")
    command.add_argument("name", nargs="?")
    command.add_argument("--all", action="store_true", help="every lab of this checkout")
    command.set_defaults(run=_down)

    commands.add_parser("list", help="show all hosts of all labs").set_defaults(run=_list)

    for name, run, text in (("exec", _exec, "through the engine, so also when its network is cut"), ("ssh", _ssh, "as Ansible does")):
        command = commands.add_parser(name, help=f"run a command or a shell on a host, {text}")
        if name == "ssh":
            command.add_argument("--user", default="root")
        command.add_argument("name", metavar="LAB")
        command.add_argument("on", metavar="HOST")
        command.add_argument("command", nargs=argparse.REMAINDER)
        command.set_defaults(run=run)

    for name, text in (("cut", "drop all packets of a host, silently"), ("heal", "undo cut")):
        command = commands.add_parser(name, help=text)
        command.add_argument("name", metavar="LAB")
        command.add_argument("on", metavar="HOST")
        command.set_defaults(run=_cut)
    return parser


def main(arguments: Optional[Sequence[str]] = None) -> int:
    try:
        options = _parser().parse_args(arguments)
        return options.run(options) or 0
    except LabError as error:
        complain(f"lab: {error}")
        return 1
    except KeyboardInterrupt:
        complain("lab: stopped by the user")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())

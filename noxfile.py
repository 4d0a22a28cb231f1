# /// script
# dependencies = ["nox>=2025.02.09", "antsibull-nox"]
# ///
"""`nox -l` lists the sessions: those of antsibull-nox.toml, and the stages of the lab's tests."""

import sys

import antsibull_nox
import nox

# Ignored by git, and taken away by `make clean`.
nox.options.envdir = "build/nox"

antsibull_nox.load_antsibull_nox_toml()


def add_stage(stage: str, text: str, default: bool = False) -> None:
    def run(session: nox.Session) -> None:
        # What comes after -- stands for the stage: nox -e molecule -- --scenario standalone
        session.run(sys.executable, "-m", "lab", "test", *(session.posargs or [stage]), external=True)

    run.__doc__ = text
    nox.session(run, name=stage, python=False, default=default)


add_stage("lint", "ruff, mypy, yamllint, ansible-lint, and what docs-check, extra-checks and license-check run", default=True)
add_stage("unit", "tests/unit and tests/simulator", default=True)
add_stage("sanity", "ansible-test sanity")
add_stage("sanity-cores", "ansible-test sanity of each other ansible-core that a Python is found for; not in make test")
add_stage("build", "The built collection, installed with each ansible-core that a Python is found for")
add_stage("contract", "The simulators against what the real daemons were seen to do")
add_stage("hosts", "The module daemon on a real host")
add_stage("molecule", "All Molecule scenarios, or one: -- --scenario NAME")

if __name__ == "__main__":
    nox.main()

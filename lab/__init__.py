"""Hosts out of containers, and the commands that use them: `python3 -m lab --help`.

Runs on the system's python3 (3.9 or newer) with nothing installed, because it is what installs the rest.
"""

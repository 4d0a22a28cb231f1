"""Replaced by build.py in the zipapps; these values are for runs from the source tree."""

VERSION = "2.1.0"
FLAVOUR = "good"

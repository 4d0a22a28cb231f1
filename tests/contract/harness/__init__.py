"""Runs the two daemons for the tests, and asks them."""

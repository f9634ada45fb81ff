"""Bugs seeded into published packages, mended from the command line with no model: `python -m bench mutants`."""

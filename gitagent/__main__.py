"""`python -m gitagent`, the same as the console script."""

from gitagent.cli import main

main(prog_name="gitagent")

"""A command that is interrupted."""

import click


@click.command("init")
def init_command() -> None:
    """Be interrupted."""
    raise KeyboardInterrupt

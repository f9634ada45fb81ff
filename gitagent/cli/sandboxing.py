"""The options that say where tests run, and how: the same for every command that runs them."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--sandbox", type=click.Choice(["auto", "docker", "bubblewrap", "none"]),
                 help="Where the tests run; none is unprotected."),
    click.option("--image", help="Container image the tests run in."),
    click.option("--python", "python", type=click.Path(), help="Interpreter or virtual environment for the tests."),
    click.option("--test-command", metavar="COMMAND", help="How the whole suite runs, when convention fails."),
)  # fmt: skip


def sandbox_options(command: Command) -> Command:
    """Give a command `--sandbox`, `--image`, `--python` and `--test-command`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def settings(
    sandbox: str | None, image: str | None, python: str | None, test_command: str | None
) -> dict[str, object]:
    """Those options as the settings they override."""
    return {
        "sandbox.backend": sandbox,
        "sandbox.image": image,
        "sandbox.python": python,
        "tests.command": test_command,
    }

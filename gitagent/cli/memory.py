"""`gitagent memory`: what is worth knowing about a project, kept in its repository."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gitagent.adapters.git_memory import GitMemory


@click.group("memory")
def memory_command() -> None:
    """Lasting facts about a project: they go into the prompts of planners, workers and questions."""


@memory_command.command("list")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(repo: str, as_json: bool) -> None:
    """List the facts, those that go into prompts first first."""
    from gitagent.cli.printing import one_line, print_json

    facts = _memory(repo).facts()
    if as_json:
        print_json([{"id": one.id, "priority": one.priority, "text": one.text} for one in facts])
        return
    for one in facts:
        click.echo(f"{one.id}  {one.priority}  {one_line(one.text)}")
    if not facts:
        click.echo("nothing is known yet", err=True)
        click.echo('hint: gitagent memory add "prices are in cents"', err=True)


@memory_command.command("add")
@click.argument("text", nargs=-1, required=True)
@click.option("--priority", default=5, show_default=True, type=click.IntRange(1, 9), help="1 goes in first.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def add_command(text: tuple[str, ...], priority: int, repo: str) -> None:
    """Keep a fact of one line."""
    from gitagent.core import memory

    one = memory.fact(" ".join(text), priority)
    _memory(repo).add(one)
    click.echo(one.id)


@memory_command.command("forget")
@click.argument("fact")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def forget_command(fact: str, repo: str) -> None:
    """Take a fact away, by its id or the beginning of it."""
    from gitagent.cli.printing import one_line

    click.echo(f"forgotten: {one_line(_memory(repo).forget(fact).text)}")


def _memory(repo: str) -> "GitMemory":
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_memory import GitMemory

    return GitMemory(GitRepository(repo))

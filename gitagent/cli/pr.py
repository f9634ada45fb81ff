"""`gitagent pr`: what awaits a human, and the human's answer."""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from gitagent.cli.printing import harmless, one_line, print_diff, print_json
from gitagent.errors import ForgeError
from gitagent.records import PullRequest

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.local_forge import LocalForge
    from gitagent.ports import Forge

COLOURS = {"open": "green", "merged": "magenta", "closed": "red"}


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--repo` and `--forge`."""
    choice = click.Choice(["auto", "github", "local"])
    command = click.option("--forge", "forge_name", type=choice, help="Where pull requests are.")(command)
    return click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")(
        command
    )


@click.group()
def pr_command() -> None:
    """List, show, merge or close pull requests."""


@pr_command.command("list")
@click.option("--state", type=click.Choice(["open", "merged", "closed", "all"]), default="open", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_options
def list_command(state: str, as_json: bool, repo: str, forge_name: str | None) -> None:
    """List pull requests, newest first."""
    pulls = _forge(repo, forge_name)[1].pulls(state)
    if as_json:
        print_json([asdict(pull) for pull in pulls])
        return
    if not pulls:
        click.echo(f"No {'' if state == 'all' else state + ' '}pull requests.", err=True)
    for pull in pulls:
        click.echo(f"#{pull.number}  {_state(pull)}  {one_line(pull.title)}  ({_way(pull)})")


@pr_command.command("show")
@click.argument("number", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_options
def show_pull_command(number: int, as_json: bool, repo: str, forge_name: str | None) -> None:
    """Show a pull request with its whole text."""
    pull = _forge(repo, forge_name)[1].pull(number)
    if as_json:
        print_json(asdict(pull))
        return
    click.echo(click.style(f"#{pull.number} {one_line(pull.title)}", bold=True))
    click.echo(f"{_state(pull)}  {_way(pull)}  {pull.tip[:12]}  {one_line(pull.url)}\n")
    click.echo(harmless(pull.body.rstrip()))


@pr_command.command("diff")
@click.argument("number", type=int)
@_options
def diff_command(number: int, repo: str, forge_name: str | None) -> None:
    """Print what a pull request changes, as a patch that `git apply` takes."""
    repository, forge = _forge(repo, forge_name)
    pull = forge.pull(number)
    print_diff(repository.diff(pull.base, pull.tip))


@pr_command.command("merge")
@click.argument("number", type=int)
@click.option("--delete-branch", is_flag=True, help="Delete the branch afterwards.")
@_options
def merge_command(number: int, delete_branch: bool, repo: str, forge_name: str | None) -> None:
    """Merge a pull request into its base branch, with a merge commit.

    A work tree that stands on the base branch is brought along as `git merge` does it.
    """
    forge = _local(_forge(repo, forge_name)[1], number)
    pull = forge.merge(number)
    click.echo(f"Merged #{number} into {harmless(pull.base_branch)}.")
    if delete_branch:
        _drop(forge, pull)


@pr_command.command("close")
@click.argument("number", type=int)
@click.option("--delete-branch", is_flag=True, help="Delete the branch too; its commits stay reachable.")
@_options
def close_command(number: int, delete_branch: bool, repo: str, forge_name: str | None) -> None:
    """Close a pull request without merging it; its branch stays."""
    forge = _forge(repo, forge_name)[1]
    local = _local(forge, number) if delete_branch else None
    pull = forge.close(number)
    click.echo(f"Closed #{number}.")
    if local:
        _drop(local, pull)


def _forge(repo: str, name: str | None) -> "tuple[GitRepository, Forge]":
    from gitagent.adapters.git import GitRepository
    from gitagent.cli import building, forges

    repository = GitRepository(repo)
    config = building.config_for(repository, {"forge.name": name})
    return repository, forges.forge_for(repository, config)


def _local(forge: "Forge", number: int) -> "LocalForge":
    from gitagent.adapters.local_forge import LocalForge

    if isinstance(forge, LocalForge):
        return forge
    url = forge.pull(number).url
    raise ForgeError(f"pull request {number} is merged, and its branch deleted, on {forge.name}: {url}", hint=url)


def _drop(forge: "LocalForge", pull: PullRequest) -> None:
    forge.drop_branch(pull)
    click.echo(f"Deleted branch {harmless(pull.branch)} (was {pull.tip[:12]}).")


def _state(pull: PullRequest) -> str:
    word = "draft" if pull.draft and pull.state == "open" else pull.state
    return click.style(word, fg=COLOURS[pull.state])


def _way(pull: PullRequest) -> str:
    return harmless(f"{pull.branch} → {pull.base_branch}")

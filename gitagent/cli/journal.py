"""`gitagent journal`: what is written down of runs, carried to another repository and back, only when told to."""

import re

import click

from gitagent.errors import RepositoryError

RUNS = "refs/gitagent/runs/*:refs/gitagent/runs/*"


@click.group()
def journal_command() -> None:
    """Push or fetch what is written down of runs."""


@journal_command.command("push")
@click.argument("remote")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def push_command(remote: str, repo: str) -> None:
    """Push the runs to a remote; what others wrote there is never overwritten.

    They hold requests, prompts' answers and test output: push them only where these may be read.
    """
    _carry("push", remote, repo, "--no-verify", "--no-follow-tags")


@journal_command.command("fetch")
@click.argument("remote")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def fetch_command(remote: str, repo: str) -> None:
    """Fetch the runs of a remote; runs here that went on otherwise are kept as they are."""
    _carry("fetch", remote, repo, "--no-tags", "--no-write-fetch-head")


def _carry(verb: str, remote: str, repo: str, *options: str) -> None:
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_worktrees import run_git

    repository = GitRepository(repo)
    if not repository.remote_url(remote):
        raise RepositoryError(f"there is no remote {remote!r}. Nothing was carried", hint="git remote -v")
    said = run_git(repository.directory, verb, *options, "--", remote, RUNS)
    if said.returncode:
        lines = [line.strip() for line in said.stderr.split("\n") if re.match(r" ?! |fatal:|error:", line)]
        reason = re.sub(r"//[^/@\s]+@", "//", " ".join((lines or ["no reason given"])[0].split()))
        raise RepositoryError(f"git {verb} of the runs: {reason[:300]}", hint=f"git {verb} {remote}")

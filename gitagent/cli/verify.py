"""`gitagent verify`: whether a certificate holds."""

from typing import TYPE_CHECKING

import click

from gitagent.cli.printing import one_line, print_json
from gitagent.cli.sandboxing import sandbox_options, settings

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository
    from gitagent.config import Config
    from gitagent.records import TestRun

EXIT_CODES = {"holds": 0, "does not hold": 1, "cannot tell": 125}
COLOURS = {"holds": "green", "does not hold": "red", "cannot tell": "yellow"}


@click.command("verify")
@click.argument("target")
@click.option("--no-run", is_flag=True, help="Only compare the certificate with the repository; run no test.")
@sandbox_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.pass_context
def verify_command(
    ctx: click.Context,
    target: str,
    no_run: bool,
    sandbox: str | None,
    image: str | None,
    python: str | None,
    test_command: str | None,
    as_json: bool,
    repo: str,
) -> None:
    """Run a certificate's tests again and say whether it holds.

    TARGET is a pull request's number, a branch or a commit. Nothing in the repository is changed, and your checkout
    is not used: base and tip are checked out into sandboxes.

    Exit code 0: it holds. 1: it does not. 125: cannot tell. 2 to 7: see docs/cli.md.
    """
    from gitagent.adapters.git import GitRepository
    from gitagent.cli import building
    from gitagent.events import Noted, Stream
    from gitagent.verifying import Verifier

    repository = GitRepository(repo)
    config = building.config_for(repository, settings(sandbox, image, python, test_command))
    commit, text = _certificate(repository, config, target)

    def noted(event: object) -> None:
        if isinstance(event, Noted):
            click.echo(one_line(event.text), err=True)

    def told(where: str, run: "TestRun") -> None:
        click.echo(f"{where}: {one_line(run.reason)} in {run.seconds:.1f} s", err=True)

    found = Verifier(
        repository,
        building.sandbox_for(repository, config, Stream(noted)),
        config.sandbox_limits(),
        configured=config.tests.command,
        told=told,
    ).verify(commit, text, run=not no_run)
    if as_json:
        from gitagent.events import as_plain

        print_json(as_plain(found))
    else:
        click.echo(f"{commit[:12]}: the certificate {click.style(_said(found.answer), fg=COLOURS[found.answer])}")
        for reason in found.reasons:
            click.echo(f"  {one_line(reason)}")
    if text is None:
        click.echo(
            "hint: git fetch origin refs/notes/gitagent:refs/notes/gitagent, or name the pull request", err=True
        )
    ctx.exit(EXIT_CODES[found.answer])


def _said(answer: str) -> str:
    return "cannot be judged" if answer == "cannot tell" else answer


def _certificate(repository: "GitRepository", config: "Config", target: str) -> tuple[str, str | None]:
    """The commit that is meant, and its certificate: its note, else what its pull request carries."""
    from gitagent.adapters.git_notes import GitNotes
    from gitagent.cli import forges
    from gitagent.core import certificates

    number = target.removeprefix("#")
    if not (number.isascii() and number.isdigit() and len(number) < 7):
        commit = repository.resolve(target)
        return commit, GitNotes(repository).read(commit)
    pull = forges.forge_for(repository, config).pull(int(number))
    commit = repository.resolve(pull.tip)
    note = GitNotes(repository).read(commit)
    return commit, note if note is not None else certificates.found_in(pull.body)

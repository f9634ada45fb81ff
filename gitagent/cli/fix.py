"""`gitagent fix`: from a sentence, an issue, a commit or a failing test to a pull request."""

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from gitagent.cli.sandboxing import sandbox_options, settings
from gitagent.errors import ForgeError, RequestError

if TYPE_CHECKING:
    from gitagent.adapters.git import GitRepository


@click.command("fix")
@click.argument("text", nargs=-1)
@click.option("--issue", type=click.IntRange(min=1), help="Work on this issue of the forge.")
@click.option("--commit", "commit_rev", metavar="REV", help="Work on what this commit's message asks.")
@click.option("--test", "tests", metavar="NODEID", multiple=True, help="A failing test to turn green; repeatable.")
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
@click.option("--base", metavar="REV", help="Commit to start from.  [default: HEAD]")
@click.option("--local", "mode", flag_value="local", help="Nothing leaves this machine.  [default]")
@click.option("--api", "mode", flag_value="api", help="The configured endpoint may be asked too.")
@click.option("--candidates", type=click.IntRange(1, 64),
              help="Diffs asked of a model for one micro-task.  [default: local 8, api 3]")  # fmt: skip
@sandbox_options
@click.option("--minutes", type=click.FloatRange(min=0.01), help="Wall time of the run.")
@click.option("--dollars", type=click.FloatRange(min=0), help="Money the run may spend.")
@click.option("--tokens", type=click.IntRange(min=1), help="Tokens the run may use.")
@click.option("--max-candidates", type=click.IntRange(min=1), help="Candidates the run may try.")
@click.option("--test-first/--no-test-first", default=None,
              help="Where no test fails, write one that does before mending.  [default: on]")  # fmt: skip
@click.option("--allow-test-changes", is_flag=True,
              help="Let answers change existing tests, CI and lock files, in commits of their own.")  # fmt: skip
@click.option(
    "--explain-routing", is_flag=True, help="Print each task's complexity and why its worker was chosen."
)
@click.option(
    "--plan", "plan_file", metavar="FILE", type=click.Path(), help="Carry out this plan, as gitagent run does."
)
@click.option("--approve-plan", is_flag=True, help="Show every plan and ask before any code is written.")
@click.option("--again", is_flag=True, help="Start the request's branch anew; the old one is kept aside.")
@click.option(
    "--dry-run", is_flag=True, help="Show the diff and the verdict, leave no branch and no pull request."
)
@click.option("--yes", is_flag=True, help="Push and open the pull request without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line (docs/events.md).")
@click.pass_context
def fix_command(
    ctx: click.Context,
    text: tuple[str, ...],
    issue: int | None,
    commit_rev: str | None,
    tests: tuple[str, ...],
    repo: str,
    base: str | None,
    mode: str | None,
    candidates: int | None,
    sandbox: str | None,
    image: str | None,
    python: str | None,
    test_command: str | None,
    minutes: float | None,
    dollars: float | None,
    tokens: int | None,
    max_candidates: int | None,
    test_first: bool | None,
    allow_test_changes: bool,
    explain_routing: bool,
    plan_file: str | None,
    approve_plan: bool,
    again: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Work on a request and open a pull request with a red-to-green proof.

    TEXT says what is wrong, in a sentence or more; `-` reads it from standard input. Your HEAD, index and
    working copy are not touched: the work is on a branch `gitagent/<key>-<slug>`.

    Exit code 0: proven. 1: ended without a proof. 2 to 7: see docs/cli.md. 130: interrupted.
    """
    given = [
        name
        for name, value in (("TEXT", text), ("--issue", issue), ("--commit", commit_rev), ("--plan", plan_file))
        if value
    ]
    if len(given) > 1:
        raise RequestError(
            f"{' and '.join(given)} exclude each other, expected one. Nothing was run.",
            hint=f"gitagent fix {'TEXT' if text else given[0] + ' …'}",
        )
    if not given and not tests:
        raise RequestError(
            "nothing was asked, expected TEXT, --issue, --commit or --test. Nothing was run.",
            hint='gitagent fix "what is wrong, and what should happen instead"',
        )
    from gitagent.adapters.git import GitRepository
    from gitagent.cli import building, carrying, forges, running
    from gitagent.cli.commanding import COMPLEXITY
    from gitagent.cli.plan import approval, read_plan
    from gitagent.core import intake, plan_files

    written = read_plan(plan_file) if plan_file else ""
    saved = plan_files.read(written, plan_file) if plan_file else None
    asks = approval(yes=yes) if approve_plan else None
    repository = GitRepository(repo)
    flags = {
        "run.mode": mode,
        "run.minutes": minutes,
        "run.dollars": dollars,
        "run.tokens": tokens,
        "run.candidates": max_candidates,
        **settings(sandbox, image, python, test_command),
        "run.test_first": test_first,
        "tests.allow_changes": allow_test_changes or None,
    }
    config = building.config_for(repository, flags)
    head = repository.head()
    start = repository.resolve(base or commit_rev or head.oid)
    forge = forges.forge_for(repository, config)
    if not forge.has_token and not dry_run:
        raise ForgeError(
            f"no token for {forge.name} was found, so no pull request could be opened. Nothing was run.",
            hint="export GITHUB_TOKEN=…, or gh auth login; --dry-run needs none",
        )
    if issue is not None:
        words, asked_by = forge.issue(issue)
        request = intake.request(words, source="issue", base=start, reference=str(issue), asked_by=asked_by)
    elif commit_rev is not None:
        oid = repository.resolve(commit_rev)
        words = intake.text_of_commit(repository.message(oid))
        request = intake.request(
            words, source="commit", base=start, reference=oid, asked_by=repository.author(oid)
        )
    elif saved is not None:
        number = str(saved.issue or "")
        request = intake.request(saved.request, source="issue" if number else "text", base=start, reference=number)
    elif text == ("-",):
        # Four bytes are the longest a character of UTF-8 can be.
        said = sys.stdin.buffer.read(4 * intake.MAX_CHARACTERS + 4).decode("utf-8", "replace")
        request = intake.request(said, source="stdin", base=start)
    elif text:
        request = intake.request(" ".join(text), source="text", base=start)
    else:
        words = f"Make {', '.join(tests)} pass"
        request = intake.request(words, source="test", base=start, reference=" ".join(tests))
    request = replace(request, tests=tests)
    if forge.name != "local" and not (yes or dry_run):
        _ask_to_push(forge.name, intake.branch_of(request))

    more: dict[str, Any] = {
        "base_branch": base_branch(repository, head.branch, base),
        "candidates": candidates,
        "dry_run": dry_run,
        "again": again,
        "planned": saved is not None,
        "approve_plan": approve_plan,
        "complexity": ctx.meta.get(COMPLEXITY, 0.0),
    }
    carrying.carry_out(
        ctx,
        repository=repository,
        config=config,
        forge=forge,
        request=request,
        options=carrying.options_for(config, run=running.new_run(), **more),
        start=carrying.started(request, {name: value for name, value in flags.items() if value is not None}, more),
        files={carrying.PLAN: written} if saved else {},
        plan=saved,
        approval=asks,
        as_json=as_json,
        explains=explain_routing,
        repo=repo,
    )


def base_branch(repository: "GitRepository", current: str | None, base: str | None) -> str:
    """The branch a pull request is for: the one named by `--base`, else the current one, else main."""
    if base:
        short = base.removeprefix("refs/heads/").removeprefix("origin/")
        if repository.has_branch(short):
            return short
    return current or "main"


def _ask_to_push(forge: str, branch: str) -> None:
    if not os.isatty(0):
        raise RequestError(
            f"a pull request on {forge} needs your word, and nobody can be asked here. Nothing was run.",
            hint="gitagent fix --yes …, or --dry-run",
        )
    if not click.confirm(f"Push {branch} and open a draft pull request on {forge} when it is proven?", err=True):
        click.echo("nothing was run", err=True)
        raise click.exceptions.Exit(1)

"""`gitagent bot`: the three jobs of the workflow that `gitagent init --github` writes.

begin    decides what the event asks and who may ask; a token for comments, no model, no code of the repository
propose  runs the pipeline; a token that can read; leaves a proposal: `proposal.json` and a git bundle
publish  checks the proposal and pushes; a token that can write, no model, no code of the repository
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gitagent.cli.bot import deciding, proposing, publishing, runner, telling
from gitagent.errors import GitagentError

RUNS = ("fix", "retry", "revise")

_COMMON = [
    click.option("--label", default="gitagent", show_default=True, help="The label that asks."),
    click.option("--event", "event_path", envvar="GITHUB_EVENT_PATH", required=True, type=click.Path()),
    click.option("--event-name", envvar="GITHUB_EVENT_NAME", required=True),
    click.option("--repository", "slug", envvar="GITHUB_REPOSITORY", required=True, metavar="OWNER/NAME"),
    click.option(
        "--api-url", envvar="GITHUB_API_URL", default="", help="The site's API; empty for the public one."
    ),
    click.option("--repo", default=".", type=click.Path(), show_default=True, help="The checkout."),
]


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every job is told by the runner."""
    for option in reversed(_COMMON):
        command = option(command)
    return command


@click.group()
def bot_command() -> None:
    """The jobs of the GitHub workflow (`gitagent init --github`)."""


@bot_command.command("begin")
@_options
def begin_command(label: str, event_path: str, event_name: str, slug: str, api_url: str, repo: str) -> None:
    """Decide what the event asks, tell so in the one comment, and do what needs no run."""
    forge = runner.forge(repo, slug, api_url)
    trigger, decision = deciding.decided(forge, event_name, event_path, label)
    runner.output({"decision": decision.kind, "number": str(decision.number), "reason": decision.reason})
    click.echo(f"{decision.kind}: {decision.reason}", err=True)
    if decision.kind in (*RUNS, "plan") and decision.number:
        forge.say(decision.number, telling.PROGRESS, telling.checklist(trigger, decision, done=1))
    elif decision.kind == "stop" and decision.number:
        forge.say(
            decision.number,
            telling.PROGRESS,
            f"Stopped by @{telling.login(trigger.actor)}: what is under way will not be published.",
        )


@bot_command.command("propose")
@click.option(
    "--to", "directory", required=True, type=click.Path(file_okay=False), help="Where the proposal goes."
)
@_options
def propose_command(
    directory: str, label: str, event_path: str, event_name: str, slug: str, api_url: str, repo: str
) -> None:
    """Run the pipeline on what the event asks, and leave a proposal. Nothing is pushed."""
    from gitagent import proposals
    from gitagent.adapters.git import GitRepository

    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    forge = runner.forge(repo, slug, api_url)
    trigger, decision = deciding.decided(forge, event_name, event_path, label)
    if decision.kind not in (*RUNS, "plan"):
        proposals.write(target, proposals.Proposal(run="", state="nothing", reason=decision.reason))
        return
    repository = GitRepository(repo)
    try:
        if decision.kind == "plan":
            proposal = proposing.questions(repository, trigger, decision)
        else:
            proposal = proposing.proposed(repository, forge, trigger, decision, target)
    except GitagentError as error:
        # The publishing job tells it where it was asked; the log has it too.
        proposals.write(target, proposals.Proposal(run="", state="failed", reason=str(error)))
        raise
    proposals.write(target, proposal)
    runner.summary(proposal.body or proposal.reason)
    runner.output({"state": proposal.state, "branch": proposal.branch})


@bot_command.command("publish")
@click.option(
    "--from", "directory", required=True, type=click.Path(file_okay=False), help="Where the proposal is."
)
@click.option("--base-branch", envvar="GITAGENT_BASE_BRANCH", default="", help="Branch pull requests are for.")
@click.option("--diff-lines", type=click.IntRange(min=1), default=400, show_default=True)
@click.option("--proven-only", is_flag=True, help="Push nothing whose certificate does not hold.")
@_options
@click.pass_context
def publish_command(
    ctx: click.Context,
    directory: str,
    base_branch: str,
    diff_lines: int,
    proven_only: bool,
    label: str,
    event_path: str,
    event_name: str,
    slug: str,
    api_url: str,
    repo: str,
) -> None:
    """Check a proposal against the policy, push it, and open or update the draft pull request."""
    from gitagent import proposals
    from gitagent.adapters.git import GitRepository

    forge = runner.forge(repo, slug, api_url)
    trigger, decision = deciding.decided(forge, event_name, event_path, label)
    repository = GitRepository(repo)
    if decision.kind == "undo":
        publishing.undo(forge, repository, trigger, decision)
        return
    if decision.kind == "explain":
        publishing.explain(forge, repository, decision)
        return
    if decision.kind == "plan":
        asked = proposals.read(Path(directory))
        telling.tell(forge, trigger, decision, telling.plain(asked.reason))
        if asked.state == deciding.QUESTIONS:
            forge.say(decision.number, deciding.QUESTIONS, asked.body)
        runner.output({"state": asked.state})
        return
    if decision.kind not in RUNS:
        click.echo(f"nothing to publish: {decision.reason}", err=True)
        return
    proposal = proposals.read(Path(directory))
    if not proposal.tip:
        telling.tell(forge, trigger, decision, f"No change came of it: {telling.plain(proposal.reason)}")
        runner.output({"state": proposal.state})
        return
    stopped = forge.has_asked_to_stop(decision.number, trigger.at) if decision.number and trigger.at else ""
    if stopped:
        telling.tell(forge, trigger, decision, f"Stopped by @{telling.login(stopped)}: nothing was published.")
        runner.output({"state": "stopped"})
        return
    base_branch = base_branch or repository.head().branch or "main"
    policy = proposals.Policy(diff_lines=diff_lines, proven_only=proven_only)
    checked = publishing.checked(
        repository, forge, trigger, decision, proposal, Path(directory), base_branch, policy
    )
    if checked.refused:
        told = "\n".join(f"- {telling.plain(reason)}" for reason in checked.refused)
        telling.tell(forge, trigger, decision, f"The proposal was not published:\n\n{told}")
        runner.output({"state": "refused"})
        click.echo("error: the proposal is refused: " + "; ".join(checked.refused), err=True)
        ctx.exit(1)
    pull = publishing.publish(forge, proposal, checked, base_branch)
    runner.output(
        {"state": "unproven" if checked.unproven else "proven", "pull": str(pull.number), "url": pull.url}
    )

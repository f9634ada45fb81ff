"""`gitagent bot`: the three jobs of the workflow that `gitagent init --github` writes.

begin    decides what the event asks and who may ask; a token for comments, no model, no code of the repository
propose  runs the pipeline; a token that can read; leaves a proposal: `proposal.json` and a git bundle
publish  checks the proposal and pushes; a token that can write, no model, no code of the repository
"""

import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gitagent.cli.bot import deciding, proposing, publishing, runner, steering, telling
from gitagent.errors import ForgeError, GitagentError, RequestError

if TYPE_CHECKING:
    from gitagent.proposals import Proposal

RUNS = ("fix", "retry", "revise", "approve")

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


def _options(command: Callable[..., Any], *, begins: bool = False) -> Callable[..., Any]:
    """Give a job the site it is on and what is asked, out of what every job is told by the runner."""

    @functools.wraps(command)
    def on_site(
        label: str, event_path: str, event_name: str, slug: str, api_url: str, repo: str, **more: Any
    ) -> Any:
        site = runner.site(repo, slug, api_url)
        asked = deciding.decided(site, event_name, event_path, label, begins=begins)
        return command(site=site, asked=asked, **more)

    for option in reversed(_COMMON):
        on_site = option(on_site)
    return on_site


@click.group()
def bot_command() -> None:
    """The jobs of the GitHub workflow (`gitagent init --github`)."""


@bot_command.command("begin")
@functools.partial(_options, begins=True)
def begin_command(site: runner.Site, asked: deciding.Asked) -> None:
    """Decide what the event asks, tell so in the one comment, and do what needs no run."""
    decision = asked.decision
    told = {"decision": decision.kind, "number": str(asked.number), "reason": decision.reason}
    runner.output({**told, "group": asked.key if asked.number else ""})
    click.echo(f"{decision.kind}: {decision.reason}", err=True)
    if asked.told and asked.number:
        site.forge.say(asked.number, telling.REFUSAL, asked.told)
    elif decision.kind in (*RUNS, "plan") and asked.number:
        telling.begun(site, asked)
    elif decision.kind == "steer":
        with suppress(ForgeError):  # a courtesy
            site.forge.react(asked.trigger.comment, steering.HANDED_ON)
    elif decision.kind == "stop" and asked.number:
        words = f"Stopped by @{telling.login(asked.trigger.actor)}: what is under way will not be published."
        site.forge.say(asked.number, telling.PROGRESS, words)


@bot_command.command("propose")
@click.option(
    "--to", "directory", required=True, type=click.Path(file_okay=False), help="Where the proposal goes."
)
@click.option("--approve-plan", is_flag=True, help="Leave a plan that waits for approval, and no code.")
@_options
def propose_command(directory: str, approve_plan: bool, site: runner.Site, asked: deciding.Asked) -> None:
    """Run the pipeline on what the event asks, and leave a proposal. Nothing is pushed."""
    from gitagent import proposals
    from gitagent.approving import OutdatedError

    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    kind = asked.decision.kind
    if kind not in (*RUNS, "plan"):
        proposals.write(target, proposals.Proposal(run="", state="nothing", reason=asked.decision.reason))
        return
    try:
        if kind == "plan":
            proposal = proposing.planned(site, asked, target)
        elif approve_plan and asked.plan is None:
            proposal = proposing.only_plan(site, asked, target)
        else:
            proposal = proposing.proposed(site, asked, target)
    except GitagentError as error:
        # The publishing job tells it where it was asked; the log has it too.
        state = proposing.OUTDATED if isinstance(error, OutdatedError) else proposing.FAILED
        proposals.write(target, proposals.Proposal(run="", state=state, reason=str(error)))
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
@click.option("--approve-plan", is_flag=True, help="Push nothing but what an approved plan is about.")
@_options
@click.pass_context
def publish_command(
    ctx: click.Context,
    directory: str,
    base_branch: str,
    diff_lines: int,
    proven_only: bool,
    approve_plan: bool,
    site: runner.Site,
    asked: deciding.Asked,
) -> None:
    """Check a proposal against the policy, push it, and open or update the draft pull request."""
    from gitagent import proposals

    kind = asked.decision.kind
    if kind == "undo":
        publishing.undo(site, asked)
        return
    if kind == "explain":
        publishing.explain(site, asked)
        return
    if kind not in (*RUNS, "plan"):
        click.echo(f"nothing to publish: {asked.decision.reason}", err=True)
        return
    proposal = proposals.read(Path(directory))
    try:
        said = steering.outcome(site, asked, proposal.steered)
    except ForgeError as error:
        said = f"Whether there were corrections meanwhile is not known: {telling.plain(str(error))}"
    if proposal.state == deciding.QUESTIONS and kind == "plan":
        telling.tell(site, asked, f"{telling.plain(proposal.reason)}\n\n{said}".rstrip())
        site.forge.say(asked.number, deciding.QUESTIONS, proposal.body)
        runner.output({"state": proposal.state})
        return
    if proposal.state == proposing.PLAN and asked.plan is None and asked.number:
        _post_plan(ctx, site, asked, proposal, said)
        return
    if not proposal.tip:
        publishing.tell_outcome(site, asked, proposal, said)
        runner.output({"state": proposal.state})
        return
    stopped = site.forge.has_asked_to_stop(asked.number, asked.trigger.at) if asked.trigger.at else ""
    if stopped:
        telling.tell(site, asked, f"Stopped by @{telling.login(stopped)}: nothing was published.")
        runner.output({"state": "stopped"})
        return
    base_branch = base_branch or site.repository.head().branch or "main"
    policy = proposals.Policy(
        diff_lines=diff_lines, proven_only=proven_only, approved_only=approve_plan or kind == "plan"
    )
    checked = publishing.checked(site, asked, proposal, Path(directory), base_branch, policy)
    if checked.refused:
        _refuse(ctx, site, asked, checked.refused)
    pull = publishing.publish(site, asked, proposal, checked, base_branch, said)
    runner.output(
        {"state": "unproven" if checked.unproven else "proven", "pull": str(pull.number), "url": pull.url}
    )


def _post_plan(
    ctx: click.Context, site: runner.Site, asked: deciding.Asked, proposal: "Proposal", said: str
) -> None:
    try:
        name = publishing.post_plan(site, asked, proposal)
    except RequestError as error:
        _refuse(ctx, site, asked, (str(error),))
    telling.tell(site, asked, f"Plan `{name}` waits for approval: `/gitagent approve`.\n\n{said}".rstrip())
    runner.output({"state": proposal.state})


def _refuse(ctx: click.Context, site: runner.Site, asked: deciding.Asked, why: Sequence[str]) -> NoReturn:
    told = "\n".join(f"- {telling.plain(reason)}" for reason in why)
    telling.tell(site, asked, f"The proposal was not published:\n\n{told}")
    runner.output({"state": "refused"})
    click.echo("error: the proposal is refused: " + "; ".join(why), err=True)
    ctx.exit(1)
